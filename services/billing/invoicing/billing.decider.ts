import type { DomainEvent } from '../../../events/codec.ts';
import { deriveId } from '../../../events/ids.ts';
import type { PeriodClosed, PeriodOpened } from '../../../events/invoice/invoice.events.ts';
import type { Decider, Decision } from '../../decider.ts';
import { toInstant } from '../../runtime.ts';
import { nextMonth, type Bounds } from '../period.ts';

export type BillingCommand =
  | {
      readonly type: 'OpenPeriod';
      readonly accountId: string;
      readonly period: string;
      /** The account's first billing month. */
      readonly firstPeriod: string;
      /** Bounds of the calendar month in the zone. */
      readonly month: Bounds;
      readonly zone: string;
      readonly now: number;
    }
  | {
      readonly type: 'ClosePeriod';
      readonly accountId: string;
      readonly period: string;
      /** Ends the period at `now` if it is not over; the next one starts there. */
      readonly early: boolean;
      /** A head of the log, read after the period was opened. */
      readonly cutoff: bigint;
      readonly now: number;
    };

export type BillingRefusal =
  /** Periods follow each other without a gap; this one is next. */
  | { readonly reason: 'not_next'; readonly next: string }
  | { readonly reason: 'not_started'; readonly start: string }
  | { readonly reason: 'not_over'; readonly end: string };

export interface OpenedPeriod extends Bounds {
  readonly period: string;
  readonly openedEventId: string;
}
export interface ClosedPeriod extends OpenedPeriod {
  readonly cutoff: bigint;
  readonly closedEventId: string;
  readonly closedAt: string;
}

/** The books of one account: closed periods in order, then perhaps an open one. */
export interface Books {
  readonly closed: readonly ClosedPeriod[];
  readonly open: OpenedPeriod | null;
}

type BillingEvent = PeriodOpened | PeriodClosed;

/** The stream `billing-{account}`. Ids hold the time of the event, so a twin that decides meanwhile conflicts and then finds its wish fulfilled. */
export const billingDecider: Decider<BillingCommand, Books, BillingEvent, BillingRefusal> = {
  initialState: () => ({ closed: [], open: null }),
  evolve(books, event) {
    switch (event.type) {
      case 'PeriodOpened': {
        const { period, start, end, eventId: openedEventId } = event;
        return { ...books, open: { period, start, end, openedEventId } };
      }
      case 'PeriodClosed':
        return books.open ? { closed: [...books.closed, close(books.open, event)], open: null } : books;
    }
  },
  decide(command, books) {
    if (books.closed.some(({ period }) => period === command.period)) return { ok: true, events: [] };
    return command.type === 'OpenPeriod' ? openPeriod(command, books) : closePeriod(command, books);
  },
  owns: (event: DomainEvent): event is BillingEvent => event.type === 'PeriodOpened' || event.type === 'PeriodClosed',
};

/** The period that is open, or else would be opened next. */
export function nextPeriod(books: Books, firstPeriod: string): string {
  const last = books.closed.at(-1);
  return books.open?.period ?? (last ? nextMonth(last.period) : firstPeriod);
}

type Command<T extends BillingCommand['type']> = Extract<BillingCommand, { type: T }>;

function openPeriod(command: Command<'OpenPeriod'>, books: Books): Decision<BillingEvent, BillingRefusal> {
  const next = nextPeriod(books, command.firstPeriod);
  if (command.period !== next) return { ok: false, refusal: { reason: 'not_next', next } };
  if (books.open) return { ok: true, events: [] };
  const start = books.closed.at(-1)?.end ?? command.month.start;
  const now = toInstant(command.now);
  if (now < start) return { ok: false, refusal: { reason: 'not_started', start } };
  const { accountId, period, zone, month } = command;
  const opened: PeriodOpened = {
    type: 'PeriodOpened',
    version: 1,
    eventId: deriveId('PeriodOpened', accountId, period, now),
    occurredAt: now,
    accountId,
    correlationId: billingCorrelation(accountId, period),
    causationId: books.closed.at(-1)?.closedEventId ?? null,
    period,
    start,
    end: month.end,
    zone,
  };
  return { ok: true, events: [opened] };
}

function closePeriod(command: Command<'ClosePeriod'>, books: Books): Decision<BillingEvent, BillingRefusal> {
  const { accountId, period } = command;
  const { open } = books;
  if (open?.period !== period) {
    return { ok: false, refusal: { reason: 'not_next', next: nextPeriod(books, period) } };
  }
  const now = toInstant(command.now);
  if (now <= open.start) return { ok: false, refusal: { reason: 'not_started', start: open.start } };
  if (now < open.end && !command.early) return { ok: false, refusal: { reason: 'not_over', end: open.end } };
  const closed: PeriodClosed = {
    type: 'PeriodClosed',
    version: 1,
    eventId: deriveId('PeriodClosed', accountId, period, now, command.cutoff.toString()),
    occurredAt: now,
    accountId,
    correlationId: billingCorrelation(accountId, period),
    causationId: open.openedEventId,
    period,
    end: now < open.end ? now : open.end,
    cutoff: command.cutoff.toString(),
  };
  return { ok: true, events: [closed] };
}

function close(open: OpenedPeriod, event: PeriodClosed): ClosedPeriod {
  const { end, cutoff, eventId: closedEventId, occurredAt: closedAt } = event;
  return { ...open, end, cutoff: BigInt(cutoff), closedEventId, closedAt };
}

/** What ties together every event of closing one period. */
export function billingCorrelation(accountId: string, period: string): string {
  return `billing/${accountId}/${period}`;
}
