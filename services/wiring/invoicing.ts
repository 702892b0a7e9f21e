import { BullInvoicingQueue } from '../../infra/bullmq/invoicingQueue.ts';
import { startInvoicingWorker } from '../../infra/bullmq/invoicingWorker.ts';
import { postgresJobs, redisJobs } from '../../infra/bullmq/jobBackend.ts';
import { InvoiceQueries } from '../../projections/invoices/invoices.queries.ts';
import { closeRequestedPeriod } from '../workers/closeRequestedPeriod.ts';
import { requestDuePeriods } from '../workers/requestDuePeriods.ts';
import { closingPorts } from './closing.ts';
import { Closing, type Core } from './core.ts';
import type { ReadModels } from './readModels.ts';

/** The invoicing worker and its queue, on Redis where there is one. */
export async function openInvoicing(core: Core, readModels: ReadModels) {
  const { config, databaseUrl, runtime } = core;
  const jobs = config.REDIS_URL === undefined ? postgresJobs(databaseUrl) : redisJobs(config.REDIS_URL);
  const closing = new Closing();
  await jobs.prepare(runtime.log);
  const queue = new BullInvoicingQueue(jobs, runtime.log);
  closing.add(() => queue.close());
  const ports = closingPorts(core, readModels);
  const accounts = new InvoiceQueries(readModels.sql);
  const worker = startInvoicingWorker(
    jobs,
    {
      close: (request) => closeRequestedPeriod(ports, runtime.log, request),
      sweep: () => requestDuePeriods({ accounts, queue, clock: runtime.clock }),
    },
    runtime.log,
  );
  closing.add(() => worker.close());
  queue.keepSweeping(runtime.timers);
  return { queue, close: () => closing.run() };
}
