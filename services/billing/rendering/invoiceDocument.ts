import type { InvoiceDrafted, InvoiceLine } from '../../../events/invoice/invoice.events.ts';
import { formatMinorUnits, formatPicos, type Currency } from '../../../events/money.ts';
import type { StoredInvoice } from '../invoicing/readInvoice.ts';
import type { BillingWindow, LineRequests } from '../ports.ts';

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

/** The document with each line's request ids, which lead on to the events of each call. */
export async function invoiceDocumentWithRequests(
  invoice: StoredInvoice,
  window: BillingWindow,
  requests: LineRequests,
): Promise<InvoiceDocument> {
  const document = invoiceDocument(invoice);
  const { currency } = document;
  const lines: LineDocument[] = [];
  for (const line of document.lines) {
    lines.push({ ...line, requestIds: await requests.idsOf(window, { ...line, currency }) });
  }
  return { ...document, lines };
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
