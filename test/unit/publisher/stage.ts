import { DistributionUnavailable, type DistributionLog, type PartitionBatch } from '../../../events/distributionLog.ts';
import { MemoryEventStore } from '../../../infra/memory/eventStore.ts';
import { StoreUnavailable } from '../../../events/eventStore.ts';
import {
  PartitionsChanged,
  type CheckpointStore,
  type Leadership,
  type LeaderLock,
  type Progress,
} from '../../../services/publisher/ports.ts';
import { Publisher } from '../../../services/publisher/publisher.ts';
import { Reader } from '../../support/distribution.ts';
import { testPartitionOf } from '../../support/faultyDistribution.ts';
import { silentLog } from '../../support/log.ts';
import { ManualTime } from './manualTime.ts';

/** A distribution log that hands what is published to one reader, at once, and fails when told to. */
export class DirectLog implements DistributionLog {
  readonly partitions = 3;
  readonly reader = new Reader();
  /** Publications that will fail, on their way or when they have happened. */
  readonly faults: ('before' | 'after')[] = [];

  partitionOf(accountId: string): number {
    return testPartitionOf(accountId, this.partitions);
  }

  async publish(batches: readonly PartitionBatch[]): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    const fault = this.faults.shift();
    if (fault === 'before') throw new DistributionUnavailable('lost on its way, as told by the test');
    for (const batch of batches) await this.reader.take(batch);
    if (fault === 'after') throw new DistributionUnavailable('the confirmation was lost, as told by the test');
  }

  subscribe(): Promise<void> {
    return Promise.reject(new Error('its reader is there already'));
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

/** A checkpoint in memory, which is unreachable when told to. */
export class MemoryCheckpoints implements CheckpointStore {
  term = 0n;
  progress: Progress | null = null;
  /** Calls that will fail: `after` they have moved it, or `before`. */
  readonly faults: ('before' | 'after')[] = [];

  begin(partitions: number): Promise<{ readonly term: bigint; readonly progress: Progress }> {
    this.progress ??= { position: 0n, lastPositions: new Array<bigint>(partitions).fill(0n) };
    if (this.progress.lastPositions.length !== partitions) return Promise.reject(new PartitionsChanged('told'));
    this.term += 1n;
    return Promise.resolve({ term: this.term, progress: this.progress });
  }

  advance(term: bigint, from: bigint, to: Progress): Promise<boolean> {
    const fault = this.faults.shift();
    const unavailable = new StoreUnavailable('told by the test');
    if (fault === 'before') return Promise.reject(unavailable);
    const at = this.progress?.position;
    const moved = term === this.term && (at === from || at === to.position);
    if (moved) this.progress = to;
    return fault === 'after' ? Promise.reject(unavailable) : Promise.resolve(moved);
  }
}

/** A lock in memory, which its holder loses when told to. */
export class MemoryLock implements LeaderLock {
  #holder: AbortController | null = null;
  readonly #waiting: (() => void)[] = [];

  async acquire(signal: AbortSignal): Promise<Leadership | null> {
    while (this.#holder && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#waiting.push(resolve);
        signal.addEventListener('abort', () => resolve());
      });
    }
    if (signal.aborted) return null;
    const holder = new AbortController();
    this.#holder = holder;
    const release = () => {
      if (this.#holder === holder) this.free();
      return Promise.resolve();
    };
    return { lost: holder.signal, release };
  }

  /** Whoever holds it is told that it does no more. */
  lose(): void {
    this.#holder?.abort();
    this.free();
  }

  /** Another may have it; whoever held it is not told. */
  free(): void {
    this.#holder = null;
    for (const wake of this.#waiting.splice(0)) wake();
  }
}

/** Publishers over one store, log, checkpoint and lock in memory. */
export function publisherStage() {
  const store = new MemoryEventStore();
  const log = new DirectLog();
  const checkpoints = new MemoryCheckpoints();
  const lock = new MemoryLock();
  const time = new ManualTime();
  const runtime = { clock: time, timers: time, log: silentLog };
  const publisher = () => new Publisher({ store, log, checkpoints, lock, runtime });
  return { store, log, checkpoints, lock, time, publisher };
}
