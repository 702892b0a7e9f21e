import { KafkaDistributionLog } from '../../infra/kafka/kafkaDistributionLog.ts';
import { closePool, openPool } from '../../infra/postgres/database.ts';
import { PostgresEventStore } from '../../infra/postgres/eventStore.ts';
import { PostgresLeaderLock } from '../../infra/postgres/leaderLock.ts';
import { PostgresPublisherCheckpoints } from '../../infra/postgres/publisherCheckpoints.ts';
import { systemRuntime } from '../../infra/runtime.ts';
import { Publisher } from '../../services/publisher/publisher.ts';
import type { Log } from '../../services/runtime.ts';

/** A publisher in a process of its own, until SIGTERM. Prints what it would log, each message a line. */
const [, , connectionString = '', broker = '', topic = '', partitions = '3', leaseMs = '10000'] = process.argv;
const print = (_: object, message: string) => void process.stdout.write(`${message}\n`);
const log: Log = { info: print, warn: print, error: print };

const store = await PostgresEventStore.open({ connectionString, log });
const pool = openPool({ connectionString, applicationName: 'publisher', maxConnections: 2, timeoutMs: 5_000, log });
const distribution = await KafkaDistributionLog.open({
  brokers: [broker],
  topic,
  partitions: Number(partitions),
  log,
});
const publisher = new Publisher({
  store,
  log: distribution,
  checkpoints: new PostgresPublisherCheckpoints(pool, topic),
  lock: new PostgresLeaderLock({ connectionString, name: `publisher ${topic}`, leaseMs: Number(leaseMs), log }),
  runtime: systemRuntime(log),
});
publisher.start();
print({}, 'started');

process.once('SIGTERM', () => {
  void publisher
    .stop()
    .then(() => distribution.close())
    .then(() => store.close())
    .then(() => closePool(pool));
});
