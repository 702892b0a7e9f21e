import type { Config } from '../../infra/config/config.ts';
import { KurrentEventStore } from '../../infra/kurrentdb/eventStore.ts';
import { closeRedis, connectRedis } from '../../infra/redis/connection.ts';
import { assertNotEvicting, EvictingRedis, SAFE_POLICY } from '../../infra/redis/evictionPolicy.ts';
import { redact } from '../../infra/telemetry/log.ts';
import type { KafkaFacts, KurrentdbFacts, RedisFacts } from '../cli/doctor/probes.ts';
import { CommandFailed } from '../cli/failure.ts';
import type { Log } from '../runtime.ts';
import { kafkaAccess } from './distribution.ts';

/** An engine that needs longer for a look is of no use to a call. */
const ANSWER_MS = 5_000;
/** What happens on the way stands in the report, and nowhere else. */
const QUIET: Log = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** Reads `$all` once, as every start does. Null when there is no KURRENTDB_URL. */
export async function kurrentdbFacts({ KURRENTDB_URL: url }: Config): Promise<KurrentdbFacts | null> {
  if (url === undefined) return null;
  try {
    const store = await KurrentEventStore.open({ connectionString: url, log: QUIET, timeoutMs: ANSWER_MS });
    try {
      return { head: await store.head() };
    } finally {
      await store.close();
    }
  } catch (error) {
    if (error instanceof TypeError) throw unreadable('KURRENTDB_URL', error);
    const advice =
      'See that it runs, and that KURRENTDB_URL has its address, tls=false where it has no certificate, and a user who may read $all.';
    throw away('KurrentDB cannot be read', error, advice);
  }
}

/** Asks for brokers and the topic, which is not made. Null when there are no KAFKA_BROKERS. */
export async function kafkaFacts(config: Config): Promise<KafkaFacts | null> {
  const access = kafkaAccess(config);
  if (!access) return null;
  const { KAFKA_TOPIC: topic, KAFKA_PARTITIONS: partitions, KAFKA_REPLICATION: replication } = config;
  const { bounded, KafkaClient } = await import('../../infra/kafka/kafkaClient.ts');
  const { lookAtTopic } = await import('../../infra/kafka/topic.ts');
  const client = new KafkaClient(access, 'send', QUIET);
  try {
    const facts = await bounded(lookAtTopic(client, topic), ANSWER_MS, 'looking at the topic');
    const found = facts.partitions === 0 ? null : { partitions: facts.partitions, copies: facts.copies };
    return { brokers: facts.brokers, topic, found, wanted: { partitions, replication } };
  } catch (error) {
    const advice = 'See that it runs, and that KAFKA_BROKERS, KAFKA_TLS, KAFKA_USERNAME and KAFKA_PASSWORD suit it.';
    throw away('Kafka cannot be asked', error, advice);
  } finally {
    client.destroy();
  }
}

/** Looks at its version and at what it does when its memory is full. Null when there is no REDIS_URL. */
export async function redisFacts({ REDIS_URL: url }: Config): Promise<RedisFacts | null> {
  if (url === undefined) return null;
  const redis = connectedTo(url);
  // The first failure is the answer; left alone, the connection would be tried again and again.
  const { promise: failure, reject } = Promise.withResolvers<never>();
  redis.on('error', reject);
  try {
    const { policy, evicts } = await Promise.race([policyOf(redis), failure]);
    const version = /^redis_version:(\S+)/m.exec(await redis.info('server'))?.[1] ?? null;
    return { version, policy, evicts };
  } catch (error) {
    throw away('Redis cannot be asked', error, 'See that it runs, and that REDIS_URL has its address and password.');
  } finally {
    await closeRedis(redis);
  }
}

type Redis = ReturnType<typeof connectRedis>;

function connectedTo(url: string): Redis {
  try {
    return connectRedis(url, { name: 'doctor', log: QUIET, timeoutMs: ANSWER_MS });
  } catch (error) {
    throw unreadable('REDIS_URL', error);
  }
}

/** By the same look that processes take when they start. */
async function policyOf(redis: Redis): Promise<Pick<RedisFacts, 'policy' | 'evicts'>> {
  try {
    await assertNotEvicting(redis);
    return { policy: SAFE_POLICY, evicts: false };
  } catch (error) {
    if (error instanceof EvictingRedis) return { policy: error.policy, evicts: true };
    throw error;
  }
}

/** Nothing of the address is repeated, for it may hold a password. */
function unreadable(name: string, error: unknown): CommandFailed {
  const advice = 'Special characters of a password must stand in it as %XX.';
  return new CommandFailed('usage', `${name} cannot be used (${reasonOf(error)}). ${advice}`);
}

function away(what: string, error: unknown, advice: string): CommandFailed {
  return new CommandFailed('unavailable', `${what} (${reasonOf(error)}). ${advice}`);
}

/** The messages of an error and its causes; clients repeat themselves there. */
function reasonOf(error: unknown): string {
  const reasons = new Set<string>();
  for (let each = error; each instanceof Error; each = each.cause) reasons.add(redact(each.message));
  return [...reasons].join(': ');
}
