import { formatPicos, type Currency, type Picos } from '../../events/money.ts';
import { windowOf } from '../billing/invoicing/billingWindow.ts';
import { readBooks } from '../billing/invoicing/closePeriod.ts';
import { readInvoice } from '../billing/invoicing/readInvoice.ts';
import { PriceBooks } from '../billing/pricebook/priceBooks.ts';
import { quotaPeriodOf } from '../billing/period.ts';
import { invoiceDocumentWithRequests, type InvoiceDocument } from '../billing/rendering/invoiceDocument.ts';
import { invoiceTable } from '../billing/rendering/invoiceTable.ts';
import type { CallRow } from '../cli/ports.ts';
import { expectFound, expectSame } from './expectation.ts';
import { walkBack } from './walkBack.ts';
import { until, type World } from './world.ts';

export interface Billed {
  readonly invoiceId: string;
  readonly number: string;
  readonly currency: Currency;
  /** Decimal text in major units. */
  readonly total: string;
  readonly exactTotal: Picos;
}

/** Closes the running month of an account and shows its invoices, each of which must be the sum of its calls. */
export async function closeBooks(world: World, account: string, calls: readonly CallRow[]): Promise<readonly Billed[]> {
  const { print } = world;
  // The demonstration's books are in UTC, like the quotas.
  const period = quotaPeriodOf(world.runtime.clock.now());
  const job = await world.requestClose(account, period);
  print(`   job ${job}`);
  const currencies = [...new Set(calls.map(({ currency }) => currency))];
  const invoices = await until(world.runtime, 'final invoices of every currency', async () => {
    const found = (await world.answers.invoices(account)).filter(({ status }) => status === 'final');
    return found.length === currencies.length ? found : null;
  });
  const billed: Billed[] = [];
  for (const { invoiceId, number, currency, exactTotal } of invoices) {
    const document = await documentOf(world, invoiceId);
    print(`\n${indented(invoiceTable(document))}`);
    const told = calls.filter((call) => call.currency === currency).reduce((sum, call) => sum + call.picos, 0n);
    expectSame(`the exact total of ${String(number)}, and the costs of its calls`, exactTotal, told);
    print(`   The costs of its calls: ${formatPicos(told)} ${currency} exactly, as billed.`);
    walkBack(document, calls, print);
    billed.push({ invoiceId, number: expectFound('its number', number), currency, total: document.total, exactTotal });
  }
  return billed;
}

async function documentOf({ store, answers }: World, invoiceId: string): Promise<InvoiceDocument> {
  const invoice = expectFound(`invoice ${invoiceId} in the record`, await readInvoice(store, invoiceId));
  const { accountId, period } = invoice.drafted;
  const window = expectFound('its closed period', windowOf(await readBooks(store, accountId), accountId, period));
  return invoiceDocumentWithRequests(invoice, window, answers.lineRequests, new PriceBooks(store));
}

function indented(text: string): string {
  return text.replaceAll(/^/gm, '   ');
}
