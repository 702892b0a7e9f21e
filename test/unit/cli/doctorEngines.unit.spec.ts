import { describe, expect, it } from 'vitest';
import { ofKafka, ofKurrentdb, ofRedis } from '../../../services/cli/doctor/engineVerdicts.ts';
import type { KafkaFacts } from '../../../services/cli/doctor/probes.ts';

describe('what the doctor thinks of KurrentDB', () => {
  it('that is not used', () => {
    expect(ofKurrentdb(null, { head: 7n })).toEqual({ status: 'ok', detail: 'not used: the record is in PostgreSQL' });
  });

  it('that is empty, and that has events', () => {
    expect(ofKurrentdb({ head: 0n }, { head: 0n })).toEqual({
      status: 'ok',
      detail: '$all can be read and holds no events of ours',
    });
    expect(ofKurrentdb({ head: 1_234n }, null)).toEqual({
      status: 'ok',
      detail: '$all can be read; the newest event is at position 1234',
    });
  });

  it('that came when PostgreSQL had events already', () => {
    expect(ofKurrentdb({ head: 0n }, { head: 7n })).toEqual({
      status: 'warning',
      detail:
        '$all can be read and holds no events of ours. PostgreSQL holds 7 events from before KURRENTDB_URL was set, which nobody reads now.',
    });
  });
});

describe('what the doctor thinks of Kafka', () => {
  const of = (change: Partial<KafkaFacts>) =>
    ofKafka({
      brokers: 3,
      topic: 'events',
      found: { partitions: 12, copies: 3 },
      wanted: { partitions: 12, replication: 3 },
      ...change,
    });

  it('that is not used', () => {
    expect(ofKafka(null)).toEqual({ status: 'ok', detail: 'not used: read models follow the event store itself' });
  });

  it('that has the topic, or will have it', () => {
    expect(of({})).toEqual({ status: 'ok', detail: '3 brokers; events has 12 partitions' });
    expect(of({ found: null })).toEqual({ status: 'ok', detail: '3 brokers; events will be made with 12 partitions' });
    expect(of({ brokers: 1, found: null, wanted: { partitions: 1, replication: 1 } })).toEqual({
      status: 'ok',
      detail: '1 broker; events will be made with 1 partition',
    });
  });

  it('whose topic has another number of partitions', () => {
    expect(of({ found: { partitions: 1, copies: 3 } })).toEqual({
      status: 'failed',
      detail: 'The topic events has 1 partition and KAFKA_PARTITIONS is 12: set it to 1, or name another KAFKA_TOPIC.',
    });
  });

  it('that has too few brokers for the copies of a topic that must be made', () => {
    expect(of({ brokers: 2, found: null })).toEqual({
      status: 'failed',
      detail: 'KAFKA_REPLICATION is 3 and there are 2 brokers, so no topic can be made: lower it, or add brokers.',
    });
  });

  it('where both is wrong', () => {
    expect(of({ brokers: 1, found: { partitions: 3, copies: 1 } })).toEqual({
      status: 'failed',
      detail:
        'The topic events has 3 partitions and KAFKA_PARTITIONS is 12: set it to 3, or name another KAFKA_TOPIC. ' +
        'KAFKA_REPLICATION is 3 and there is 1 broker, so no topic can be made: lower it, or add brokers.',
    });
  });

  it('that works with fewer brokers or copies than are wanted', () => {
    expect(of({ brokers: 2 })).toEqual({
      status: 'warning',
      detail: 'KAFKA_REPLICATION is 3 and there are 2 brokers: some are away, or it is too high.',
    });
    expect(of({ found: { partitions: 12, copies: 1 } })).toEqual({
      status: 'warning',
      detail: 'KAFKA_REPLICATION is 3 and events has only 1 copy: a topic that is there stays as it is.',
    });
  });
});

describe('what the doctor thinks of Redis', () => {
  it('that is not used', () => {
    expect(ofRedis(null)).toEqual({
      status: 'ok',
      detail: 'not used: limits are counted by each process, jobs are in PostgreSQL',
    });
  });

  it('that forgets nothing', () => {
    const detail = 'Redis 7.0.15, maxmemory-policy noeviction';
    expect(ofRedis({ version: '7.0.15', policy: 'noeviction', evicts: false })).toEqual({ status: 'ok', detail });
    expect(ofRedis({ version: null, policy: 'noeviction', evicts: false })).toEqual({
      status: 'ok',
      detail: 'Redis, maxmemory-policy noeviction',
    });
  });

  it.each(['allkeys-lru', 'volatile-ttl', 'unknown'])('that has %s as its policy', (policy) => {
    expect(ofRedis({ version: '7.0.15', policy, evicts: true })).toEqual({
      status: 'failed',
      detail: `Redis 7.0.15 has maxmemory-policy ${policy} and may forget jobs: set it to noeviction.`,
    });
  });

  it.each([
    ['5.0.14', 'warning'],
    ['6.1.9', 'warning'],
    ['6.2.0', 'ok'],
    ['10.0.0', 'ok'],
  ])('of version %s: %s', (version, status) => {
    expect(ofRedis({ version, policy: 'noeviction', evicts: false }).status).toBe(status);
  });

  it('that is old says what jobs ask for', () => {
    expect(ofRedis({ version: '5.0.14', policy: 'noeviction', evicts: false }).detail).toBe(
      'Redis 5.0.14 is old: jobs ask for 6.2 or newer.',
    );
  });
});
