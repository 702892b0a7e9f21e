import type { DistributionLog } from '../../events/distributionLog.ts';
import { KafkaDistributionLog } from '../../infra/kafka/kafkaDistributionLog.ts';
import type { Config } from '../../infra/config/config.ts';
import type { Log } from '../runtime.ts';

/** The way of events to projections beside the event store; null where they read the store itself. Throws TopicMismatch. */
export async function openDistribution(config: Config, log: Log): Promise<DistributionLog | null> {
  if (config.KAFKA_BROKERS === undefined) return null;
  const { KAFKA_USERNAME: username, KAFKA_PASSWORD: password } = config;
  return KafkaDistributionLog.open({
    brokers: config.KAFKA_BROKERS.split(','),
    topic: config.KAFKA_TOPIC,
    partitions: config.KAFKA_PARTITIONS,
    replicationFactor: config.KAFKA_REPLICATION,
    ssl: config.KAFKA_TLS === 'on',
    ...(username !== undefined && password !== undefined
      ? { sasl: { mechanism: 'scram-sha-512' as const, username, password } }
      : {}),
    // Read models fetch from the event store what does not come, and publishers try again: nobody need wait for Kafka.
    mayBeAway: true,
    log,
  });
}
