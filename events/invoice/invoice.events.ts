import { z } from 'zod';
import { currency, defineEvent, identifier, instant, mode, periodLabel, picosText, sha256Hex } from '../envelope.ts';
import { METERS } from '../meters.ts';

/** A log position as decimal text. */
export const positionText = z.string().regex(/^\d{1,19}$/);

const minorUnitsText = z.string().regex(/^-?\d{1,30}$/);

/** Bounds are computed once, from the zone, and never again. Half-open: `start` ≤ service time < `end`. */
export const periodOpened = defineEvent('PeriodOpened', 1, {
  period: periodLabel,
  start: instant,
  end: instant,
  zone: z.string().max(64),
});

/** Usage up to and including `cutoff` is billed in this period; what is appended later belongs to the next. */
export const periodClosed = defineEvent('PeriodClosed', 1, {
  period: periodLabel,
  end: instant,
  cutoff: positionText,
});

/** One key × model × meter × price version × unit price. `quantity × unitPrice = exactPicos`; `amount` is that, rounded once. */
export const invoiceLine = z.object({
  line: z.int().min(1),
  keyId: identifier,
  model: z.string(),
  meter: z.enum(METERS),
  priceVersion: sha256Hex,
  /** Net quantity; corrections may make it negative. */
  quantity: z.int(),
  unitPriceMicrosPerMillion: z.int().min(0),
  exactPicos: picosText,
  /** Minor units of the currency. */
  amount: minorUnitsText,
  requestCount: z.int().min(0),
  /** SHA-256 over the request ids of the line, sorted, each followed by a newline. */
  requestsHash: sha256Hex,
});
export type InvoiceLine = z.infer<typeof invoiceLine>;

const invoiceBody = {
  invoiceId: z.uuid(),
  period: periodLabel,
  start: instant,
  end: instant,
  cutoff: positionText,
  mode,
  currency,
  lines: z.array(invoiceLine).max(20_000),
  exactTotalPicos: picosText,
  /** The rounded exact total, in minor units. The lines' amounts and `roundingAmount` sum to it. */
  total: minorUnitsText,
  roundingAmount: minorUnitsText,
};
export const invoiceDrafted = defineEvent('InvoiceDrafted', 1, invoiceBody);

/** On the series' stream, expecting the revision before it: the stream is the row lock, and numbers have no gap. */
export const invoiceNumberAllocated = defineEvent('InvoiceNumberAllocated', 1, {
  invoiceId: z.uuid(),
  series: z.string().max(32),
  sequence: z.int().min(1),
});

/** The invoice has its number and no longer changes. */
export const invoiceFinalized = defineEvent('InvoiceFinalized', 1, {
  invoiceId: z.uuid(),
  number: z.string().max(40),
  currency,
  exactTotalPicos: picosText,
  total: minorUnitsText,
});

export const invoiceEvent = z.discriminatedUnion('type', [
  periodOpened,
  periodClosed,
  invoiceDrafted,
  invoiceNumberAllocated,
  invoiceFinalized,
]);
export type PeriodOpened = z.infer<typeof periodOpened>;
export type PeriodClosed = z.infer<typeof periodClosed>;
export type InvoiceDrafted = z.infer<typeof invoiceDrafted>;
export type InvoiceNumberAllocated = z.infer<typeof invoiceNumberAllocated>;
export type InvoiceFinalized = z.infer<typeof invoiceFinalized>;
export type InvoiceEvent = z.infer<typeof invoiceEvent>;
