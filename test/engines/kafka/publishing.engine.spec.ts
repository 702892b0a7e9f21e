import { afterEach, beforeEach, expect, it } from 'vitest';
import type { RecordedEvent } from '../../../events/eventStore.ts';
import { accountIdIn } from '../../../events/envelopeIn.ts';
import type { KafkaDistributionLog } from '../../../infra/kafka/kafkaDistributionLog.ts';
import { PostgresEventStore } from '../../../infra/postgres/eventStore.ts';
import { testProcess, type TestProcess } from '../../support/childProcess.ts';
import { appendExamples, isOrdered, Reader } from '../../support/distribution.ts';
import { describeWith } from '../../support/engines.ts';
import { asKafkaAdmin, freshName, openLog } from '../../support/kafka.ts';
import { silentLog } from '../../support/log.ts';
import { testDatabase, type TestDatabase } from '../../support/postgres.ts';

const PARTITIONS = 3;
const LEASE_MS = 1_500;

describeWith('kafka', 'Publishers of one event store', (brokers) => {
  let database: TestDatabase;
  let store: PostgresEventStore;
  let topic: string;
  let log: KafkaDistributionLog;
  const processes: TestProcess[] = [];
  const subscriptions: { readonly ending: AbortController; readonly ended: Promise<void> }[] = [];

  beforeEach(async () => {
    database = await testDatabase();
    store = await PostgresEventStore.open({ connectionString: database.url, log: silentLog });
    topic = freshName('events');
    log = await openLog(brokers, topic);
  });

  afterEach(async () => {
    await Promise.all(processes.splice(0).map((each) => each.kill()));
    for (const { ending } of subscriptions) ending.abort();
    await Promise.all(subscriptions.splice(0).map(({ ended }) => ended));
    await log.close();
    await store.close();
    await database.close();
  });

  function publisher(): TestProcess {
    const started = testProcess(
      'publisherProcess.ts',
      database.url,
      brokers,
      topic,
      String(PARTITIONS),
      String(LEASE_MS),
    );
    processes.push(started);
    return started;
  }

  function reading(group = freshName('group')): Reader {
    const reader = new Reader();
    const ending = new AbortController();
    subscriptions.push({ ending, ended: log.subscribe({ group, handle: reader.take, signal: ending.signal }) });
    return reader;
  }

  const says = async (process: TestProcess, message: string) => {
    while ((await process.line()) !== message);
  };
  const isComplete = (position: bigint) => (reader: Reader) =>
    [0, 1, 2].every((partition) => reader.position(partition) >= position);
  const partitionOf = ({ data }: RecordedEvent) => log.partitionOf(accountIdIn(data));
  const checkpoint = async () =>
    (await database.pool.query<{ term: string; position: string }>('SELECT term, position FROM publisher_checkpoints'))
      .rows[0];

  it('publish every event byte for byte, in the order of its account', async () => {
    const ids = await appendExamples(store, 'all', 1_300);
    const only = publisher();
    await says(only, 'the publisher leads');
    const reader = reading();
    await reader.until(isComplete(1_300n));
    const { events } = await store.readAll({ after: 0n, limit: 2_000 });
    expect(reader.ids).toEqual(new Set(ids));
    const inOrder = [...reader.events].sort((left, right) => Number(left.position - right.position));
    expect(inOrder).toEqual(events);
    expect(isOrdered(reader.events, partitionOf)).toBe(true);
    expect([reader.gaps, reader.repeats]).toEqual([[], 0]);
    only.child.kill('SIGTERM');
    await only.exited;
    expect(await checkpoint()).toEqual({ term: '1', position: '1300' });
  });

  it('have one leader, whose place another takes when it is killed', async () => {
    const reader = reading();
    const first = publisher();
    await says(first, 'the publisher leads');
    const second = publisher();
    await says(second, 'started');
    await appendExamples(store, 'one', 200);
    await reader.until(isComplete(200n));
    const appending = appendExamples(store, 'two', 2_000);
    await first.kill();
    await appending;
    await says(second, 'the publisher leads');
    await reader.until(isComplete(2_200n));
    expect([reader.events.length, reader.gaps, (await checkpoint())?.term]).toEqual([2_200, [], '2']);
    expect(isOrdered(reader.events, partitionOf)).toBe(true);
  });

  it('do no harm when one was stopped beyond its lease and wakes up', async () => {
    const reader = reading();
    const zombie = publisher();
    await says(zombie, 'the publisher leads');
    const second = publisher();
    await says(second, 'started');
    const appending = appendExamples(store, 'one', 3_000);
    await reader.until(({ events }) => events.length > 0);
    zombie.child.kill('SIGSTOP');
    await appending;
    await says(second, 'the publisher leads');
    await appendExamples(store, 'two', 500);
    await reader.until(isComplete(3_500n));
    zombie.child.kill('SIGCONT');
    await says(zombie, 'the publisher leads no more');
    await appendExamples(store, 'three', 500);
    await reader.until(isComplete(4_000n));
    expect([reader.events.length, reader.gaps]).toEqual([4_000, []]);
    expect(isOrdered(reader.events, partitionOf)).toBe(true);
    expect(await checkpoint()).toMatchObject({ term: '2', position: '4000' });
  });

  /** What a reader saw, and what it found missing by `previous` and fetched from the store. */
  async function withMissing(reader: Reader): Promise<ReadonlySet<string>> {
    const { events } = await store.readAll({ after: 0n, limit: 2_000 });
    const missing = events.filter((event) =>
      reader.gaps.some(
        ({ partition, after, upTo }) =>
          partition === partitionOf(event) && event.position > after && event.position <= upTo,
      ),
    );
    return new Set([...reader.ids, ...missing.map(({ eventId }) => eventId)]);
  }

  it('go on when the topic was deleted, and readers see by `previous` what they miss', async () => {
    const reader = reading();
    await says(publisher(), 'the publisher leads');
    await appendExamples(store, 'before', 300);
    await reader.until(isComplete(300n));
    await asKafkaAdmin(brokers, (admin) => admin.deleteTopics({ topics: [topic] }));
    await appendExamples(store, 'after', 300);
    const late = reading();
    await late.until(isComplete(600n));
    expect(late.gaps.map(({ partition, after }) => [partition, after]).sort()).toEqual([
      [0, 0n],
      [1, 0n],
      [2, 0n],
    ]);
    expect((await withMissing(late)).size).toBe(600);
    // Who was reading may stand at its old offset, and learns by the next record of a partition what it misses.
    await appendExamples(store, 'later', 100);
    await reader.until(isComplete(700n));
    expect((await withMissing(reader)).size).toBe(700);
  });
});
