import { randomBytes } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, it, vi } from 'vitest';
import { closeRedis, connectRedis, redisReady } from '../../infra/redis/connection.ts';
import { describeWith, ownKafka, ownRedis } from '../support/engines.ts';
import { asKafkaAdmin } from '../support/kafka.ts';
import { FaultRun } from '../support/faultRun.ts';
import { silentLog } from '../support/log.ts';

const RUN_MS = 170_000;
const freshTopic = () => ({ KAFKA_TOPIC: `faults-${randomBytes(4).toString('hex')}`, KAFKA_PARTITIONS: '4' });

describeWith('kafka', 'an installation whose read models follow Kafka, under load', (brokers) => {
  it('has exact books after Kafka was killed and stayed away for 60 s', { timeout: RUN_MS }, async () => {
    const kafka = await ownKafka();
    try {
      await using run = await FaultRun.start({ KAFKA_BROKERS: kafka.brokers, ...freshTopic() }, [
        ...(['projector', 'publisher', 'worker', 'relay', 'relay'] as const),
      ]);
      await run.completes(50);
      await kafka.kill();
      const away = pause(60_000);
      // Read models stand still or fetch from the store; calls go on either way.
      await run.completes(500, 60_000);
      await away;
      await kafka.restart();
      await run.completes(50);
      await run.expectExactBooks();
    } finally {
      await kafka.dispose();
    }
  });

  it('has exact books after its topic was deleted', { timeout: RUN_MS }, async () => {
    const topic = freshTopic();
    await using run = await FaultRun.start({ KAFKA_BROKERS: brokers, ...topic }, [
      ...(['projector', 'publisher', 'worker', 'relay', 'relay'] as const),
    ]);
    await run.completes(50);
    await asKafkaAdmin(brokers, (admin) => admin.deleteTopics({ topics: [topic.KAFKA_TOPIC] }));
    await run.completes(300);
    await run.expectExactBooks();
  });

  it('has exact books after projectors were killed again and again', { timeout: RUN_MS }, async () => {
    await using run = await FaultRun.start({ KAFKA_BROKERS: brokers, ...freshTopic() }, [
      ...(['projector', 'projector', 'publisher', 'worker', 'relay', 'relay'] as const),
    ]);
    for (let kill = 0; kill < 8; kill += 1) {
      await run.completes(20);
      await run.installation.of('projector').at(-2)?.stop('SIGKILL');
      await run.installation.startProcess('projector');
    }
    await run.expectExactBooks();
  });

  it('has exact books after a publisher stood still beyond its lock, and came back', { timeout: RUN_MS }, async () => {
    await using run = await FaultRun.start({ KAFKA_BROKERS: brokers, ...freshTopic() }, [
      ...(['projector', 'publisher', 'publisher', 'worker', 'relay', 'relay'] as const),
    ]);
    await run.completes(50);
    const publishers = run.installation.of('publisher');
    const leads = await Promise.all(publishers.map(({ baseUrl }) => isLeading(baseUrl)));
    expect(leads.filter(Boolean)).toHaveLength(1);
    const zombie = publishers[leads.indexOf(true)];
    const other = publishers[leads.indexOf(false)];
    if (!zombie || !other) throw new Error('there are not two publishers');
    zombie.signal('SIGSTOP');
    await vi.waitFor(async () => expect(await isLeading(other.baseUrl)).toBe(true), { timeout: 30_000, interval: 100 });
    await run.completes(50);
    zombie.signal('SIGCONT');
    await vi.waitFor(async () => expect(await isLeading(zombie.baseUrl)).toBe(false), {
      timeout: 10_000,
      interval: 100,
    });
    await run.completes(50);
    await run.expectExactBooks();
  });
});

describeWith('redis', 'an installation with Redis, under load', () => {
  it('has exact books after Redis was wiped, killed and emptied', { timeout: RUN_MS }, async () => {
    const redis = await ownRedis();
    try {
      await using run = await FaultRun.start({ REDIS_URL: redis.url });
      await run.completes(50);
      await wiped(redis.url);
      await run.completes(50);
      await redis.kill();
      await run.completes(100);
      await redis.restart();
      await run.completes(50);
      await run.expectExactBooks();
    } finally {
      await redis.dispose();
    }
  });
});

async function wiped(url: string): Promise<void> {
  const redis = connectRedis(url, { name: 'test', log: silentLog });
  expect(await redisReady(redis, 5_000)).toBe(true);
  await redis.flushall();
  await closeRedis(redis);
}

async function isLeading(baseUrl: string): Promise<boolean> {
  const text = await (await fetch(`${baseUrl}/metrics`)).text();
  return /^publisher\{name="leading"\} 1$/m.test(text);
}
