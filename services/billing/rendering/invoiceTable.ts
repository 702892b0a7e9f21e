import Table from 'cli-table3';
import type { InvoiceDocument } from './invoiceDocument.ts';

const HEAD = ['#', 'key', 'model', 'meter', 'quantity', 'per million', 'exact', 'amount', 'requests'];
const ALIGNMENT: ('left' | 'right')[] = ['right', 'left', 'left', 'left', 'right', 'right', 'right', 'right', 'right'];
/** Escape sequences and line ends that a model's name could bring into somebody's terminal. */
// eslint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u001f\u007f-\u009f]/g;

/** The invoice as plain text for a terminal, without colours. */
export function invoiceTable(document: InvoiceDocument): string {
  const table = new Table({ head: HEAD, colAligns: ALIGNMENT, style: { head: [], border: [], compact: true } });
  for (const line of document.lines) {
    table.push([
      String(line.line),
      plain(line.keyId),
      plain(line.model),
      line.meter,
      String(line.quantity),
      line.unitPricePerMillion,
      line.exactAmount,
      line.amount,
      String(line.requestCount),
    ]);
  }
  table.push(footer('rounding', '', document.rounding), footer('total', document.exactTotal, document.total));
  return `${title(document)}\n${table.toString()}`;
}

function title({ number, mode, accountId, period, start, end, currency }: InvoiceDocument): string {
  const name = number === null ? 'Draft invoice' : `Invoice ${number}`;
  return `${name} (${mode}) for ${accountId}, ${period}: ${start} to ${end}, in ${currency}`;
}

function footer(label: string, exact: string, amount: string) {
  return [{ colSpan: 6, content: label, hAlign: 'right' as const }, exact, amount, ''];
}

function plain(text: string): string {
  return text.replace(CONTROL, '?');
}
