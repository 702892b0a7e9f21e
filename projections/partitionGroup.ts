import type { DistributionLog, PartitionBatch } from '../events/distributionLog.ts';
import { PartitionProjector, type PartitionProjectorOptions } from './partitionProjector.ts';
import { pause } from './pause.ts';
import type { Portion } from './portions.ts';
import type { Projection } from './projection.ts';
import { StoredEvent } from './storedEvent.ts';

/** A projection that does not move for this long is stuck, and others no longer wait for it. */
const GRACE_MS = 1_000;

export interface PartitionGroupOptions extends Omit<PartitionProjectorOptions, 'partitions'> {
  readonly distribution: DistributionLog;
  /** Of the readers that share the partitions, here and in other processes. */
  readonly group: string;
}

/** Projections that follow partitions together: what comes is decoded once for all of them. */
export class PartitionGroup {
  readonly projectors: readonly PartitionProjector[];
  readonly #options: PartitionGroupOptions;
  readonly #types: ReadonlySet<string>;

  constructor(projections: readonly Projection[], options: PartitionGroupOptions) {
    this.#options = options;
    const { partitions } = options.distribution;
    this.projectors = projections.map((projection) => new PartitionProjector(projection, { ...options, partitions }));
    this.#types = new Set(projections.flatMap((projection) => [...(projection.types ?? [])]));
  }

  /** Follows the partitions until the signal aborts, and ends after the portions in hand. Never rejects. */
  async run(): Promise<void> {
    await Promise.all([this.#subscribe(), ...this.projectors.map((projector) => projector.run())]);
  }

  /** Not before the first projection could take something. */
  async #subscribe(): Promise<void> {
    const { distribution, group, signal } = this.#options;
    await Promise.race(this.projectors.map(({ began }) => began));
    if (!signal.aborted) await distribution.subscribe({ group, signal, handle: (batch) => this.#handle(batch) });
  }

  /**
   * Resolves when each projection has committed the batch, or will fetch it from the store. Rejects when no projection
   * took it, so that it is brought again.
   */
  async #handle(batch: PartitionBatch): Promise<void> {
    this.#expectRightPartition(batch);
    for (const portion of portionsOf(batch, this.#options.pageSize)) {
      if (this.projectors.some((projector) => projector.needs(portion))) this.#prepare(portion);
      if (!(await this.#offer(portion))) {
        throw new Error(`no projection can follow partition ${String(batch.partition)} now`);
      }
    }
  }

  /** Two opinions on where an account belongs would lose events, so one event of each batch is looked at. */
  #expectRightPartition({ partition, records }: PartitionBatch): void {
    const event = records.find((record) => record.event)?.event;
    if (!event) return;
    const { partitionOf, distribution, log } = this.#options;
    const expected = partitionOf(new StoredEvent(event).accountId, distribution.partitions);
    if (expected === partition) return;
    log.error({ partition, expected, position: event.position }, 'an event came in the partition of other accounts');
    throw new Error(`the event at ${String(event.position)} belongs in partition ${String(expected)}`);
  }

  #prepare({ events }: ReadPortion): void {
    for (const event of events) if (this.#types.has(event.recorded.type)) event.prepare();
  }

  /** False when no projection took it. One that is stuck falls behind. */
  async #offer(portion: Portion): Promise<boolean> {
    let taken = 0;
    const open = new Set(this.projectors);
    const all = Promise.all(
      this.projectors.map(async (projector) => {
        if (await projector.take(portion)) taken += 1;
        open.delete(projector);
      }),
    );
    while (open.size > 0) {
      const before = [...open].map((projector) => ({ projector, steps: projector.steps }));
      await this.#within(GRACE_MS, all);
      for (const { projector, steps } of before) {
        if (projector.steps > steps || !open.delete(projector)) continue;
        projector.fallBehind();
      }
    }
    return taken > 0;
  }

  async #within(limitMs: number, work: Promise<unknown>): Promise<void> {
    const over = new AbortController();
    await Promise.race([work, pause(this.#options.timers, limitMs, over.signal)]);
    over.abort();
  }
}

interface ReadPortion extends Portion {
  readonly events: readonly StoredEvent[];
}

interface Run {
  readonly after: bigint;
  position: bigint;
  readonly events: StoredEvent[];
}

/** Records without a gap between them, at most `limit` events together. What comes twice is taken once. */
function portionsOf({ partition, records }: PartitionBatch, limit: number): readonly ReadPortion[] {
  const runs: Run[] = [];
  for (const { event, position, previous } of records) {
    const last = runs.at(-1);
    if (last && position <= last.position) continue;
    const events = event ? [new StoredEvent(event)] : [];
    const follows = last !== undefined && previous <= last.position;
    if (follows && last.events.length < limit) {
      last.position = position;
      last.events.push(...events);
    } else {
      runs.push({ after: follows ? last.position : previous, position, events });
    }
  }
  return runs.map(({ after, position, events }) => ({ ranges: [{ partition, after, position }], events }));
}
