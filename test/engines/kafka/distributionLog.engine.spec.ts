import fc from 'fast-check';
import kafkajs from 'kafkajs';
import { afterEach, expect, it } from 'vitest';
import { DistributionUnavailable, type PartitionBatch, type PartitionRecord } from '../../../events/distributionLog.ts';
import { TopicMismatch, type KafkaDistributionLog } from '../../../infra/kafka/kafkaDistributionLog.ts';
import { describeWith } from '../../support/engines.ts';
import { anyPartitionRecord, exampleData } from '../../support/distribution.ts';
import { asKafkaAdmin, freshName, openLog } from '../../support/kafka.ts';
import { silentLog } from '../../support/log.ts';

const { ConfigResourceTypes } = kafkajs;

const undo: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

async function opened(...parameters: Parameters<typeof openLog>): Promise<KafkaDistributionLog> {
  const log = await openLog(...parameters);
  undo.push(() => log.close());
  return log;
}

/** Records of a group, in the order in which they came, until it has so many. */
async function readAll(log: KafkaDistributionLog, group: string, count: number): Promise<PartitionBatch[]> {
  const batches: PartitionBatch[] = [];
  const ending = new AbortController();
  let left = count;
  await log.subscribe({
    group,
    signal: ending.signal,
    handle(batch) {
      batches.push(batch);
      left -= batch.records.length;
      if (left <= 0) ending.abort();
      return Promise.resolve();
    },
  });
  return batches;
}

const ofPartition = (batches: readonly PartitionBatch[], partition: number) =>
  batches.filter((batch) => batch.partition === partition).flatMap(({ records }) => records);

function numbered(from: number, to: number): PartitionRecord[] {
  return Array.from({ length: to - from }, (_, index): PartitionRecord => {
    const position = BigInt(from + index + 1);
    const eventId = `00000000-0000-4000-8000-${String(position).padStart(12, '0')}`;
    const data = exampleData(eventId, 'acct_1');
    const event = { eventId, type: 'Example', version: 1, data, stream: 'example-1', revision: position, position };
    return { event, position, previous: position - 1n };
  });
}

describeWith('kafka', 'The distribution log in Kafka', (brokers) => {
  it('gives back what was published, byte for byte, in the order of each partition', async () => {
    const log = await opened(brokers, freshName('round'));
    const records = fc.sample(anyPartitionRecord, { numRuns: 300, seed: 7 });
    const batches = [0, 1, 2].map((partition) => ({
      partition,
      records: records.filter((_, index) => index % 3 === partition),
    }));
    await log.publish(batches);
    await log.publish([{ partition: 1, records: numbered(0, 5) }]);
    const read = await readAll(log, freshName('group'), 305);
    expect(ofPartition(read, 0)).toEqual(batches[0]?.records);
    expect(ofPartition(read, 1)).toEqual([...(batches[1]?.records ?? []), ...numbered(0, 5)]);
    expect(ofPartition(read, 2)).toEqual(batches[2]?.records);
  });

  it('carries more than a request of the default size, and single events of 4 million characters', async () => {
    const log = await opened(brokers, freshName('large'));
    const event = numbered(0, 1)[0]?.event;
    if (!event) throw new Error('no example');
    const sized = (length: number) => ({
      event: { ...event, data: 'ü'.repeat(length) },
      ...{ position: 1n, previous: 0n },
    });
    const records = [...Array.from({ length: 400 }, () => sized(3_000)), sized(4_000_000), sized(10)];
    await log.publish([{ partition: 2, records }]);
    const read = ofPartition(await readAll(log, freshName('group'), records.length), 2);
    expect(read.map(({ event }) => event?.data.length)).toEqual(records.map(({ event }) => event.data.length));
    expect(read.at(-2)).toEqual(records.at(-2));
  });

  it('makes a missing topic as told, and goes on with one that is there', async () => {
    const topic = freshName('made');
    const log = await opened(brokers, topic, { partitions: 5, retentionMs: 3_600_000 });
    expect(log.partitions).toBe(5);
    const again = await opened(brokers, topic, { partitions: 5, retentionMs: 1 });
    await again.publish([{ partition: 4, records: numbered(0, 1) }]);
    const { resources } = await asKafkaAdmin(brokers, (admin) =>
      admin.describeConfigs({ includeSynonyms: false, resources: [{ type: ConfigResourceTypes.TOPIC, name: topic }] }),
    );
    const settings = Object.fromEntries(
      (resources[0]?.configEntries ?? []).map(({ configName, configValue }) => [configName, configValue]),
    );
    expect(settings).toMatchObject({ 'cleanup.policy': 'delete', 'retention.ms': '3600000' });
  });

  it('refuses a topic that has another number of partitions', async () => {
    const topic = freshName('mismatch');
    await opened(brokers, topic, { partitions: 3 });
    await expect(openLog(brokers, topic, { partitions: 4 })).rejects.toThrow(TopicMismatch);
    await expect(openLog(brokers, topic, { partitions: 4 })).rejects.toThrow('has 3 partitions');
  });

  it('says that it is unavailable when nobody listens', async () => {
    await expect(openLog('127.0.0.1:1', 'nothing')).rejects.toThrow(DistributionUnavailable);
  });

  it('opens nevertheless when it may be away, and then publications fail and subscriptions end when told to', async () => {
    const log = await opened('127.0.0.1:1', 'nothing', { mayBeAway: true });
    await expect(log.publish([{ partition: 0, records: numbered(0, 1) }])).rejects.toThrow(DistributionUnavailable);
    await log.subscribe({ group: 'nobody', signal: AbortSignal.timeout(100), handle: () => Promise.resolve() });
  });

  it('remembers what a group has read, and gives a new group everything from the beginning', async () => {
    const log = await opened(brokers, freshName('groups'));
    const group = freshName('group');
    await log.publish([{ partition: 0, records: numbered(0, 700) }]);
    expect(ofPartition(await readAll(log, group, 700), 0)).toEqual(numbered(0, 700));
    await log.publish([{ partition: 0, records: numbered(700, 710) }]);
    expect(ofPartition(await readAll(log, group, 10), 0)).toEqual(numbered(700, 710));
    expect(ofPartition(await readAll(log, freshName('group'), 710), 0)).toEqual(numbered(0, 710));
  });

  it('gives a batch again until it is handled, and nothing of its partition before', async () => {
    const log = await opened(brokers, freshName('again'));
    await log.publish([{ partition: 0, records: numbered(0, 3) }]);
    const seen: (bigint | undefined)[] = [];
    const ending = new AbortController();
    await log.subscribe({
      group: freshName('group'),
      signal: ending.signal,
      handle({ records }) {
        seen.push(records[0]?.position);
        if (seen.length < 3) return Promise.reject(new Error('told by the test'));
        ending.abort();
        return Promise.resolve();
      },
    });
    expect(seen).toEqual([1n, 1n, 1n]);
  });

  it('goes on with other partitions while the batches of one cannot be handled', async () => {
    const log = await opened(brokers, freshName('apart'));
    await log.publish([{ partition: 0, records: numbered(0, 1) }]);
    let rejected = 0;
    let round = 0;
    const ending = new AbortController();
    await log.subscribe({
      group: freshName('group'),
      signal: ending.signal,
      async handle({ partition }) {
        if (partition === 0 && round < 5) {
          rejected += 1;
          if (rejected === 1) await log.publish([{ partition: 1, records: numbered(0, 1) }]);
          throw new Error('told by the test');
        }
        if (partition === 0) ending.abort();
        else if (++round < 5) await log.publish([{ partition: 1, records: numbered(round, round + 1) }]);
      },
    });
    expect(round).toBe(5);
  });

  it('waits with no timer of negative length, of which the package sets one after another', async () => {
    const warned: string[] = [];
    const onWarning = ({ name }: Error) => void warned.push(name);
    process.on('warning', onWarning);
    const log = await opened(brokers, freshName('timers'));
    await log.publish([{ partition: 0, records: numbered(0, 1) }]);
    await readAll(log, freshName('group'), 1);
    process.off('warning', onWarning);
    expect(warned).toEqual([]);
  });

  it('passes over records of foreign producers', async () => {
    const topic = freshName('foreign');
    const log = await opened(brokers, topic);
    const producer = new kafkajs.Kafka({ brokers: [brokers] }).producer({
      createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
    });
    await producer.connect();
    await producer.send({ topic, messages: [{ partition: 0, value: 'hello' }] });
    await producer.disconnect();
    await log.publish([{ partition: 0, records: numbered(0, 2) }]);
    expect(ofPartition(await readAll(log, freshName('group'), 2), 0)).toEqual(numbered(0, 2));
  });

  it('ends a subscription at once, also while it waits for a topic that is not there', async () => {
    const topic = freshName('ending');
    const ending = new AbortController();
    // The first complaint is that there is no such topic.
    const log = await opened(brokers, topic);
    const complaining = await opened(brokers, topic, { log: { ...silentLog, warn: () => ending.abort() } });
    await asKafkaAdmin(brokers, (admin) => admin.deleteTopics({ topics: [topic] }));
    expect(ending.signal.aborted).toBe(false);
    const handle = () => Promise.reject(new Error('there is nothing to handle'));
    const aborted = new Promise<number>((resolve) => {
      ending.signal.addEventListener('abort', () => resolve(performance.now()));
    });
    await Promise.all(
      [log, complaining].map((each) => each.subscribe({ group: freshName('group'), signal: ending.signal, handle })),
    );
    expect(performance.now() - (await aborted)).toBeLessThan(3_500);
  });

  it('chooses the partition of an account as the Java client does', async () => {
    const log = await opened(brokers, freshName('murmur'), { partitions: 12 });
    // Values of org.apache.kafka.common.utils.UtilsTest.testMurmur2, made positive, by 12.
    const known: readonly (readonly [string, number])[] = [
      ['21', -973932308],
      ['foobar', -790332482],
      ['a-little-bit-long-string', -985981536],
      ['a-little-bit-longer-string', -1486304829],
      ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
      ['abc', 479470107],
    ];
    for (const [key, hash] of known) expect(log.partitionOf(key), key).toBe((hash & 0x7fffffff) % 12);
  });
});
