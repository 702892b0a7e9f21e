import type { DistributionLog } from '../../events/distributionLog.ts';
import { PostgresLeaderLock } from '../../infra/postgres/leaderLock.ts';
import { PostgresPublisherCheckpoints } from '../../infra/postgres/publisherCheckpoints.ts';
import type { Metrics } from '../../infra/telemetry/metrics.ts';
import { Publisher } from '../publisher/publisher.ts';
import type { Core } from './core.ts';
import { LagWatch, MAX_LAG_MS } from './lagWatch.ts';

/** Brings the event store to the distribution log, or stands by while another process does. */
export function openPublisher(
  { config, databaseUrl, pool, runtime, store }: Core,
  log: DistributionLog,
  metrics: Metrics,
) {
  const topic = config.KAFKA_TOPIC;
  const publisher = new Publisher({
    store,
    log,
    runtime,
    checkpoints: new PostgresPublisherCheckpoints(pool, topic),
    lock: new PostgresLeaderLock({ connectionString: databaseUrl, name: `publisher ${topic}`, log: runtime.log }),
  });
  publisher.start();
  metrics.gauge(
    'publisher',
    'Whether this process leads, what it has sent, and how far it is behind the log',
    async () => {
      const { leading, events, sends, failures, position, lag } = await publisher.status();
      return {
        ...{ leading: Number(leading), events, sends, failures },
        ...(position === null ? {} : { position: Number(position) }),
        ...(lag === null ? {} : { lag: Number(lag) }),
      };
    },
  );
  const lag = new LagWatch(runtime.clock, MAX_LAG_MS);
  return {
    publisher,
    problems(head: bigint): readonly string[] {
      const { position } = publisher;
      return position !== null && lag.isLate('publisher', position, head) ? ['the publisher lags behind'] : [];
    },
    close: () => publisher.stop(),
  };
}
