import { BullInvoicingQueue } from '../../infra/bullmq/invoicingQueue.ts';
import { startInvoicingWorker } from '../../infra/bullmq/invoicingWorker.ts';
import { postgresJobs, redisJobs } from '../../infra/bullmq/jobBackend.ts';
import { InvoiceQueries } from '../../projections/invoices/invoices.queries.ts';
import { closeRequestedPeriod } from '../workers/closeRequestedPeriod.ts';
import { requestDuePeriods, requestEndedPeriods } from '../workers/requestDuePeriods.ts';
import { closingPorts } from './closing.ts';
import { Closing, type Core } from './core.ts';
import type { ReadModels } from './readModels.ts';

/** The invoicing worker and its queue, on Redis where there is one. */
export async function openInvoicing(core: Core, readModels: ReadModels) {
  const { config, databaseUrl, runtime } = core;
  const jobs = config.REDIS_URL === undefined ? postgresJobs(databaseUrl) : redisJobs(config.REDIS_URL);
  const closing = new Closing();
  await jobs.prepare(runtime.log);
  try {
    const queue = await BullInvoicingQueue.open(jobs, runtime.log);
    closing.add(() => queue.close());
    const ports = closingPorts(core, readModels);
    const duePeriods = { accounts: new InvoiceQueries(readModels.sql), queue, clock: runtime.clock };
    const worker = await startInvoicingWorker(
      jobs,
      {
        close: (request) => closeRequestedPeriod(ports, runtime.log, request),
        sweep: () => requestDuePeriods(duePeriods),
      },
      runtime.log,
    );
    closing.add(() => worker.close());
    queue.keepSweeping(runtime.timers, () => requestEndedPeriods(duePeriods));
    return { queue, close: () => closing.run() };
  } catch (error) {
    await closing.run();
    throw error;
  }
}
