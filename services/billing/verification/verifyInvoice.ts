import type { EventStore } from '../../../events/eventStore.ts';
import { invoiceStream } from '../../../events/ids.ts';
import type { InvoiceDrafted } from '../../../events/invoice/invoice.events.ts';
import type { ModelPrice } from '../../../events/pricebook/pricebook.events.ts';
import { readAccount, type BilledAccount } from '../invoicing/billedAccount.ts';
import type { ClosedPeriod } from '../invoicing/billing.decider.ts';
import { windowOf } from '../invoicing/billingWindow.ts';
import { readBooks } from '../invoicing/closePeriod.ts';
import { draftInvoices, type InvoiceDraft } from '../invoicing/draftInvoice.ts';
import { invoiceDecider, type InvoiceCommand, type InvoiceState } from '../invoicing/invoice.decider.ts';
import { readInvoice } from '../invoicing/readInvoice.ts';
import type { BillingWindow } from '../ports.ts';
import { PriceBooks } from '../pricebook/priceBooks.ts';
import { rate } from '../rating/rate.ts';
import { compareInvoices } from './compareInvoices.ts';
import { differenceOnFailure, type Difference } from './difference.ts';
import { numberInLog } from './numberInLog.ts';
import { usageInLog, type LoggedFact } from './usageInLog.ts';

/** `facts` are the usage facts behind the lines. */
export type Verification =
  | { readonly equal: true; readonly lines: number; readonly facts: number }
  | { readonly equal: false; readonly differences: readonly Difference[] };

/**
 * Makes an invoice again from events alone (its account, periods, usage, corrections, price books and number series;
 * no read model) and compares every field of it. Reads the whole log up to the invoice's cutoff. Throws StoreUnavailable.
 */
export async function verifyInvoice(store: EventStore, invoiceId: string): Promise<Verification> {
  const differences: Difference[] = [];
  const invoice = await differenceOnFailure('invoice', differences, () => readInvoice(store, invoiceId));
  if (!invoice) {
    if (differences.length === 0) differences.push({ where: 'invoice', expected: 'an invoice', found: 'nothing' });
    return { equal: false, differences };
  }
  const { drafted } = invoice;
  differences.push(...(await strayEvents(store, invoiceId)));
  const facts = await differenceOnFailure('invoice', differences, async () => {
    const basis = await basisOf(store, drafted, differences);
    if (!basis) return [];
    const facts = await usageInLog(store, basis.window, differences);
    const draft = await redraft(store, facts, basis.account, drafted, differences);
    const number = await numberInLog(store, drafted, differences);
    differences.push(...compareInvoices(remake(basis, draft, number), invoice));
    return facts.filter(({ currency }) => currency === drafted.currency);
  });
  if (differences.length > 0) return { equal: false, differences };
  return { equal: true, lines: drafted.lines.length, facts: facts?.length ?? 0 };
}

/** An invoice's stream holds a draft and its finalization, and nothing after. */
async function strayEvents(store: EventStore, invoiceId: string): Promise<Difference[]> {
  const [last] = await store.readStream(invoiceStream(invoiceId), { direction: 'backwards', limit: 1 });
  if (!last || last.revision <= 1n) return [];
  return [{ where: 'invoice', expected: 'two events', found: `${String(last.revision + 1n)}, the last ${last.type}` }];
}

interface Basis {
  readonly account: BilledAccount;
  readonly period: ClosedPeriod;
  readonly window: BillingWindow;
}

/** The account and the closed period that the invoice says it bills. */
async function basisOf(store: EventStore, drafted: InvoiceDrafted, differences: Difference[]): Promise<Basis | null> {
  const account = await readAccount(store, drafted.accountId);
  const books = await readBooks(store, drafted.accountId);
  const period = books.closed.find((closed) => closed.period === drafted.period);
  const window = windowOf(books, drafted.accountId, drafted.period);
  if (!account || !period || !window) {
    differences.push({ where: 'period', expected: `a closed period ${drafted.period}`, found: 'nothing' });
    return null;
  }
  // Bounds are what was stored when the period was opened: a newer time zone database must not change old invoices.
  const start = books.closed[books.closed.indexOf(period) - 1]?.end ?? period.start;
  if (period.start !== start) differences.push({ where: 'period start', expected: start, found: period.start });
  return { account, period, window };
}

/** The draft of the invoice's currency, from the facts re-rated at the price books they name. */
async function redraft(
  store: EventStore,
  facts: readonly LoggedFact[],
  account: BilledAccount,
  drafted: InvoiceDrafted,
  differences: Difference[],
): Promise<InvoiceDraft | null> {
  const prices = new PriceBooks(store);
  const rated: LoggedFact[] = [];
  for (const [version, priced] of Map.groupBy(facts, (fact) => fact.priceVersion)) {
    await differenceOnFailure(`price book ${version}`, differences, async () => {
      await prices.load([version]);
      for (const fact of priced) rated.push(...rerated(fact, prices.price(version, fact.model), differences));
    });
  }
  rated.sort((a, b) => Number(a.requestId > b.requestId) - Number(a.requestId < b.requestId));
  const drafts = await differenceOnFailure('usage', differences, () =>
    draftInvoices(rated, prices.price, account.mode),
  );
  return drafts?.find(({ currency }) => currency === drafted.currency) ?? null;
}

function rerated(fact: LoggedFact, priced: ModelPrice | null, differences: Difference[]): LoggedFact[] {
  const where = `usage event ${fact.eventId}`;
  if (!priced) {
    differences.push({ where, expected: `a price for ${fact.model}`, found: 'nothing' });
    return [];
  }
  const amount = rate(priced.price, fact.usage);
  if (amount !== fact.amount) {
    differences.push({ where: `${where} amountPicos`, expected: amount.toString(), found: fact.amount.toString() });
  }
  return [{ ...fact, amount }];
}

/** The invoice's events as they ought to be. */
function remake({ account, period }: Basis, draft: InvoiceDraft | null, number: string | null): InvoiceState {
  let state = invoiceDecider.initialState();
  const commands: InvoiceCommand[] = [];
  const { accountId, mode } = account;
  if (draft) commands.push({ type: 'DraftInvoice', accountId, mode, period, draft });
  if (draft && number !== null) commands.push({ type: 'FinalizeInvoice', number });
  for (const command of commands) {
    const decision = invoiceDecider.decide(command, state);
    if (decision.ok) state = decision.events.reduce((folded, event) => invoiceDecider.evolve(folded, event), state);
  }
  return state;
}
