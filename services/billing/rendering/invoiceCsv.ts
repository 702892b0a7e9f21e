import { stringify } from 'csv-stringify/sync';
import type { InvoiceDocument, LineDocument } from './invoiceDocument.ts';

const COLUMNS = [
  'invoice',
  'account',
  'period',
  'start',
  'end',
  'currency',
  'line',
  'key',
  'model',
  'meter',
  'price_version',
  'quantity',
  'unit_price_per_million',
  'exact_amount',
  'amount',
  'request_count',
  'requests_hash',
] as const;
type Row = Readonly<Record<(typeof COLUMNS)[number], string>>;

/** A text that a spreadsheet would run as a formula. The library's own escaping would turn negative amounts into text, too. */
const FORMULA = /^[=+\-@\t\r＝＋－＠]/;

/**
 * The invoice's lines as CSV (RFC 4180, CRLF): the header always, one row per line, and last a row for rounding, so that
 * `amount` sums to the total. No text in it can start a formula.
 */
export function invoiceCsv(document: InvoiceDocument): string {
  const rows: Row[] = [...document.lines.map((line) => lineRow(document, line)), roundingRow(document)];
  return stringify(rows, { header: true, columns: [...COLUMNS], record_delimiter: 'windows' });
}

function lineRow(document: InvoiceDocument, line: LineDocument): Row {
  return {
    ...common(document),
    line: String(line.line),
    key: text(line.keyId),
    model: text(line.model),
    meter: line.meter,
    price_version: line.priceVersion,
    quantity: String(line.quantity),
    unit_price_per_million: line.unitPricePerMillion,
    exact_amount: line.exactAmount,
    amount: line.amount,
    request_count: String(line.requestCount),
    requests_hash: line.requestsHash,
  };
}

function roundingRow(document: InvoiceDocument): Row {
  return {
    ...common(document),
    line: '',
    key: '',
    model: '',
    meter: 'rounding',
    price_version: '',
    quantity: '',
    unit_price_per_million: '',
    exact_amount: '',
    amount: document.rounding,
    request_count: '',
    requests_hash: '',
  };
}

function common(document: InvoiceDocument) {
  const { number, accountId, period, start, end, currency } = document;
  return { invoice: number ?? 'draft', account: text(accountId), period, start, end, currency };
}

function text(value: string): string {
  return FORMULA.test(value) ? `'${value}` : value;
}
