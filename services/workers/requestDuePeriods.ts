import { monthOf, previousMonth } from '../billing/period.ts';
import type { AccountBooks, AccountList } from '../billing/ports.ts';
import type { Clock } from '../runtime.ts';
import type { InvoicingQueue } from './ports.ts';

export interface DuePeriodsPorts {
  readonly accounts: AccountList;
  readonly queue: InvoicingQueue;
  readonly clock: Clock;
}

/**
 * Requests the closing of every period that has ended, and of those that failed before: per account the newest ended
 * one, for closing it closes the ones before it. After a downtime of months this gives the same invoices as without.
 * Returns how many were requested.
 */
export function requestDuePeriods(ports: DuePeriodsPorts): Promise<number> {
  return request(ports, duePeriod);
}

/**
 * Requests the newest ended period of every account also where it is closed, for it may be closed and not yet invoiced.
 * Whatever is done already is not done again. Returns how many were requested.
 */
export function requestEndedPeriods(ports: DuePeriodsPorts): Promise<number> {
  return request(ports, endedPeriod);
}

async function request({ accounts, queue, clock }: DuePeriodsPorts, periodOf: typeof duePeriod): Promise<number> {
  await queue.retryFailed();
  let requested = 0;
  for await (const page of accounts.accounts()) {
    for (const account of page) {
      const due = periodOf(account, clock.now());
      if (due === null) continue;
      await queue.requestClose(account.accountId, due, false);
      requested += 1;
    }
  }
  return requested;
}

/** The newest month that is over in the account's zone and not closed; null when there is none. */
export function duePeriod(account: AccountBooks, nowMs: number): string | null {
  const newest = endedPeriod(account, nowMs);
  return newest === null || (account.lastClosed !== null && account.lastClosed >= newest) ? null : newest;
}

function endedPeriod({ zone, openedAt }: AccountBooks, nowMs: number): string | null {
  const newest = previousMonth(monthOf(nowMs, zone));
  return newest < monthOf(Date.parse(openedAt), zone) ? null : newest;
}
