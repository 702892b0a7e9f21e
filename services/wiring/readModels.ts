import { PostgresTransactions, sqlExecutor } from '../../infra/postgres/transactions.ts';
import { PROJECTIONS } from '../../projections/catalogue.ts';
import { ProjectionRunner } from '../../projections/runner.ts';
import type { Core } from './core.ts';

/** The projections, kept up with the log; several processes may do this side by side. */
export async function openReadModels(core: Core) {
  const { pool, runtime, store } = core;
  const transactions = new PostgresTransactions(pool);
  const runner = new ProjectionRunner({
    store,
    transactions,
    timers: runtime.timers,
    log: runtime.log,
    projections: PROJECTIONS,
  });
  await runner.start();
  return {
    runner,
    transactions,
    sql: sqlExecutor(pool),
    caughtUp: (position: bigint) => runner.caughtUp(position),
    close: () => runner.stop(),
  };
}
export type ReadModelsService = Awaited<ReturnType<typeof openReadModels>>;
