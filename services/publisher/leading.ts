import { DistributionUnavailable, type DistributionLog, type PartitionBatch } from '../../events/distributionLog.ts';
import { accountIdIn } from '../../events/envelopeIn.ts';
import { StoreUnavailable, type EventStore, type RecordedEvent } from '../../events/eventStore.ts';
import type { Runtime } from '../runtime.ts';
import { continueChain, isMarked, joinBatches, publishEvents, publishMarks, type Chain } from './chain.ts';
import { Feed } from './feed.ts';
import { pauseFor } from '../pauseFor.ts';
import type { CheckpointStore, Progress } from './ports.ts';

/** Events of one send. */
const PAGE = 500;
/** Sends that are not full begin at least so far apart; under load many commits share one. */
const SEND_EVERY_MS = 50;
/** Marks follow at once when nothing more is to be sent, at least so far apart; and while there is more, less often. */
const MARK_CAUGHT_UP_MS = 200;
const MARK_BEHIND_MS = 1_000;
const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 5_000;

export interface LeadingParts {
  readonly store: EventStore;
  readonly log: DistributionLog;
  readonly checkpoints: CheckpointStore;
  readonly runtime: Pick<Runtime, 'clock' | 'timers' | 'log'>;
}

/** What a publisher has done since it was made. */
export interface PublisherCounts {
  events: number;
  marks: number;
  sends: number;
  failures: number;
}

/** The checkpoint is ahead of the event store: one of the two is not what it was, and readers would drop what follows. */
export class CheckpointBeyondLog extends Error {
  override readonly name = 'CheckpointBeyondLog';
}

/**
 * One term of leading: from the checkpoint on, page after page, each sent and confirmed before the checkpoint moves and
 * the next one is sent. Ends when the signal aborts, or when a later term has begun.
 */
export class Leading {
  readonly #parts: LeadingParts;
  readonly #counts: PublisherCounts;
  readonly #signal: AbortSignal;
  #position: bigint | null = null;
  #sentAt = -Infinity;
  #markedAt = -Infinity;

  constructor(parts: LeadingParts, counts: PublisherCounts, signal: AbortSignal) {
    this.#parts = parts;
    this.#counts = counts;
    this.#signal = signal;
  }

  /** Of the checkpoint; null before the term has begun. */
  get position(): bigint | null {
    return this.#position;
  }

  /** Throws StoreUnavailable, PartitionsChanged or CheckpointBeyondLog when it cannot begin. */
  async run(): Promise<'stopped' | 'superseded'> {
    const { checkpoints, log, store, runtime } = this.#parts;
    const { term, progress } = await checkpoints.begin(log.partitions);
    const head = await store.head();
    if (progress.position > head) {
      throw new CheckpointBeyondLog(`checkpoint ${String(progress.position)}, newest event ${String(head)}`);
    }
    this.#position = progress.position;
    const ending = new AbortController();
    const signal = AbortSignal.any([this.#signal, ending.signal]);
    const pages = store.subscribe({ after: progress.position, limit: PAGE, signal });
    const feed = new Feed({ pages, pageSize: PAGE, after: progress.position, timers: runtime.timers, signal });
    try {
      return await this.#publish(feed, term, continueChain(progress));
    } finally {
      ending.abort();
    }
  }

  async #publish(feed: Feed, term: bigint, start: Chain): Promise<'stopped' | 'superseded'> {
    const { clock } = this.#parts.runtime;
    let chain = start;
    for (;;) {
      await feed.wait(0, isMarked(chain) ? null : this.#marksDueInMs(feed));
      const early = this.#sentAt + SEND_EVERY_MS - clock.monotonic();
      if (early > 0) await feed.wait(PAGE, early);
      if (this.#signal.aborted || feed.ended) return 'stopped';
      const { events, position } = feed.take(PAGE);
      const published = publishEvents(chain, events, position, this.#partitionOf);
      const marked = this.#marksDueInMs(feed) > 0 ? null : publishMarks(published.chain);
      const batches = joinBatches(published.batches, marked?.batches ?? []);
      if (batches.length > 0 && !(await this.#send(batches))) return 'stopped';
      if (marked) this.#markedAt = clock.monotonic();
      chain = marked?.chain ?? published.chain;
      const moved = await this.#advance(term, chain);
      if (moved !== 'moved') return moved;
    }
  }

  readonly #partitionOf = ({ data }: RecordedEvent): number => this.#parts.log.partitionOf(accountIdIn(data));

  #marksDueInMs(feed: Feed): number {
    const every = feed.caughtUp ? MARK_CAUGHT_UP_MS : MARK_BEHIND_MS;
    return Math.max(0, this.#markedAt + every - this.#parts.runtime.clock.monotonic());
  }

  /** False when the signal aborted before the send succeeded. */
  async #send(batches: readonly PartitionBatch[]): Promise<boolean> {
    this.#sentAt = this.#parts.runtime.clock.monotonic();
    const sent = await this.#persist('publishing', DistributionUnavailable, async () => {
      await this.#parts.log.publish(batches);
      return true;
    });
    if (sent === null) return false;
    this.#counts.sends += 1;
    for (const { records } of batches) {
      for (const { event } of records) this.#counts[event === null ? 'marks' : 'events'] += 1;
    }
    return true;
  }

  async #advance(term: bigint, to: Progress): Promise<'moved' | 'stopped' | 'superseded'> {
    const from = this.#position;
    if (from === null || to.position === from) return 'moved';
    const advance = () => this.#parts.checkpoints.advance(term, from, to);
    const moved = await this.#persist('saving the checkpoint', StoreUnavailable, advance);
    if (moved === null) return 'stopped';
    if (moved) this.#position = to.position;
    return moved ? 'moved' : 'superseded';
  }

  /** Runs `work` until it throws no error of a kind any more; null when the signal aborted before. Work in hand is waited for. */
  async #persist<T>(
    doing: string,
    kind: typeof DistributionUnavailable | typeof StoreUnavailable,
    work: () => Promise<T>,
  ): Promise<T | null> {
    const { timers, log } = this.#parts.runtime;
    for (let pauseMs = FIRST_RETRY_MS; ; pauseMs = Math.min(pauseMs * 2, LONGEST_RETRY_MS)) {
      try {
        return await work();
      } catch (error) {
        if (!(error instanceof kind)) throw error;
        this.#counts.failures += 1;
        log.warn({ err: error, position: String(this.#position), pauseMs }, `${doing} failed; trying again`);
      }
      await pauseFor(timers, pauseMs, this.#signal);
      if (this.#signal.aborted) return null;
    }
  }
}
