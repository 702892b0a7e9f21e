import { PostgresTransactions, sqlExecutor } from '../../infra/postgres/transactions.ts';
import type { Metrics } from '../../infra/telemetry/metrics.ts';
import { PROJECTIONS } from '../../projections/catalogue.ts';
import type { SqlExecutor } from '../../projections/projection.ts';
import { ProjectionRunner, type ProjectionStatus } from '../../projections/runner.ts';
import type { Core } from './core.ts';
import { LagWatch } from './lagWatch.ts';

/** A projection that is later than this makes the process unready: holds would stay for too long. */
const MAX_LAG_MS = 30_000;

/** The read models, whoever keeps them up with the log. */
export interface ReadModels {
  readonly sql: SqlExecutor;
  /** Resolves when the named projections, or all, have come to a position. Throws ProjectionLagging after `timeoutMs`. */
  caughtUp(position: bigint, names?: readonly string[], timeoutMs?: number): Promise<void>;
}

/** The projections, kept up with the log; several processes may do this side by side. */
export async function openReadModels({ pool, runtime, store }: Core, metrics?: Metrics) {
  const transactions = new PostgresTransactions(pool);
  const runner = new ProjectionRunner({
    store,
    transactions,
    timers: runtime.timers,
    log: runtime.log,
    projections: PROJECTIONS,
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
    sql: sqlExecutor(pool),
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
