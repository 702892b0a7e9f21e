import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PostgresEventStore } from '../../../infra/postgres/eventStore.ts';
import { PostgresTransactions, sqlExecutor } from '../../../infra/postgres/transactions.ts';
import { systemRuntime } from '../../../infra/runtime.ts';
import { PROJECTIONS } from '../../../projections/catalogue.ts';
import { InvoiceQueries } from '../../../projections/invoices/invoices.queries.ts';
import { ParkingQueries } from '../../../projections/parking.ts';
import { InvoiceFacts } from '../../../projections/requests/invoiceFacts.ts';
import { ProjectionRunner } from '../../../projections/runner.ts';
import { windowOf } from '../../../services/billing/invoicing/billingWindow.ts';
import { closePeriod, readBooks, type ClosingPorts } from '../../../services/billing/invoicing/closePeriod.ts';
import { InvoiceNumbers } from '../../../services/billing/invoicing/invoiceNumbers.ts';
import { readInvoice } from '../../../services/billing/invoicing/readInvoice.ts';
import { PriceBooks } from '../../../services/billing/pricebook/priceBooks.ts';
import { invoiceDocumentWithRequests } from '../../../services/billing/rendering/invoiceDocument.ts';
import { verifyInvoice } from '../../../services/billing/verification/verifyInvoice.ts';
import { requestDuePeriods } from '../../../services/workers/requestDuePeriods.ts';
import { requestIdOf } from '../../support/events.ts';
import { silentLog } from '../../support/log.ts';
import { testDatabase, type TestDatabase } from '../../support/postgres.ts';
import { ACCOUNT, atTime, World } from '../../unit/billing/world.ts';

let database: TestDatabase;
let store: PostgresEventStore;
let runner: ProjectionRunner;
let world: World;

beforeAll(async () => {
  database = await testDatabase();
  store = await PostgresEventStore.open({ connectionString: database.url, log: silentLog });
  runner = new ProjectionRunner({
    store,
    transactions: new PostgresTransactions(database.pool),
    timers: systemRuntime(silentLog).timers,
    log: silentLog,
    projections: PROJECTIONS,
  });
  await runner.start();
  world = await World.create({}, store);
});

afterAll(async () => {
  await runner.stop();
  await store.close();
  await database.close();
});

/** A closer over the real store and the real read models. */
function closing(now: string): ClosingPorts {
  const sql = sqlExecutor(database.pool);
  const parking = new ParkingQueries(sql);
  return {
    store,
    facts: new InvoiceFacts(sql),
    readModels: {
      caughtUp: (position) => runner.caughtUp(position, ['requests']),
      isParked: (accountId) => parking.isParked('requests', accountId),
    },
    numbers: new InvoiceNumbers(store),
    ...atTime(now),
  };
}

describe('closing periods over the real store and read models', () => {
  it('bills calls, late calls and corrections once, and every invoice verifies from events alone', async () => {
    await world.use('a', { at: '2026-11-03T10:00:00.000Z', usage: { uncachedInput: 1_000_000, outputText: 200_000 } });
    await world.use('b', {
      at: '2026-11-30T23:59:59.999Z',
      usage: { uncachedInput: 500, cacheRead: 100 },
      model: 'meters',
    });
    await world.use('c', { at: '2026-12-01T00:00:00.000Z', usage: { uncachedInput: 7 } });
    await world.use('d', { at: '2026-11-05T10:00:00.000Z', usage: { uncachedInput: 123_456 }, model: 'llama2' });
    const november = await closePeriod(closing('2026-12-01T00:00:00.500Z'), { accountId: ACCOUNT, period: '2026-11' });
    await world.use('late', { at: '2026-11-30T10:00:00.000Z', usage: { uncachedInput: 40 } });
    await world.correct('a', {
      at: '2026-12-02T00:00:00.000Z',
      usage: { uncachedInput: 1_000_000, outputText: 200_100 },
    });
    const december = await closePeriod(closing('2027-01-01T00:00:00.000Z'), { accountId: ACCOUNT, period: '2026-12' });

    if (!november.ok || !december.ok) throw new Error('refused');
    const issued = [...november.invoices, ...december.invoices];
    expect(issued.map(({ number, currency, exactTotalPicos }) => [number, currency, exactTotalPicos])).toEqual([
      ['INV-2026-000001', 'CNY', '246912000000'],
      ['INV-2026-000002', 'USD', '181375000000'],
      ['INV-2026-000003', 'USD', '22050000'],
    ]);
    for (const { invoiceId } of issued) {
      expect(await verifyInvoice(store, invoiceId)).toMatchObject({ equal: true });
    }
  });

  it('leads from every line back to its requests', async () => {
    const books = await readBooks(store, ACCOUNT);
    const window = windowOf(books, ACCOUNT, '2026-12');
    const drafted = (await world.eventsOf('InvoiceDrafted')).find(({ period }) => period === '2026-12');
    const invoice = drafted && (await readInvoice(store, drafted.invoiceId));
    if (!invoice || !window) throw new Error('no invoice');
    const requests = new InvoiceFacts(sqlExecutor(database.pool));
    const { lines } = await invoiceDocumentWithRequests(invoice, window, requests, new PriceBooks(store));
    expect(
      lines.map(({ meter, quantity, requestCount, requestIds }) => [meter, quantity, requestCount, requestIds]),
    ).toEqual([
      ['uncachedInput', 47, 3, [requestIdOf('a'), requestIdOf('c'), requestIdOf('late')].toSorted()],
      ['outputText', 100, 1, [requestIdOf('a')]],
    ]);
  });

  it('finds out which accounts are due', async () => {
    await world.openAccount('acct_new', { occurredAt: '2027-02-10T00:00:00.000Z' });
    await runner.caughtUp(await store.head());
    const requested: string[] = [];
    const count = await requestDuePeriods({
      accounts: new InvoiceQueries(sqlExecutor(database.pool)),
      queue: {
        requestClose: (accountId, period) => Promise.resolve(String(requested.push(`${accountId} ${period}`))),
        retryFailed: () => Promise.resolve(),
      },
      ...atTime('2027-03-05T00:00:00.000Z'),
    });
    expect([count, requested]).toEqual([2, [`${ACCOUNT} 2027-02`, 'acct_new 2027-02']]);
  });
});
