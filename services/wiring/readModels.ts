import type { DistributionLog } from '../../events/distributionLog.ts';
import { partitionOfKey } from '../../infra/kafka/partitionOfKey.ts';
import { PostgresTransactions, sqlExecutor } from '../../infra/postgres/transactions.ts';
import type { Metrics } from '../../infra/telemetry/metrics.ts';
import { PROJECTIONS } from '../../projections/catalogue.ts';
import { CheckpointWatch } from '../../projections/checkpointWatch.ts';
import type { SqlExecutor } from '../../projections/projection.ts';
import { prepareSchemas } from '../../projections/schema.ts';
import { ProjectionRunner, type ProjectionStatus } from '../../projections/runner.ts';
import type { Core } from './core.ts';
import { LagWatch, MAX_LAG_MS } from './lagWatch.ts';

/** The read models, whoever keeps them up with the log. */
export interface ReadModels {
  readonly sql: SqlExecutor;
  /** Resolves when the named projections, or all, have come to a position. Throws ProjectionLagging after `timeoutMs`. */
  caughtUp(position: bigint, names?: readonly string[], timeoutMs?: number): Promise<void>;
}

/** The read models as a process sees them that leaves it to others to keep them up. */
export async function watchReadModels({ pool, runtime }: Core): Promise<ReadModels> {
  // Whoever comes first makes the tables, empty; whoever keeps them up brings old ones up to date.
  await prepareSchemas(new PostgresTransactions(pool), PROJECTIONS);
  const sql = sqlExecutor(pool);
  const watch = new CheckpointWatch({ sql, timers: runtime.timers, projections: PROJECTIONS.map(({ name }) => name) });
  return { sql, caughtUp: (position, names, timeoutMs) => watch.caughtUp(position, names, timeoutMs) };
}

/** The projections, kept up with the distribution log or, without one, with the store; several processes may do this side by side. */
export async function openReadModels(
  { pool, runtime, store }: Core,
  distribution: DistributionLog | null,
  metrics?: Metrics,
) {
  const sql = sqlExecutor(pool);
  const transactions = new PostgresTransactions(pool);
  const runner = new ProjectionRunner({
    store,
    transactions,
    timers: runtime.timers,
    log: runtime.log,
    projections: PROJECTIONS,
    partitionOf: partitionOfKey,
    ...(distribution ? { distribution: { log: distribution, sql } } : {}),
  });
  await runner.start();
  const lag = new LagWatch(runtime.clock, MAX_LAG_MS);
  const perProjection = (read: (status: ProjectionStatus) => number) => () =>
    Object.fromEntries(runner.status().map((status) => [status.name, read(status)]));
  metrics?.gauge(
    'projection_position',
    'Log position of each read model',
    perProjection(({ position }) => Number(position)),
  );
  metrics?.gauge(
    'projection_parked_accounts',
    'Accounts passed over because of a poison event',
    perProjection(({ parked }) => parked),
  );
  return {
    runner,
    transactions,
    sql,
    caughtUp: (position: bigint, names?: readonly string[], timeoutMs?: number) =>
      runner.caughtUp(position, names, timeoutMs),
    problems: (head: bigint): readonly string[] =>
      runner
        .status()
        .filter(({ name, position }) => lag.isLate(name, position, head))
        .map(({ name }) => `the ${name} read model lags behind`),
    close: () => runner.stop(),
  };
}
export type ReadModelsService = Awaited<ReturnType<typeof openReadModels>>;
