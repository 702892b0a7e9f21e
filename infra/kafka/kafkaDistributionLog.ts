import { DistributionUnavailable, type DistributionLog, type PartitionBatch } from '../../events/distributionLog.ts';
import type { Log } from '../../services/runtime.ts';
import { pause } from '../abortable.ts';
import { GroupMember } from './groupMember.ts';
import type { KafkaAccess } from './kafkaClient.ts';
import { KafkaSender } from './kafkaSender.ts';
import { partitionOfKey } from './partitionOfKey.ts';
import { sparingLog } from './sparingLog.ts';
import type { TopicOptions } from './topic.ts';

export type { KafkaAccess } from './kafkaClient.ts';
export { TopicMismatch, type TopicOptions } from './topic.ts';

export interface KafkaDistributionLogOptions extends KafkaAccess, TopicOptions {
  readonly log: Log;
  /** Opens also while Kafka cannot be reached, which is then tried with every publication. False by default. */
  readonly mayBeAway?: boolean;
}

const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 5_000;

/**
 * The fan-out as one topic of Kafka. Records are CloudEvents 1.0 in binary mode; key is the account, value the stored
 * bytes, and the partition is the one that the Java client would choose for that key.
 *
 * Who was reading when the topic was deleted and made again may go on at the offset where it was, for the package does not
 * tell one topic from the other: it learns what it missed by `previous` of the next record of each partition.
 */
export class KafkaDistributionLog implements DistributionLog {
  readonly #options: KafkaDistributionLogOptions;
  readonly #sender: KafkaSender;
  readonly #closing = new AbortController();
  readonly #subscriptions = new Set<Promise<void>>();

  /**
   * Makes the topic when it is missing. Throws TopicMismatch when it has another number of partitions,
   * DistributionUnavailable when Kafka cannot be reached, unless it may be away.
   */
  static async open(options: KafkaDistributionLogOptions): Promise<KafkaDistributionLog> {
    const log = new KafkaDistributionLog(options);
    try {
      await log.#sender.open();
    } catch (error) {
      if (!options.mayBeAway || !(error instanceof DistributionUnavailable)) throw error;
      options.log.warn({ err: error }, 'Kafka cannot be reached and will be tried again');
    }
    return log;
  }

  private constructor(options: KafkaDistributionLogOptions) {
    this.#options = { ...options, log: sparingLog(options.log) };
    this.#sender = new KafkaSender(options, options, this.#options.log);
  }

  get partitions(): number {
    return this.#options.partitions;
  }

  partitionOf(accountId: string): number {
    return partitionOfKey(accountId, this.#options.partitions);
  }

  publish(batches: readonly PartitionBatch[]): Promise<void> {
    return this.#sender.send(batches);
  }

  async subscribe(options: Parameters<DistributionLog['subscribe']>[0]): Promise<void> {
    const subscription = this.#read({ ...options, signal: AbortSignal.any([options.signal, this.#closing.signal]) });
    this.#subscriptions.add(subscription);
    try {
      await subscription;
    } finally {
      this.#subscriptions.delete(subscription);
    }
  }

  /** Ends subscriptions, waits for the send in hand. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.all([...this.#subscriptions, this.#sender.close()]);
  }

  async #read(options: Parameters<DistributionLog['subscribe']>[0]): Promise<void> {
    const { topic, log } = this.#options;
    const isOver = () => options.signal.aborted;
    let pauseMs = FIRST_PAUSE_MS;
    while (!isOver()) {
      const member = new GroupMember({ ...options, access: this.#options, topic, log });
      const reason = await member.run();
      if (isOver()) return;
      if (member.joined) pauseMs = FIRST_PAUSE_MS;
      log.warn({ err: reason, group: options.group, pauseMs }, 'the membership of a group of readers ended');
      await pause(pauseMs, options.signal);
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
    }
  }
}
