import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { invoiceIdOf } from '../../../events/ids.ts';
import { invoicesProjection } from '../../../projections/invoices/invoices.projection.ts';
import { InvoiceQueries } from '../../../projections/invoices/invoices.queries.ts';
import { keysProjection } from '../../../projections/keys/keys.projection.ts';
import type { AccountList } from '../../../services/billing/ports.ts';
import {
  accountOpened,
  invoiceDrafted,
  invoiceFinalized,
  invoiceLine,
  invoiceNumberAllocated,
  periodClosed,
  periodOpened,
  recorded,
} from '../../support/events.ts';
import { expectTables, pagesOf, Stage } from './stage.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open();
});
afterAll(() => stage.close());

const invoiceId = invoiceIdOf('acct_live1', '2026-11', 'USD');

const openPeriod = {
  account_id: 'acct_live1',
  period: '2026-11',
  start_at: '2026-11-01T00:00:00+00:00',
  end_at: '2026-12-01T00:00:00+00:00',
  zone: 'UTC',
  cutoff: null,
};

const draft = {
  invoice_id: invoiceId,
  account_id: 'acct_live1',
  period: '2026-11',
  currency: 'USD',
  mode: 'live',
  start_at: '2026-11-01T00:00:00+00:00',
  end_at: '2026-12-01T00:00:00+00:00',
  cutoff: 100,
  status: 'drafted',
  number: null,
  exact_total: 6_000_000_000,
  total: 1,
  rounding: 0,
  lines: [invoiceLine()],
  drafted_at: '2026-11-20T09:30:00+00:00',
  finalized_at: null,
};

describe('the invoices projection', () => {
  it('opens and closes periods', () =>
    expectTables(
      stage,
      invoicesProjection,
      [periodOpened(), periodClosed(), periodOpened({ period: '2026-12', accountId: 'acct_other' })],
      {
        periods: [
          { ...openPeriod, cutoff: 100 },
          { ...openPeriod, account_id: 'acct_other', period: '2026-12' },
        ],
      },
    ));

  it('keeps a draft with its lines', () =>
    expectTables(stage, invoicesProjection, [invoiceDrafted()], { invoices: [draft], numbers: [] }));

  it('gives a final invoice its number', () =>
    expectTables(stage, invoicesProjection, [invoiceDrafted(), invoiceNumberAllocated(), invoiceFinalized()], {
      invoices: [{ ...draft, status: 'final', number: 'INV-2026-000001', finalized_at: '2026-11-20T09:30:00+00:00' }],
      numbers: [{ series: 'INV-2026', sequence: 1, invoice_id: invoiceId }],
    }));

  it.each([
    ['a period is closed that was never opened', [periodClosed()]],
    ['a period is opened twice', [periodOpened(), periodOpened({ occurredAt: '2026-11-20T10:00:00.000Z' })]],
    ['an invoice is finalized that was never drafted', [invoiceFinalized()]],
    [
      'one period is invoiced twice in a currency',
      [invoiceDrafted(), invoiceDrafted({ invoiceId: invoiceIdOf('acct_live1', 'other', 'USD') })],
    ],
    [
      'a number is given twice',
      [invoiceNumberAllocated(), invoiceNumberAllocated({ invoiceId: invoiceIdOf('acct_live1', 'other', 'USD') })],
    ],
  ])('parks the account when %s', async (_when, events) => {
    await stage.reset(invoicesProjection);
    const [page] = pagesOf(recorded(events), 10);
    expect(page && (await stage.apply(invoicesProjection, page))).toEqual({ outcome: 'applied', parked: 1 });
  });
});

describe('reads of invoices', () => {
  const queries = () => new InvoiceQueries(stage.sql);
  const summary = {
    invoiceId,
    accountId: 'acct_live1',
    period: '2026-11',
    currency: 'USD',
    mode: 'live',
    start: '2026-11-01T00:00:00.000Z',
    end: '2026-12-01T00:00:00.000Z',
    cutoff: 100n,
    status: 'final',
    number: 'INV-2026-000001',
    exactTotal: 6_000_000_000n,
    total: 1n,
    rounding: 0n,
    draftedAt: '2026-11-20T09:30:00.000Z',
    finalizedAt: '2026-11-20T09:30:00.000Z',
  };

  beforeAll(async () => {
    await stage.reset(invoicesProjection);
    await stage.reset(keysProjection);
    const events = [
      periodOpened({ period: '2026-10' }),
      periodClosed({ period: '2026-10', cutoff: '90' }),
      periodOpened(),
      periodClosed(),
      periodOpened({ period: '2026-12' }),
      invoiceDrafted({ period: '2026-10' }),
      invoiceDrafted(),
      invoiceFinalized(),
      accountOpened(),
      accountOpened({ accountId: 'acct_new', zone: 'Asia/Shanghai' }),
    ];
    for (const page of pagesOf(recorded(events), 100)) {
      for (const projection of [invoicesProjection, keysProjection]) await stage.apply(projection, page);
    }
  });

  it('find an invoice with its lines, for its own account only', async () => {
    expect(await queries().findInvoice('acct_live1', invoiceId)).toEqual({ ...summary, lines: [invoiceLine()] });
    expect(await queries().findInvoice('acct_other', invoiceId)).toBeNull();
  });

  it('find an invoice by its number', async () => {
    expect(await queries().idOfNumber('INV-2026-000001')).toBe(invoiceId);
    expect(await queries().idOfNumber('INV-2026-000002')).toBeNull();
  });

  it('list an account’s invoices, newest period first', async () => {
    expect(await queries().listInvoices('acct_live1')).toEqual([
      summary,
      expect.objectContaining({ period: '2026-10', status: 'drafted', number: null, finalizedAt: null }),
    ]);
    expect(await queries().listInvoices('acct_none')).toEqual([]);
  });

  it('list an account’s periods, oldest first', async () => {
    const bounds = { start: '2026-11-01T00:00:00.000Z', end: '2026-12-01T00:00:00.000Z', zone: 'UTC' };
    expect(await queries().periodsOf('acct_live1')).toEqual([
      { ...bounds, period: '2026-10', cutoff: 90n },
      { ...bounds, period: '2026-11', cutoff: 100n },
      { ...bounds, period: '2026-12', cutoff: null },
    ]);
  });

  it('list every account with its newest closed period, also those never billed', async () => {
    const port: AccountList = queries();
    const pages: unknown[] = [];
    for await (const page of port.accounts()) pages.push(page);
    expect(pages).toEqual([
      [
        { accountId: 'acct_live1', zone: 'UTC', openedAt: '2026-11-20T09:30:00.000Z', lastClosed: '2026-11' },
        { accountId: 'acct_new', zone: 'Asia/Shanghai', openedAt: '2026-11-20T09:30:00.000Z', lastClosed: null },
      ],
    ]);
  });
});
