import { BullInvoicingQueue } from '../../infra/bullmq/invoicingQueue.ts';
import { startInvoicingWorker } from '../../infra/bullmq/invoicingWorker.ts';
import { migrateJobs } from '../../infra/bullmq/jobDatabase.ts';
import { InvoiceQueries } from '../../projections/invoices/invoices.queries.ts';
import { closeRequestedPeriod } from '../workers/closeRequestedPeriod.ts';
import { requestDuePeriods } from '../workers/requestDuePeriods.ts';
import { closingPorts } from './closing.ts';
import { Closing, type Core } from './core.ts';
import type { ReadModels } from './readModels.ts';

/** The invoicing worker and its queue, on BullMQ's Postgres backend. */
export async function openInvoicing(core: Core, readModels: ReadModels) {
  const { databaseUrl, runtime } = core;
  const closing = new Closing();
  await migrateJobs(databaseUrl);
  const queue = new BullInvoicingQueue(databaseUrl, runtime.log);
  closing.add(() => queue.close());
  const ports = closingPorts(core, readModels);
  const accounts = new InvoiceQueries(readModels.sql);
  const worker = startInvoicingWorker(
    databaseUrl,
    {
      close: (request) => closeRequestedPeriod(ports, runtime.log, request),
      sweep: () => requestDuePeriods({ accounts, queue, clock: runtime.clock }),
    },
    runtime.log,
  );
  closing.add(() => worker.close());
  await queue.scheduleSweeps();
  return { queue, close: () => closing.run() };
}
