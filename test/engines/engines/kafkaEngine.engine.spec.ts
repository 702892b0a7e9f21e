import { Kafka, logLevel } from 'kafkajs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { describes } from '../../../infra/engines/kafka.ts';
import { describeWith, ownKafka, type Owned } from '../../support/engines.ts';
import type { KafkaEngine } from '../../../infra/engines/kafka.ts';

const clientOf = (brokers: string) => new Kafka({ brokers: [brokers], logLevel: logLevel.NOTHING });

describeWith('kafka', 'The Kafka that all suites share', (brokers) => {
  it('commits a transaction of an idempotent producer, and a group reads it', async () => {
    const client = clientOf(brokers);
    const admin = client.admin();
    const producer = client.producer({ idempotent: true, maxInFlightRequests: 1, transactionalId: 'engine' });
    const consumer = client.consumer({ groupId: 'engine' });
    await Promise.all([admin.connect(), producer.connect(), consumer.connect()]);
    await admin.createTopics({ topics: [{ topic: 'engine', numPartitions: 3 }], waitForLeaders: true });
    const transaction = await producer.transaction();
    await transaction.send({ topic: 'engine', messages: [{ key: 'acct_1', value: 'one' }] });
    await transaction.commit();
    await consumer.subscribe({ topics: ['engine'], fromBeginning: true });
    const read = Promise.withResolvers<string | undefined>();
    await consumer.run({
      eachMessage({ message }) {
        read.resolve(message.value?.toString());
        return Promise.resolve();
      },
    });
    expect(await read.promise).toBe('one');
    await Promise.all([consumer.disconnect(), producer.disconnect(), admin.disconnect()]);
  });
});

describeWith('kafka', 'A Kafka of one’s own', () => {
  let kafka: Owned<KafkaEngine>;
  beforeAll(async () => {
    kafka = await ownKafka();
  });
  afterAll(() => kafka.dispose());

  it('has its topics again after it was killed, on the same port', async () => {
    const { brokers, pid } = kafka;
    const admin = clientOf(brokers).admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic: 'kept' }], waitForLeaders: true });
    await kafka.kill();
    expect(await describes(brokers)).toBe(false);
    await kafka.restart();
    expect([kafka.brokers, kafka.pid === pid]).toEqual([brokers, false]);
    expect(await admin.listTopics()).toContain('kept');
    await admin.disconnect();
  });

  it('answers nothing while it is suspended, and everything afterwards', async () => {
    await kafka.suspend();
    expect(await describes(kafka.brokers)).toBe(false);
    await kafka.resume();
    expect(await describes(kafka.brokers)).toBe(true);
  });
});
