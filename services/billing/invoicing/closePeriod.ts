import type { EventStore } from '../../../events/eventStore.ts';
import { billingStream } from '../../../events/ids.ts';
import { handle, load } from '../../decider.ts';
import type { Clock } from '../../runtime.ts';
import { monthBounds, monthOf, nextMonth } from '../period.ts';
import type { ReadModels, UsageFacts } from '../ports.ts';
import { billingDecider, nextPeriod, type BillingRefusal, type Books, type ClosedPeriod } from './billing.decider.ts';
import { readAccount, type BilledAccount } from './billedAccount.ts';
import { invoicePeriod, type IssuedInvoice } from './invoicePeriod.ts';
import type { InvoiceNumbers } from './invoiceNumbers.ts';

export interface ClosingPorts {
  readonly store: EventStore;
  readonly facts: UsageFacts;
  readonly readModels: ReadModels;
  readonly numbers: InvoiceNumbers;
  readonly clock: Clock;
}

export interface CloseRequest {
  readonly accountId: string;
  readonly period: string;
  /** Ends a running period now instead of refusing. */
  readonly early?: boolean;
}

export type CloseRefusal =
  | BillingRefusal
  | { readonly reason: 'unknown_account' }
  /** The period is over before the account was opened. */
  | { readonly reason: 'before_account'; readonly firstPeriod: string };

export type CloseOutcome =
  | { readonly ok: true; readonly period: ClosedPeriod; readonly invoices: readonly IssuedInvoice[] }
  | { readonly ok: false; readonly period: string; readonly refusal: CloseRefusal };

/**
 * Closes an account's billing period and issues its invoices, one per currency with usage. Periods before it that are
 * still open are closed first, in order. However often it is called, by however many processes, and wherever it is cut
 * off, there is one closing per period and one invoice per period and currency: call it again and it goes on.
 *
 * Throws StoreUnavailable (try again) and InvoiceRefused (somebody must look; no later period is closed until then).
 */
export async function closePeriod(ports: ClosingPorts, request: CloseRequest): Promise<CloseOutcome> {
  const account = await readAccount(ports.store, request.accountId);
  if (!account) return { ok: false, period: request.period, refusal: { reason: 'unknown_account' } };
  const firstPeriod = monthOf(Date.parse(account.openedAt), account.zone);
  if (request.period < firstPeriod) {
    return { ok: false, period: request.period, refusal: { reason: 'before_account', firstPeriod } };
  }
  const books = await readBooks(ports.store, account.accountId);
  const standing = books.closed.find(({ period }) => period === request.period);
  if (standing) return issue(ports, account, books, standing);

  const last = books.closed.at(-1);
  if (last) await issue(ports, account, books, last);
  for (let period = nextPeriod(books, firstPeriod); ; period = nextMonth(period)) {
    const early = request.early === true && period === request.period;
    const outcome = await closeOne(ports, account, firstPeriod, period, early);
    if (!outcome.ok || period >= request.period) return outcome;
  }
}

async function closeOne(
  ports: ClosingPorts,
  account: BilledAccount,
  firstPeriod: string,
  period: string,
  early: boolean,
): Promise<CloseOutcome> {
  const { store, clock } = ports;
  const { accountId, zone } = account;
  const stream = billingStream(accountId);
  const opened = await handle(store, billingDecider, stream, {
    type: 'OpenPeriod',
    accountId,
    period,
    firstPeriod,
    month: monthBounds(period, zone),
    zone,
    now: clock.now(),
  });
  if (!opened.ok) return { ok: false, period, refusal: opened.refusal };
  const closed = await handle(store, billingDecider, stream, {
    type: 'ClosePeriod',
    accountId,
    period,
    early,
    now: clock.now(),
    cutoff: await store.head(),
  });
  if (!closed.ok) return { ok: false, period, refusal: closed.refusal };
  const standing = closed.state.closed.find((candidate) => candidate.period === period);
  if (!standing) throw new Error(`period ${period} of ${accountId} was closed and is not`);
  return issue(ports, account, closed.state, standing);
}

async function issue(
  ports: ClosingPorts,
  account: BilledAccount,
  books: Books,
  period: ClosedPeriod,
): Promise<CloseOutcome> {
  return { ok: true, period, invoices: await invoicePeriod(ports, account, books, period) };
}

/** The books of an account; empty ones when no period was ever opened. */
export async function readBooks(store: EventStore, accountId: string): Promise<Books> {
  return (await load(store, billingDecider, billingStream(accountId))).state;
}
