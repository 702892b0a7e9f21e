import { invoiceIdOf } from '../../../events/ids.ts';
import type {
  InvoiceDrafted,
  InvoiceFinalized,
  InvoiceLine,
  InvoiceNumberAllocated,
  PeriodClosed,
  PeriodOpened,
} from '../../../events/invoice/invoice.events.ts';
import { envelope, exampleHash, KEY, LIVE_ACCOUNT, MODEL, PERIOD, PRICE_VERSION, type Change } from './shared.ts';

export function periodOpened(change: Change<PeriodOpened> = {}): PeriodOpened {
  return {
    type: 'PeriodOpened',
    version: 1,
    ...envelope('PeriodOpened', change, change.period ?? PERIOD),
    period: PERIOD,
    start: '2026-11-01T00:00:00.000Z',
    end: '2026-12-01T00:00:00.000Z',
    zone: 'UTC',
    ...change,
  };
}

export function periodClosed(change: Change<PeriodClosed> = {}): PeriodClosed {
  return {
    type: 'PeriodClosed',
    version: 1,
    ...envelope('PeriodClosed', change, change.period ?? PERIOD),
    period: PERIOD,
    end: '2026-12-01T00:00:00.000Z',
    cutoff: '100',
    ...change,
  };
}

/** 10 000 output tokens at 0.6 USD per million: exactly 0.006 USD, rounded to one cent. */
export function invoiceLine(change: Partial<InvoiceLine> = {}): InvoiceLine {
  return {
    line: 1,
    keyId: KEY,
    model: MODEL,
    meter: 'outputText',
    priceVersion: PRICE_VERSION,
    quantity: 10_000,
    unitPriceMicrosPerMillion: 600_000,
    exactPicos: '6000000000',
    amount: '1',
    requestCount: 1,
    requestsHash: exampleHash('requests'),
    ...change,
  };
}

export function invoiceDrafted(change: Change<InvoiceDrafted> = {}): InvoiceDrafted {
  const accountId = change.accountId ?? LIVE_ACCOUNT;
  const invoiceId = change.invoiceId ?? invoiceIdOf(accountId, change.period ?? PERIOD, change.currency ?? 'USD');
  return {
    type: 'InvoiceDrafted',
    version: 1,
    ...envelope('InvoiceDrafted', change, invoiceId),
    invoiceId,
    period: PERIOD,
    start: '2026-11-01T00:00:00.000Z',
    end: '2026-12-01T00:00:00.000Z',
    cutoff: '100',
    mode: 'live',
    currency: 'USD',
    lines: [invoiceLine()],
    exactTotalPicos: '6000000000',
    total: '1',
    roundingAmount: '0',
    ...change,
  };
}

export function invoiceNumberAllocated(change: Change<InvoiceNumberAllocated> = {}): InvoiceNumberAllocated {
  const invoiceId = change.invoiceId ?? invoiceIdOf(change.accountId ?? LIVE_ACCOUNT, PERIOD, 'USD');
  return {
    type: 'InvoiceNumberAllocated',
    version: 1,
    ...envelope('InvoiceNumberAllocated', change, invoiceId),
    invoiceId,
    series: 'INV-2026',
    sequence: 1,
    ...change,
  };
}

export function invoiceFinalized(change: Change<InvoiceFinalized> = {}): InvoiceFinalized {
  const invoiceId = change.invoiceId ?? invoiceIdOf(change.accountId ?? LIVE_ACCOUNT, PERIOD, 'USD');
  return {
    type: 'InvoiceFinalized',
    version: 1,
    ...envelope('InvoiceFinalized', change, invoiceId),
    invoiceId,
    number: 'INV-2026-000001',
    currency: 'USD',
    exactTotalPicos: '6000000000',
    total: '1',
    ...change,
  };
}
