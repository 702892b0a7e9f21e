import type { DatabaseFacts, KafkaFacts, KurrentdbFacts, RedisFacts } from './probes.ts';
import { failed, ok, warning, type Verdict } from './verdict.ts';

/** BullMQ 6.7 asks for it. */
const OLDEST_REDIS = { major: 6, minor: 2 };

/** What stands in the database tells whether the record was there before. */
export function ofKurrentdb(kurrentdb: KurrentdbFacts | null, database: Pick<DatabaseFacts, 'head'> | null): Verdict {
  if (kurrentdb === null) return ok('not used: the record is in PostgreSQL');
  const readable =
    kurrentdb.head === 0n
      ? '$all can be read and holds no events of ours'
      : `$all can be read; the newest event is at position ${kurrentdb.head.toString()}`;
  const leftBehind = database?.head ?? 0n;
  if (leftBehind === 0n) return ok(readable);
  return warning(
    `${readable}. PostgreSQL holds ${leftBehind.toString()} events from before KURRENTDB_URL was set, which nobody reads now.`,
  );
}

export function ofKafka(kafka: KafkaFacts | null): Verdict {
  if (kafka === null) return ok('not used: read models follow the event store itself');
  const { brokers, topic, found, wanted } = kafka;
  const isUsable = found?.partitions === wanted.partitions;
  const lacksBrokers = brokers < wanted.replication;
  const there = `there ${brokers === 1 ? 'is' : 'are'} ${counted(brokers, 'broker')}`;
  const replication = `KAFKA_REPLICATION is ${String(wanted.replication)}`;
  const wrong = [
    ...(found !== null && !isUsable
      ? [
          `The topic ${topic} has ${counted(found.partitions, 'partition')} and KAFKA_PARTITIONS is ${String(wanted.partitions)}: set it to ${String(found.partitions)}, or name another KAFKA_TOPIC.`,
        ]
      : []),
    ...(lacksBrokers && !isUsable
      ? [`${replication} and ${there}, so no topic can be made: lower it, or add brokers.`]
      : []),
  ];
  if (wrong.length > 0) return failed(wrong.join(' '));
  if (found === null) {
    return ok(`${counted(brokers, 'broker')}; ${topic} will be made with ${counted(wanted.partitions, 'partition')}`);
  }
  if (lacksBrokers) return warning(`${replication} and ${there}: some are away, or it is too high.`);
  if (found.copies < wanted.replication) {
    return warning(
      `${replication} and ${topic} has only ${counted(found.copies, 'copy', 'copies')}: a topic that is there stays as it is.`,
    );
  }
  return ok(`${counted(brokers, 'broker')}; ${topic} has ${counted(found.partitions, 'partition')}`);
}

export function ofRedis(redis: RedisFacts | null): Verdict {
  if (redis === null) return ok('not used: limits are counted by each process, jobs are in PostgreSQL');
  const { version, policy, evicts } = redis;
  const name = version === null ? 'Redis' : `Redis ${version}`;
  if (evicts) {
    return failed(`${name} has maxmemory-policy ${policy} and may forget jobs: set it to noeviction.`);
  }
  if (version !== null && isOld(version)) {
    const { major, minor } = OLDEST_REDIS;
    return warning(`${name} is old: jobs ask for ${String(major)}.${String(minor)} or newer.`);
  }
  return ok(`${name}, maxmemory-policy ${policy}`);
}

function isOld(version: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return major < OLDEST_REDIS.major || (major === OLDEST_REDIS.major && minor < OLDEST_REDIS.minor);
}

function counted(count: number, one: string, many = `${one}s`): string {
  return `${String(count)} ${count === 1 ? one : many}`;
}
