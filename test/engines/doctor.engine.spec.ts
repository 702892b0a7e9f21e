import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseConfig } from '../../infra/config/config.ts';
import type { KafkaEngine } from '../../infra/engines/kafka.ts';
import type { RedisEngine } from '../../infra/engines/redis.ts';
import { closeRedis, connectRedis, redisReady } from '../../infra/redis/connection.ts';
import { ofKafka, ofRedis } from '../../services/cli/doctor/engineVerdicts.ts';
import { kafkaFacts, redisFacts } from '../../services/wiring/doctorEngines.ts';
import { CommandLine } from '../e2e/cli/commandLine.ts';
import { describeWith, ownKafka, ownRedis, type Owned } from '../support/engines.ts';
import { asKafkaAdmin, freshName, openLog } from '../support/kafka.ts';
import { silentLog } from '../support/log.ts';

/** As `ANSWER_MS` there, with a second for the goodbye and another for a slow machine. */
const LONGEST_MS = 7_000;
const NOBODY = '127.0.0.1:1';
const ASK_KAFKA = 'See that it runs, and that KAFKA_BROKERS, KAFKA_TLS, KAFKA_USERNAME and KAFKA_PASSWORD suit it.';
const ASK_REDIS = 'See that it runs, and that REDIS_URL has its address and password.';

const ofTopic = async (environment: Readonly<Record<string, string>>) =>
  ofKafka(await kafkaFacts(parseConfig(environment)));
const redisOf = (url: string) => redisFacts(parseConfig({ REDIS_URL: url }));
const refusal = (work: Promise<unknown>) => work.catch((error: unknown) => error);

async function inTime<T>(work: () => Promise<T>): Promise<T> {
  const since = performance.now();
  const result = await work();
  expect(performance.now() - since).toBeLessThan(LONGEST_MS);
  return result;
}

describe('The doctor without Kafka and Redis', () => {
  it('asks nobody when there are none', async () => {
    expect(await kafkaFacts(parseConfig({}))).toBeNull();
    expect(await redisFacts(parseConfig({}))).toBeNull();
  });

  it('says in time that nobody is there', async () => {
    expect(await inTime(() => refusal(ofTopic({ KAFKA_BROKERS: NOBODY })))).toMatchObject({
      exit: 'unavailable',
      message: `Kafka cannot be asked (Connection error: connect ECONNREFUSED ${NOBODY}). ${ASK_KAFKA}`,
    });
    expect(await inTime(() => refusal(redisOf(`redis://:hunter2@${NOBODY}`)))).toMatchObject({
      exit: 'unavailable',
      message: `Redis cannot be asked (connect ECONNREFUSED ${NOBODY}). ${ASK_REDIS}`,
    });
  });

  it('does not repeat an address that cannot be used', async () => {
    expect(await refusal(redisOf('redis://:hunter2/x@127.0.0.1'))).toMatchObject({
      exit: 'usage',
      message: 'REDIS_URL cannot be used (Invalid URL). Special characters of a password must stand in it as %XX.',
    });
  });

  it('tells of all of them in one report, with no secret and no noise', async () => {
    const dataDir = await mkdtemp(path.join(tmpdir(), 'tallystick-doctor-'));
    const tallystick = new CommandLine({
      DATA_DIR: path.join(dataDir, 'none'),
      KURRENTDB_URL: `kurrentdb://admin:hunter2@${NOBODY}?tls=false`,
      KAFKA_BROKERS: NOBODY,
      KAFKA_USERNAME: 'relay',
      KAFKA_PASSWORD: 'hunter2',
      REDIS_URL: `redis://:hunter2@${NOBODY}`,
    });
    const { code, out, error } = await tallystick.run('doctor', '--no-call', '--json');
    await rm(dataDir, { recursive: true, force: true });
    expect({ code, error }).toEqual({ code: 69, error: '' });
    expect(out).not.toContain('hunter2');
    const { checks } = JSON.parse(out) as { checks: { name: string; status: string }[] };
    expect(checks.filter(({ status }) => status === 'failed').map(({ name }) => name)).toEqual([
      'kurrentdb',
      'kafka',
      'redis',
    ]);
  });
});

describeWith('kafka', 'The doctor and Kafka', (brokers) => {
  const made = async (partitions: number): Promise<string> => {
    const topic = freshName('doctor');
    await (await openLog(brokers, topic, { partitions })).close();
    return topic;
  };

  it('finds a topic with the right number of partitions', async () => {
    const topic = await made(3);
    expect(await ofTopic({ KAFKA_BROKERS: brokers, KAFKA_TOPIC: topic, KAFKA_PARTITIONS: '3' })).toEqual({
      status: 'ok',
      detail: `1 broker; ${topic} has 3 partitions`,
    });
  });

  it('says of another number what to do, and of copies for which there are no brokers', async () => {
    const topic = await made(3);
    const wrong = `The topic ${topic} has 3 partitions and KAFKA_PARTITIONS is 12: set it to 3, or name another KAFKA_TOPIC.`;
    const found = { KAFKA_BROKERS: brokers, KAFKA_TOPIC: topic };
    expect(await ofTopic(found)).toEqual({ status: 'failed', detail: wrong });
    const impossible =
      'KAFKA_REPLICATION is 3 and there is 1 broker, so no topic can be made: lower it, or add brokers.';
    expect(await ofTopic({ ...found, KAFKA_REPLICATION: '3' })).toEqual({
      status: 'failed',
      detail: `${wrong} ${impossible}`,
    });
  });

  it('makes no topic that is missing', async () => {
    const topic = freshName('doctor');
    expect(await ofTopic({ KAFKA_BROKERS: brokers, KAFKA_TOPIC: topic })).toEqual({
      status: 'ok',
      detail: `1 broker; ${topic} will be made with 12 partitions`,
    });
    const topics = await asKafkaAdmin(brokers, (admin) => admin.listTopics());
    expect(topics).not.toContain(topic);
  });

  describe('that stands still', () => {
    let kafka: Owned<KafkaEngine>;
    beforeAll(async () => {
      kafka = await ownKafka();
    });
    afterAll(() => kafka.dispose());

    it('says so in time', async () => {
      await kafka.suspend();
      expect(await inTime(() => refusal(ofTopic({ KAFKA_BROKERS: kafka.brokers })))).toMatchObject({
        exit: 'unavailable',
        message: expect.stringContaining('Kafka did not answer within 5000 ms') as unknown,
      });
      await kafka.resume();
    });
  });
});

describeWith('redis', 'The doctor and Redis', () => {
  let server: Owned<RedisEngine>;
  beforeAll(async () => {
    server = await ownRedis();
  });
  afterAll(() => server.dispose());

  async function configured(name: string, value: string): Promise<void> {
    const redis = connectRedis(server.url, { name: 'test', log: silentLog });
    expect(await redisReady(redis, 5_000)).toBe(true);
    await redis.config('SET', name, value);
    await closeRedis(redis);
  }

  it('finds one that forgets nothing', async () => {
    const facts = await redisOf(server.url);
    expect(facts).toEqual({ version: server.version, policy: 'noeviction', evicts: false });
    expect(ofRedis(facts)).toEqual({ status: 'ok', detail: `Redis ${server.version}, maxmemory-policy noeviction` });
  });

  it('says of one that evicts what to do', async () => {
    await configured('maxmemory-policy', 'allkeys-lru');
    const verdict = ofRedis(await redisOf(server.url));
    await configured('maxmemory-policy', 'noeviction');
    expect(verdict).toEqual({
      status: 'failed',
      detail: `Redis ${server.version} has maxmemory-policy allkeys-lru and may forget jobs: set it to noeviction.`,
    });
  });

  it('says that a password is wrong, and not which', async () => {
    const address = server.url.replace('redis://', 'redis://relay:hunter2@');
    expect(await inTime(() => refusal(redisOf(address)))).toMatchObject({
      exit: 'unavailable',
      message: `Redis cannot be asked (WRONGPASS invalid username-password pair or user is disabled.). ${ASK_REDIS}`,
    });
  });

  it('says in time that one stands still', async () => {
    await server.suspend();
    expect(await inTime(() => refusal(redisOf(server.url)))).toMatchObject({ exit: 'unavailable' });
    await server.resume();
  });
});
