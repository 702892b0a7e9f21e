import type { DistributionLog } from '../../events/distributionLog.ts';
import type { KafkaAccess } from '../../infra/kafka/kafkaDistributionLog.ts';
import type { Config } from '../../infra/config/config.ts';
import type { Log } from '../runtime.ts';

/** The way of events to projections beside the event store; null where they read the store itself. Throws TopicMismatch. */
export async function openDistribution(config: Config, log: Log): Promise<DistributionLog | null> {
  const access = kafkaAccess(config);
  if (!access) return null;
  // Loads the package, which only those who use Kafka need to wait for.
  const { KafkaDistributionLog } = await import('../../infra/kafka/kafkaDistributionLog.ts');
  return KafkaDistributionLog.open({
    ...access,
    topic: config.KAFKA_TOPIC,
    partitions: config.KAFKA_PARTITIONS,
    replicationFactor: config.KAFKA_REPLICATION,
    // Read models fetch from the event store what does not come, and publishers try again: nobody need wait for Kafka.
    mayBeAway: true,
    log,
  });
}

/** How the brokers are reached; null when there are none. */
export function kafkaAccess(config: Config): KafkaAccess | null {
  const { KAFKA_BROKERS: brokers, KAFKA_TLS: tls, KAFKA_USERNAME: username, KAFKA_PASSWORD: password } = config;
  if (brokers === undefined) return null;
  const hasUser = username !== undefined && password !== undefined;
  return {
    brokers: brokers.split(','),
    ssl: tls === 'on',
    ...(hasUser ? { sasl: { mechanism: 'scram-sha-512', username, password } } : {}),
  };
}
