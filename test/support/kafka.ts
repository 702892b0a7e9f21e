import { randomBytes } from 'node:crypto';
import { KafkaDistributionLog, type KafkaDistributionLogOptions } from '../../infra/kafka/kafkaDistributionLog.ts';
import { KafkaClient } from '../../infra/kafka/kafkaClient.ts';
import { silentLog } from './log.ts';

/** A name for a topic or group of this test alone. */
export function freshName(prefix: string): string {
  return `${prefix}-${randomBytes(6).toString('hex')}`;
}

export function openLog(
  brokers: string,
  topic: string,
  change: Partial<KafkaDistributionLogOptions> = {},
): Promise<KafkaDistributionLog> {
  return KafkaDistributionLog.open({ brokers: [brokers], topic, partitions: 3, log: silentLog, ...change });
}

/** Runs an action as an administrator of Kafka. */
export async function asKafkaAdmin<T>(
  brokers: string,
  action: (admin: ReturnType<KafkaClient['admin']>) => Promise<T>,
): Promise<T> {
  const client = new KafkaClient({ brokers: [brokers] }, 'send', silentLog);
  const admin = client.admin();
  await admin.connect();
  try {
    return await action(admin);
  } finally {
    await admin.disconnect();
    client.destroy();
  }
}
