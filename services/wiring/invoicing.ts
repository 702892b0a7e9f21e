import { BullInvoicingQueue } from '../../infra/bullmq/invoicingQueue.ts';
import { startInvoicingWorker } from '../../infra/bullmq/invoicingWorker.ts';
import { migrateJobs } from '../../infra/bullmq/jobDatabase.ts';
import { InvoiceQueries } from '../../projections/invoices/invoices.queries.ts';
import { ParkingQueries } from '../../projections/parking.ts';
import { InvoiceFacts } from '../../projections/requests/invoiceFacts.ts';
import type { ClosingPorts } from '../billing/invoicing/closePeriod.ts';
import { InvoiceNumbers } from '../billing/invoicing/invoiceNumbers.ts';
import { closeRequestedPeriod } from '../workers/closeRequestedPeriod.ts';
import { requestDuePeriods } from '../workers/requestDuePeriods.ts';
import { Closing, type Core } from './core.ts';
import type { ReadModelsService } from './readModels.ts';

/** What closing a period needs, for the worker and for the command line. */
export function closingPorts(core: Core, readModels: ReadModelsService): ClosingPorts {
  const parking = new ParkingQueries(readModels.sql);
  return {
    store: core.store,
    facts: new InvoiceFacts(readModels.sql),
    readModels: {
      caughtUp: (position) => readModels.runner.caughtUp(position, ['requests'], 60_000),
      isParked: (accountId) => parking.isParked('requests', accountId),
    },
    numbers: new InvoiceNumbers(core.store),
    clock: core.runtime.clock,
  };
}

/** The invoicing worker and its queue, on BullMQ's Postgres backend. */
export async function openInvoicing(core: Core, readModels: ReadModelsService) {
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
