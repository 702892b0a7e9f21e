import { bounded, brokerErrorOf, type Admin, type KafkaClient } from './kafkaClient.ts';

export interface TopicOptions {
  readonly topic: string;
  /** Fixed once the topic is made: another number would give accounts another order. */
  readonly partitions: number;
  /** Of a topic that is made; from 3 on, two copies must confirm. 1 by default. */
  readonly replicationFactor?: number;
  /** Of a topic that is made; 7 days by default. What readers miss beyond that they fetch from the event store. */
  readonly retentionMs?: number;
}

/** The topic has another number of partitions than it is used with. */
export class TopicMismatch extends Error {
  override readonly name = 'TopicMismatch';
}

const CALL_TIMEOUT_MS = 5_000;
const CREATE_TIMEOUT_MS = 15_000;
const GOODBYE_MS = 1_000;
const WEEK_MS = 7 * 86_400_000;
/** An event has up to 4 million characters, each of up to 3 bytes. */
const MAX_MESSAGE_BYTES = 16_777_216;

/** What there is to send to. */
export interface TopicFacts {
  /** Those that are up. */
  readonly brokers: number;
  /** 0 when there is no such topic. */
  readonly partitions: number;
  /** Of the partition that has the fewest; 0 when there is no such topic. */
  readonly copies: number;
}

/**
 * Makes the topic when it is missing; one that is there stays as it is. Throws TopicMismatch when it has another number
 * of partitions, DistributionUnavailable or the package's error when Kafka cannot be asked.
 */
export async function ensureTopic(client: KafkaClient, options: TopicOptions): Promise<void> {
  await withAdmin(client, async (admin) => {
    let present = (await partitionsOf(admin, options.topic)).length;
    if (present === 0) {
      await bounded(admin.createTopics({ topics: [creation(options)] }), CREATE_TIMEOUT_MS, 'making the topic');
      present = (await partitionsOf(admin, options.topic)).length;
    }
    if (present !== options.partitions) throw new TopicMismatch(mismatch(options, present));
  });
}

/** Looks and changes nothing. Throws DistributionUnavailable or the package's error when Kafka cannot be asked. */
export async function lookAtTopic(client: KafkaClient, topic: string): Promise<TopicFacts> {
  return withAdmin(client, async (admin) => {
    const { brokers } = await bounded(admin.describeCluster(), CALL_TIMEOUT_MS, 'cluster metadata');
    const partitions = await partitionsOf(admin, topic);
    const copies = partitions.map(({ replicas }) => replicas.length);
    const fewest = copies.length === 0 ? 0 : Math.min(...copies);
    return { brokers: brokers.length, partitions: partitions.length, copies: fewest };
  });
}

async function withAdmin<T>(client: KafkaClient, work: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = client.admin();
  try {
    await bounded(admin.connect(), CALL_TIMEOUT_MS, 'connecting');
    return await work(admin);
  } finally {
    await bounded(admin.disconnect(), GOODBYE_MS, 'leaving').catch(() => undefined);
  }
}

function mismatch({ topic, partitions }: TopicOptions, present: number): string {
  return `the topic ${topic} has ${String(present)} partitions and is to be used with ${String(partitions)}: name another topic, or its real number`;
}

/** None when there is no such topic. */
async function partitionsOf(admin: Admin, topic: string): Promise<readonly { readonly replicas: readonly number[] }[]> {
  try {
    const { topics } = await bounded(admin.fetchTopicMetadata({ topics: [topic] }), CALL_TIMEOUT_MS, 'topic metadata');
    return topics[0]?.partitions ?? [];
  } catch (error) {
    if (brokerErrorOf(error) === 'UNKNOWN_TOPIC_OR_PARTITION') return [];
    throw error;
  }
}

function creation({ topic, partitions, replicationFactor = 1, retentionMs = WEEK_MS }: TopicOptions) {
  const settings = {
    'cleanup.policy': 'delete',
    'retention.ms': String(retentionMs),
    'min.insync.replicas': replicationFactor >= 3 ? '2' : '1',
    'max.message.bytes': String(MAX_MESSAGE_BYTES),
  };
  const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }));
  return { topic, numPartitions: partitions, replicationFactor, configEntries };
}
