import type { Append, AppendResult, EventStore } from '../../../events/eventStore.ts';
import { startInvoicingWorker } from '../../../infra/bullmq/invoicingWorker.ts';
import { postgresJobs, redisJobs } from '../../../infra/bullmq/jobBackend.ts';
import { PostgresEventStore } from '../../../infra/postgres/eventStore.ts';
import { closePeriod } from '../../../services/billing/invoicing/closePeriod.ts';
import { InvoiceNumbers } from '../../../services/billing/invoicing/invoiceNumbers.ts';
import { silentLog } from '../../support/log.ts';
import { atTime, factsOf } from '../../unit/billing/world.ts';

/** A worker of its own process that never comes past its first finalization: it says so and waits to be killed. */
const [, , url = '', redisUrl] = process.argv;
const store = await PostgresEventStore.open({ connectionString: url, log: silentLog });
const stuck: EventStore = {
  append(append: Append): Promise<AppendResult> {
    if (append.events[0]?.type !== 'InvoiceFinalized') return store.append(append);
    process.stdout.write('about to finalize\n');
    return new Promise(() => undefined);
  },
  readStream: (stream, options) => store.readStream(stream, options),
  readAll: (options) => store.readAll(options),
  subscribe: (options) => store.subscribe(options),
  head: () => store.head(),
  close: () => store.close(),
};
const ports = {
  store: stuck,
  facts: factsOf(store),
  readModels: { caughtUp: () => Promise.resolve(), isParked: () => Promise.resolve(false) },
  numbers: new InvoiceNumbers(stuck),
  ...atTime('2026-12-01T00:00:00.000Z'),
};
const handlers = {
  close: async (request: Parameters<typeof closePeriod>[1]) => ({ closed: (await closePeriod(ports, request)).ok }),
  sweep: () => Promise.resolve(null),
};
await startInvoicingWorker(redisUrl === undefined ? postgresJobs(url) : redisJobs(redisUrl), handlers, silentLog, {
  lockMs: 1_000,
});
