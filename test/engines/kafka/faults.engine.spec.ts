import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { accountIdIn } from '../../../events/envelopeIn.ts';
import type { KafkaDistributionLog } from '../../../infra/kafka/kafkaDistributionLog.ts';
import { PostgresEventStore } from '../../../infra/postgres/eventStore.ts';
import { PostgresLeaderLock } from '../../../infra/postgres/leaderLock.ts';
import { PostgresPublisherCheckpoints } from '../../../infra/postgres/publisherCheckpoints.ts';
import { systemRuntime } from '../../../infra/runtime.ts';
import type { KafkaEngine } from '../../../infra/engines/kafka.ts';
import { Publisher } from '../../../services/publisher/publisher.ts';
import { appendExamples, isOrdered, Reader } from '../../support/distribution.ts';
import { describeWith, ownKafka, type Owned } from '../../support/engines.ts';
import { freshName, openLog } from '../../support/kafka.ts';
import { silentLog } from '../../support/log.ts';
import { testDatabase, type TestDatabase } from '../../support/postgres.ts';

describeWith('kafka', 'Publishing and reading through faults of Kafka', () => {
  let kafka: Owned<KafkaEngine>;
  let database: TestDatabase;
  let store: PostgresEventStore;
  let log: KafkaDistributionLog;
  let publisher: Publisher;
  const subscriptions: { readonly ending: AbortController; readonly ended: Promise<void> }[] = [];

  beforeAll(async () => {
    kafka = await ownKafka();
  });
  afterAll(() => kafka.dispose());

  beforeEach(async () => {
    database = await testDatabase();
    store = await PostgresEventStore.open({ connectionString: database.url, log: silentLog });
    const topic = freshName('events');
    log = await openLog(kafka.brokers, topic);
    publisher = new Publisher({
      store,
      log,
      checkpoints: new PostgresPublisherCheckpoints(database.pool, topic),
      lock: new PostgresLeaderLock({ connectionString: database.url, name: topic, log: silentLog }),
      runtime: systemRuntime(silentLog),
    });
    publisher.start();
  });

  afterEach(async () => {
    await publisher.stop();
    await Promise.all(subscriptions.splice(0).map(left));
    await log.close();
    await store.close();
    await database.close();
  });

  function reading(reader: Reader, group = freshName('group')) {
    const ending = new AbortController();
    let batches = 0;
    const handle: Reader['take'] = async (batch) => {
      batches += 1;
      await reader.take(batch);
    };
    const subscription = { ending, ended: log.subscribe({ group, handle, signal: ending.signal }) };
    subscriptions.push(subscription);
    return { ...subscription, batches: () => batches };
  }

  async function left({ ending, ended }: (typeof subscriptions)[number]): Promise<void> {
    ending.abort();
    await ended;
  }

  const isComplete = (position: bigint) => (reader: Reader) =>
    [0, 1, 2].every((partition) => reader.position(partition) >= position);
  const expectWhole = (reader: Reader, count: number) => {
    expect([reader.events.length, reader.ids.size, reader.gaps]).toEqual([count, count, []]);
    expect(isOrdered(reader.events, ({ data }) => log.partitionOf(accountIdIn(data)))).toBe(true);
  };

  /** Appends rounds of 100 events until it is told to stop; gives how many it appended. */
  function load() {
    const ending = new AbortController();
    const done = (async () => {
      let rounds = 0;
      for (; !ending.signal.aborted; rounds += 1) await appendExamples(store, `round${String(rounds)}`, 100);
      return rounds * 100;
    })();
    return {
      stop: () => {
        ending.abort();
        return done;
      },
    };
  }

  it('loses nothing when the broker is killed under load and comes back', async () => {
    const reader = new Reader();
    reading(reader);
    const appending = load();
    await reader.until(({ events }) => events.length > 1_000);
    await kafka.kill();
    await appendExamples(store, 'meanwhile', 100);
    await kafka.restart();
    const before = reader.events.length;
    await reader.until(({ events }) => events.length > before + 1_000);
    const count = 100 + (await appending.stop());
    await reader.until(isComplete(BigInt(count)));
    expectWhole(reader, count);
    expect((await publisher.status()).failures).toBeGreaterThan(0);
  });

  it('loses nothing when the broker freezes beyond every timeout', async () => {
    const reader = new Reader();
    reading(reader);
    await appendExamples(store, 'before', 500);
    await reader.until(isComplete(500n));
    await kafka.suspend();
    await appendExamples(store, 'meanwhile', 500);
    await expect.poll(async () => (await publisher.status()).failures, { timeout: 30_000 }).toBeGreaterThan(0);
    await kafka.resume();
    await reader.until(isComplete(1_000n));
    expectWhole(reader, 1_000);
  });

  it('shares the partitions among the members of a group, and loses nothing when they come and go', async () => {
    const reader = new Reader();
    const group = freshName('group');
    const first = reading(reader, group);
    const appending = load();
    await reader.until(({ events }) => events.length > 1_000);
    const second = reading(reader, group);
    await reader.until(() => second.batches() > 5);
    await left(first);
    const seen = reader.events.length;
    const third = reading(reader, group);
    await reader.until(({ events }) => third.batches() > 5 && events.length > seen + 1_000);
    const count = await appending.stop();
    await reader.until(isComplete(BigInt(count)));
    expectWhole(reader, count);
    expect(Math.min(first.batches(), second.batches(), third.batches())).toBeGreaterThan(0);
  });
});
