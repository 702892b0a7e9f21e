import type { InvoiceDrafted, InvoiceLine } from '../../../events/invoice/invoice.events.ts';
import { formatMinorUnits, formatPicos, type Currency } from '../../../events/money.ts';
import type { StoredInvoice } from '../invoicing/readInvoice.ts';
import type { BillingWindow, LineRequests } from '../ports.ts';
import type { PriceBooks } from '../pricebook/priceBooks.ts';
import { rangesPaying, type InputRange } from '../rating/longContext.ts';

/** An invoice as JSON. Amounts are decimal text in major units: `exact…` without rounding, the others rounded once. */
export interface InvoiceDocument {
  readonly invoiceId: string;
  /** Null while the invoice is a draft. */
  readonly number: string | null;
  readonly status: 'draft' | 'final';
  readonly accountId: string;
  readonly mode: InvoiceDrafted['mode'];
  readonly period: string;
  /** Service time, half-open: `start` ≤ t < `end`. */
  readonly start: string;
  readonly end: string;
  /** The last log position that is billed. */
  readonly cutoff: string;
  /** When the period was closed. */
  readonly issuedAt: string;
  readonly currency: Currency;
  readonly lines: readonly LineDocument[];
  /** What rounding each line took from or gave to the total: the lines' amounts and this sum to `total`. */
  readonly rounding: string;
  readonly exactTotal: string;
  readonly total: string;
}

export interface LineDocument {
  readonly line: number;
  readonly keyId: string;
  readonly model: string;
  readonly meter: InvoiceLine['meter'];
  readonly priceVersion: string;
  readonly quantity: number;
  /** Per million units of the meter. */
  readonly unitPricePerMillion: string;
  readonly exactAmount: string;
  readonly amount: string;
  readonly requestCount: number;
  /** SHA-256 over the line's request ids, sorted, each followed by a newline. */
  readonly requestsHash: string;
  /** Only when asked for. */
  readonly requestIds?: readonly string[];
}

const PICOS_PER_MICRO = 1_000_000n;

export function invoiceDocument(invoice: StoredInvoice): InvoiceDocument {
  const { drafted } = invoice;
  const { invoiceId, accountId, mode, period, start, end, cutoff, currency } = drafted;
  return {
    invoiceId,
    number: invoice.status === 'final' ? invoice.finalized.number : null,
    status: invoice.status === 'final' ? 'final' : 'draft',
    accountId,
    mode,
    period,
    start,
    end,
    cutoff,
    issuedAt: drafted.occurredAt,
    currency,
    lines: drafted.lines.map((line) => lineDocument(line, currency)),
    rounding: formatMinorUnits(BigInt(drafted.roundingAmount), currency),
    exactTotal: formatPicos(BigInt(drafted.exactTotalPicos)),
    total: formatMinorUnits(BigInt(drafted.total), currency),
  };
}

/**
 * The document with each line's request ids, which lead on to the events of each call. Where lines differ in nothing but
 * their unit price, `books` tell which calls paid which. Throws PriceBookDamaged or StoreUnavailable.
 */
export async function invoiceDocumentWithRequests(
  invoice: StoredInvoice,
  window: BillingWindow,
  requests: LineRequests,
  books: PriceBooks,
): Promise<InvoiceDocument> {
  const document = invoiceDocument(invoice);
  const { currency } = document;
  const twins = Map.groupBy(invoice.drafted.lines, identityOf);
  const lines: LineDocument[] = [];
  for (const [index, line] of document.lines.entries()) {
    const stored = invoice.drafted.lines[index];
    const alone = !stored || twins.get(identityOf(stored))?.length === 1;
    const ranges = alone ? undefined : await rangesOf(stored, books);
    lines.push({ ...line, requestIds: await requests.idsOf(window, { ...line, currency }, ranges) });
  }
  return { ...document, lines };
}

/** Which calls paid the line's unit price, by the price book that it names. */
async function rangesOf(line: InvoiceLine, books: PriceBooks): Promise<readonly InputRange[]> {
  await books.load([line.priceVersion]);
  const price = books.price(line.priceVersion, line.model)?.price;
  if (!price || 'blended' in price) return [];
  return rangesPaying(price, line.meter, line.unitPriceMicrosPerMillion);
}

function identityOf({ keyId, model, meter, priceVersion }: InvoiceLine): string {
  return JSON.stringify([keyId, model, meter, priceVersion]);
}

function lineDocument(line: InvoiceLine, currency: Currency): LineDocument {
  const { keyId, model, meter, priceVersion, quantity, requestCount, requestsHash } = line;
  return {
    line: line.line,
    keyId,
    model,
    meter,
    priceVersion,
    quantity,
    unitPricePerMillion: formatPicos(BigInt(line.unitPriceMicrosPerMillion) * PICOS_PER_MICRO),
    exactAmount: formatPicos(BigInt(line.exactPicos)),
    amount: formatMinorUnits(BigInt(line.amount), currency),
    requestCount,
    requestsHash,
  };
}
