import { windowOf } from '../../billing/invoicing/billingWindow.ts';
import { readBooks } from '../../billing/invoicing/closePeriod.ts';
import { readInvoice, type StoredInvoice } from '../../billing/invoicing/readInvoice.ts';
import { invoiceCsv } from '../../billing/rendering/invoiceCsv.ts';
import {
  invoiceDocument,
  invoiceDocumentWithRequests,
  type InvoiceDocument,
} from '../../billing/rendering/invoiceDocument.ts';
import { PriceBooks } from '../../billing/pricebook/priceBooks.ts';
import { invoiceTable } from '../../billing/rendering/invoiceTable.ts';
import { CommandFailed } from '../failure.ts';
import { invoiceIdNamed } from '../invoiceReference.ts';
import { jsonText, type Outcome } from '../outcome.ts';
import type { Installation } from '../ports.ts';

interface Wish {
  readonly invoice: string;
  readonly format: 'table' | 'json' | 'csv';
  readonly requests: boolean;
}

/** Shows an invoice as it stands in the record. Throws CommandFailed `not_found`, and `usage` for CSV with request ids. */
export async function showInvoice(installation: Installation, wish: Wish): Promise<Outcome> {
  if (wish.requests && wish.format === 'csv') {
    throw new CommandFailed('usage', 'A line of CSV has no room for request ids: use --format json or table.');
  }
  await installation.caughtUp();
  const invoiceId = await invoiceIdNamed(installation, wish.invoice);
  const invoice = await readInvoice(installation.store, invoiceId);
  if (!invoice) throw new CommandFailed('not_found', `There is no invoice ${wish.invoice}.`);
  const document = wish.requests ? await withRequests(installation, invoice) : invoiceDocument(invoice);
  return { data: document, text: textOf(document, wish.format) };
}

async function withRequests({ store, answers }: Installation, invoice: StoredInvoice): Promise<InvoiceDocument> {
  const { accountId, period } = invoice.drafted;
  const window = windowOf(await readBooks(store, accountId), accountId, period);
  if (!window) throw new Error(`invoice ${invoice.drafted.invoiceId} bills ${period}, which is not closed`);
  return invoiceDocumentWithRequests(invoice, window, answers.lineRequests, new PriceBooks(store));
}

function textOf(document: InvoiceDocument, format: Wish['format']): string {
  switch (format) {
    case 'table':
      return [invoiceTable(document), ...document.lines.flatMap(requestLines)].join('\n');
    case 'json':
      return jsonText(document).trimEnd();
    case 'csv':
      return invoiceCsv(document).trimEnd();
  }
}

function requestLines({ line, requestIds }: InvoiceDocument['lines'][number]): string[] {
  if (!requestIds) return [];
  return [`Requests of line ${String(line)}:`, ...requestIds.map((requestId) => `  ${requestId}`)];
}
