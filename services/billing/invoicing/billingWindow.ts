import type { BillingWindow, Cut } from '../ports.ts';
import type { Books } from './billing.decider.ts';

/** What a closed period bills. Null when the books have no such closed period. */
export function windowOf(books: Books, accountId: string, period: string): BillingWindow | null {
  const index = books.closed.findIndex((closed) => closed.period === period);
  const upTo = books.closed[index];
  if (!upTo) return null;
  const before = index === 0 ? undefined : books.closed[index - 1];
  return { accountId, upTo: cutOf(upTo), after: before ? cutOf(before) : null };
}

/** Whether a fact of the window's account, with this service time and position, is billed in it. */
export function isInWindow(window: BillingWindow, occurredAt: string, position: bigint): boolean {
  if (!isBefore(window.upTo, occurredAt, position)) return false;
  return window.after === null || !isBefore(window.after, occurredAt, position);
}

function cutOf({ end, cutoff }: Cut): Cut {
  return { end, cutoff };
}

function isBefore(cut: Cut, occurredAt: string, position: bigint): boolean {
  return occurredAt < cut.end && position <= cut.cutoff;
}
