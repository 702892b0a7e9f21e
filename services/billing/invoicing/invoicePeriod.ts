import type { EventStore } from '../../../events/eventStore.ts';
import { invoiceIdOf, invoiceStream } from '../../../events/ids.ts';
import type { InvoiceFinalized } from '../../../events/invoice/invoice.events.ts';
import { handle } from '../../decider.ts';
import type { BillingWindow, ReadModels, UsageFacts } from '../ports.ts';
import { PriceBookDamaged, PriceBooks } from '../pricebook/priceBooks.ts';
import type { BilledAccount } from './billedAccount.ts';
import type { Books, ClosedPeriod } from './billing.decider.ts';
import { windowOf } from './billingWindow.ts';
import { DraftFold, type InvoiceDraft } from './draftInvoice.ts';
import { invoiceDecider, type InvoiceCommand, type InvoiceState } from './invoice.decider.ts';
import type { InvoiceNumbers } from './invoiceNumbers.ts';
import { InvoiceRefused } from './invoiceRefused.ts';

export interface InvoicingPorts {
  readonly store: EventStore;
  readonly facts: UsageFacts;
  readonly readModels: ReadModels;
  readonly numbers: InvoiceNumbers;
}

export type IssuedInvoice = Pick<InvoiceFinalized, 'invoiceId' | 'number' | 'currency' | 'exactTotalPicos' | 'total'>;

/**
 * Drafts, numbers and finalizes the invoices of a closed period; does only what is not done yet. Facts come from the
 * read models, once they have reached the period's cutoff. Throws StoreUnavailable and InvoiceRefused.
 */
export async function invoicePeriod(
  ports: InvoicingPorts,
  account: BilledAccount,
  books: Books,
  period: ClosedPeriod,
): Promise<readonly IssuedInvoice[]> {
  const window = windowOf(books, account.accountId, period.period);
  if (!window) throw new Error(`period ${period.period} of ${account.accountId} is not closed`);
  await ports.readModels.caughtUp(period.cutoff);
  if (await ports.readModels.isParked(account.accountId)) {
    throw new InvoiceRefused([`the usage of ${account.accountId} is incomplete: its projection is parked`]);
  }
  const issued: IssuedInvoice[] = [];
  for (const draft of await draftWindow(ports, account, window)) {
    issued.push(await issueInvoice(ports, account, period, draft));
  }
  return issued;
}

async function draftWindow(
  { store, facts }: InvoicingPorts,
  account: BilledAccount,
  window: BillingWindow,
): Promise<readonly InvoiceDraft[]> {
  const books = new PriceBooks(store);
  const fold = new DraftFold(books.price, account.mode);
  for await (const page of facts.read(window)) {
    await loadPrices(books, new Set(page.map((fact) => fact.priceVersion)));
    for (const fact of page) fold.add(fact);
  }
  return fold.finish();
}

async function loadPrices(books: PriceBooks, versions: ReadonlySet<string>): Promise<void> {
  try {
    await books.load(versions);
  } catch (error) {
    if (error instanceof PriceBookDamaged) throw new InvoiceRefused([error.message], { cause: error });
    throw error;
  }
}

async function issueInvoice(
  { store, numbers }: InvoicingPorts,
  { accountId, mode }: BilledAccount,
  period: ClosedPeriod,
  draft: InvoiceDraft,
): Promise<IssuedInvoice> {
  const invoiceId = invoiceIdOf(accountId, period.period, draft.currency);
  const drafted = await decide(store, invoiceId, { type: 'DraftInvoice', accountId, mode, period, draft });
  if (drafted.status === 'none') throw new Error(`invoice ${invoiceId} was drafted and is not`);
  const number = await numbers.allocate(drafted.drafted);
  const final = await decide(store, invoiceId, { type: 'FinalizeInvoice', number });
  if (final.status !== 'final') throw new Error(`invoice ${invoiceId} was finalized and is not`);
  const { currency, exactTotalPicos, total } = final.finalized;
  return { invoiceId, number, currency, exactTotalPicos, total };
}

/** An invoice that stands with other content is not a race but a difference that somebody must explain. */
async function decide(store: EventStore, invoiceId: string, command: InvoiceCommand): Promise<InvoiceState> {
  const handled = await handle(store, invoiceDecider, invoiceStream(invoiceId), command);
  if (!handled.ok) throw new InvoiceRefused([`invoice ${invoiceId}: ${handled.refusal.reason}`]);
  return handled.state;
}
