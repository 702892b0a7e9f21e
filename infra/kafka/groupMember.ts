import type { PartitionBatch } from '../../events/distributionLog.ts';
import type { Log } from '../../services/runtime.ts';
import { pause } from '../abortable.ts';
import { fromCloudEvent } from './cloudEvents.ts';
import { bounded, KafkaClient, type Consumer, type EachBatchPayload, type KafkaAccess } from './kafkaClient.ts';

export interface MemberOptions {
  readonly access: KafkaAccess;
  readonly topic: string;
  readonly group: string;
  readonly handle: (batch: PartitionBatch) => Promise<void>;
  readonly signal: AbortSignal;
  readonly log: Log;
}

/** A member that is silent for this long is taken for dead, and others get its partitions. */
const SESSION_TIMEOUT_MS = 10_000;
const HEARTBEAT_MS = 2_000;
/** How long members have to finish what they have in hand when the group changes. */
const REBALANCE_TIMEOUT_MS = 30_000;
/** How long a broker waits for something to answer with. */
const LONG_POLL_MS = 500;
const MAX_BYTES_PER_PARTITION = 1_048_576;
const MAX_BYTES = 8_388_608;
/** Partitions that are handled at a time. */
const CONCURRENCY = 4;
/** Records that `handle` gets at most: it works in one transaction. */
const SLICE = 500;
/** Joining waits for the other members. */
const START_TIMEOUT_MS = REBALANCE_TIMEOUT_MS + 15_000;
/** Without a fetch, a join or a batch in hand for this long, the client hangs. */
const SILENCE_MS = REBALANCE_TIMEOUT_MS + 30_000;
const GOODBYE_MS = 3_000;
/** How long a partition rests whose batch could not be handled. */
const FIRST_REST_MS = 100;
const LONGEST_REST_MS = 5_000;

/**
 * One membership of a group, from joining until it is left, is lost, or hangs. Afterwards it is done with: whoever wants
 * to go on makes another. A batch that could not be handled comes again, after its partition has rested.
 */
export class GroupMember {
  readonly #options: MemberOptions;
  readonly #client: KafkaClient;
  readonly #consumer: Consumer;
  readonly #inHand = new Set<Promise<void>>();
  /** Of partitions whose last batch could not be handled, how long they will rest the next time. */
  readonly #rests = new Map<number, number>();
  readonly #ending = new AbortController();
  /** Aborts as soon as no further batch is to be begun. */
  readonly #signal: AbortSignal;
  #lastSign = performance.now();
  #joined = false;

  constructor(options: MemberOptions) {
    this.#options = options;
    this.#signal = AbortSignal.any([options.signal, this.#ending.signal]);
    this.#client = new KafkaClient(options.access, 'read', options.log);
    this.#consumer = this.#client.consumer({
      groupId: options.group,
      sessionTimeout: SESSION_TIMEOUT_MS,
      rebalanceTimeout: REBALANCE_TIMEOUT_MS,
      heartbeatInterval: HEARTBEAT_MS,
      maxWaitTimeInMs: LONG_POLL_MS,
      maxBytesPerPartition: MAX_BYTES_PER_PARTITION,
      maxBytes: MAX_BYTES,
      metadataMaxAge: 30_000,
    });
  }

  /** Whether it ever belonged to the group. */
  get joined(): boolean {
    return this.#joined;
  }

  /** Resolves when the signal has aborted and nothing is in hand any more, or with the reason why the membership ended. */
  async run(): Promise<unknown> {
    const reason = await this.#untilEnd();
    this.#ending.abort();
    // Stopping lets what is in hand commit before the member leaves.
    const stopped = this.#consumer.disconnect().catch(() => undefined);
    await Promise.allSettled([...this.#inHand]);
    await bounded(stopped, GOODBYE_MS, 'leaving the group').catch(() => undefined);
    this.#client.destroy();
    return reason;
  }

  /** Null when the signal aborted. */
  async #untilEnd(): Promise<unknown> {
    const { promise: ended, resolve: end } = Promise.withResolvers<unknown>();
    const { events } = this.#consumer;
    const sign = () => {
      this.#lastSign = performance.now();
    };
    this.#consumer.on(events.CRASH, ({ payload }) => end(payload.error));
    this.#consumer.on(events.FETCH, sign);
    this.#consumer.on(events.GROUP_JOIN, () => {
      this.#joined = true;
      sign();
    });
    const onAbort = () => end(null);
    this.#options.signal.addEventListener('abort', onAbort);
    const watch = setInterval(() => {
      if (this.#inHand.size > 0) sign();
      if (performance.now() - this.#lastSign > SILENCE_MS) end(new Error('the client has fallen silent'));
    }, HEARTBEAT_MS);
    if (this.#options.signal.aborted) onAbort();
    this.#start().catch(end);
    try {
      return await ended;
    } finally {
      clearInterval(watch);
      this.#options.signal.removeEventListener('abort', onAbort);
    }
  }

  async #start(): Promise<void> {
    const { topic } = this.#options;
    await bounded(this.#consumer.connect(), START_TIMEOUT_MS, 'connecting');
    await bounded(this.#consumer.subscribe({ topics: [topic], fromBeginning: true }), START_TIMEOUT_MS, 'subscribing');
    const run = this.#consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      partitionsConsumedConcurrently: CONCURRENCY,
      eachBatch: (payload) => this.#track(this.#takeBatch(payload)),
    });
    await bounded(run, START_TIMEOUT_MS, 'joining the group');
  }

  async #track(work: Promise<void>): Promise<void> {
    this.#inHand.add(work);
    try {
      await work;
    } finally {
      this.#inHand.delete(work);
    }
  }

  /**
   * Returns early when a slice could not be handled, which then comes again; other partitions go on meanwhile. Throws what
   * the package wants to hear: that the group changed, or that a commit failed.
   */
  async #takeBatch(payload: EachBatchPayload): Promise<void> {
    const { topic, partition, messages } = payload.batch;
    for (let start = 0; start < messages.length; start += SLICE) {
      if (this.#signal.aborted || !payload.isRunning() || payload.isStale()) return;
      const slice = messages.slice(start, start + SLICE);
      const records = slice.map(fromCloudEvent).filter((record) => record !== null);
      if (records.length < slice.length) {
        this.#options.log.warn({ topic, partition, records: slice.length - records.length }, 'kafka: foreign records');
      }
      const { read, lost } = await this.#handleBeating(payload, { partition, records });
      const offset = slice.at(-1)?.offset;
      if (read && offset !== undefined) {
        payload.resolveOffset(offset);
        const next = String(BigInt(offset) + 1n);
        await payload.commitOffsetsIfNecessary({ topics: [{ topic, partitions: [{ partition, offset: next }] }] });
      }
      if (lost !== null) throw lost;
      if (!read) {
        this.#rest(partition, payload.pause());
        return;
      }
    }
  }

  /** Handles a batch while telling the group that we live. `lost` is what the group answered when it had changed. */
  async #handleBeating(payload: EachBatchPayload, batch: PartitionBatch) {
    let lost: Error | null = null;
    const beat = setInterval(() => {
      payload.heartbeat().catch((error: unknown) => {
        lost ??= error instanceof Error ? error : new Error(String(error));
      });
    }, HEARTBEAT_MS);
    try {
      const read = await this.#handle(batch);
      return { read, lost: lost as Error | null };
    } finally {
      clearInterval(beat);
    }
  }

  async #handle(batch: PartitionBatch): Promise<boolean> {
    try {
      if (batch.records.length > 0) await this.#options.handle(batch);
      this.#rests.delete(batch.partition);
      return true;
    } catch (error) {
      this.#options.log.warn({ err: error, partition: batch.partition }, 'a batch could not be handled');
      return false;
    }
  }

  /** Longer each time in a row. */
  #rest(partition: number, resume: () => void): void {
    const restMs = this.#rests.get(partition) ?? FIRST_REST_MS;
    this.#rests.set(partition, Math.min(restMs * 2, LONGEST_REST_MS));
    void pause(restMs, this.#signal).then(resume);
  }
}
