import { DistributionUnavailable, type PartitionBatch } from '../../events/distributionLog.ts';
import type { Log } from '../../services/runtime.ts';
import { bounded, KafkaClient, type KafkaAccess, type Producer } from './kafkaClient.ts';
import { requestRounds, type PlacedRecord } from './rounds.ts';
import { ensureTopic, TopicMismatch, type TopicOptions } from './topic.ts';

const CONNECT_TIMEOUT_MS = 5_000;
const SEND_TIMEOUT_MS = 10_000;
const GOODBYE_MS = 1_000;
/** How long the brokers may wait for all copies. */
const ACK_TIMEOUT_MS = 4_000;
const ALL_REPLICAS = -1;

interface Connected {
  readonly client: KafkaClient;
  readonly producer: Producer;
}

/**
 * Sends to one topic, one call at a time. After any failure the producer is abandoned with its connections: the package
 * takes back the sequence numbers of a send that failed, and a broker that has seen them would confirm the next send
 * without storing it. The next call makes a new producer, and the topic when it has vanished.
 */
export class KafkaSender {
  readonly #access: KafkaAccess;
  readonly #topic: TopicOptions;
  readonly #log: Log;
  #connected: Connected | null = null;
  #inHand: Promise<void> | null = null;
  #closed = false;

  constructor(access: KafkaAccess, topic: TopicOptions, log: Log) {
    this.#access = access;
    this.#topic = topic;
    this.#log = log;
  }

  /** Throws TopicMismatch, or DistributionUnavailable. */
  async open(): Promise<void> {
    this.#connected = await this.#connect();
  }

  /** Throws DistributionUnavailable; some of the records may be there then. */
  async send(batches: readonly PartitionBatch[]): Promise<void> {
    if (this.#inHand) throw new Error('a publication is in hand already');
    const rounds = requestRounds(batches);
    this.#inHand = this.#sendRounds(rounds);
    try {
      await this.#inHand;
    } finally {
      this.#inHand = null;
    }
  }

  /** Waits for the send in hand. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#inHand?.catch(() => undefined);
    const connected = this.#connected;
    this.#connected = null;
    if (!connected) return;
    await bounded(connected.producer.disconnect(), GOODBYE_MS, 'leaving').catch(() => undefined);
    connected.client.destroy();
  }

  async #sendRounds(rounds: readonly (readonly PlacedRecord[])[]): Promise<void> {
    try {
      for (const round of rounds) {
        this.#connected ??= await this.#connect();
        await this.#sendRound(this.#connected.producer, round);
      }
    } catch (error) {
      this.#connected?.client.destroy();
      this.#connected = null;
      throw unavailable(error, 'publishing');
    }
  }

  async #sendRound(producer: Producer, round: readonly PlacedRecord[]): Promise<void> {
    const messages = round.map(({ partition, key, value, headers }) => ({ partition, key, value, headers }));
    const request = { topic: this.#topic.topic, acks: ALL_REPLICAS, timeout: ACK_TIMEOUT_MS, messages };
    const answers = await bounded(producer.send(request), SEND_TIMEOUT_MS, 'publishing');
    // A partition that moved to another broker while the package retried can be left out without an error.
    const confirmed = new Set(answers.filter(({ errorCode }) => errorCode === 0).map(({ partition }) => partition));
    const missing = round.find(({ partition }) => !confirmed.has(partition));
    if (missing) throw new DistributionUnavailable(`partition ${String(missing.partition)} did not confirm`);
  }

  async #connect(): Promise<Connected> {
    if (this.#closed) throw new DistributionUnavailable('this end of the distribution log is closed');
    const client = new KafkaClient(this.#access, 'send', this.#log);
    try {
      await ensureTopic(client, this.#topic);
      const producer = client.producer();
      await bounded(producer.connect(), CONNECT_TIMEOUT_MS, 'connecting');
      return { client, producer };
    } catch (error) {
      client.destroy();
      throw error instanceof TopicMismatch ? error : unavailable(error, 'connecting');
    }
  }
}

function unavailable(error: unknown, doing: string): DistributionUnavailable {
  if (error instanceof DistributionUnavailable) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new DistributionUnavailable(`${doing}: ${reason}`, { cause: error });
}
