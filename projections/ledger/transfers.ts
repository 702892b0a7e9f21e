import type { InvoiceFinalized } from '../../events/invoice/invoice.events.ts';
import { picosPerMinorUnit, type Currency, type Picos } from '../../events/money.ts';
import type { UsageCorrected, UsageRecorded } from '../../events/usage/usage.events.ts';

/** The ledger accounts that each of our accounts has. */
export const BOOKS = ['unbilled', 'revenue', 'receivable', 'rounding'] as const;
export type Book = (typeof BOOKS)[number];

export type Reason = 'usage' | 'usage_taken_back' | 'usage_corrected' | 'invoiced' | 'rounding';

/** An amount that moves from one book to another: debit and credit in one, so the books balance whatever is posted. */
export interface Transfer {
  readonly debit: Book;
  readonly credit: Book;
  readonly currency: Currency;
  /** Above 0. */
  readonly amount: Picos;
  readonly reason: Reason;
  /** The request or the invoice number. */
  readonly reference: string;
}

export type PostedEvent = UsageRecorded | UsageCorrected | InvoiceFinalized;

/** What an event posts, in order. Usage earns revenue that is not billed yet; an invoice makes it receivable. */
export function transfersOf(event: PostedEvent): readonly Transfer[] {
  switch (event.type) {
    case 'UsageRecorded':
      return usage(event, BigInt(event.amountPicos), 'usage');
    case 'UsageCorrected':
      return [
        ...usage(event, -BigInt(event.previous.amountPicos), 'usage_taken_back'),
        ...usage(event, BigInt(event.corrected.amountPicos), 'usage_corrected'),
      ];
    case 'InvoiceFinalized':
      return invoiced(event);
  }
}

function usage(event: UsageRecorded | UsageCorrected, amount: Picos, reason: Reason): Transfer[] {
  return transfer('unbilled', 'revenue', amount, { currency: event.currency, reason, reference: event.requestId });
}

/**
 * The receivable is the rounded total, what was unbilled is the exact one. The smaller of the two moves between them; the
 * rest is the rounding, which never changes the sign.
 */
function invoiced({ currency, number, total, exactTotalPicos }: InvoiceFinalized): Transfer[] {
  const rounded = BigInt(total) * picosPerMinorUnit(currency);
  const exact = BigInt(exactTotalPicos);
  const moved = magnitude(rounded) < magnitude(exact) ? rounded : exact;
  const posting = { currency, reference: number };
  return [
    ...transfer('receivable', 'unbilled', moved, { ...posting, reason: 'invoiced' }),
    ...transfer('receivable', 'rounding', rounded - moved, { ...posting, reason: 'rounding' }),
    ...transfer('rounding', 'unbilled', exact - moved, { ...posting, reason: 'rounding' }),
  ];
}

/** A negative amount moves the other way; 0 moves nothing. */
function transfer(
  debit: Book,
  credit: Book,
  amount: Picos,
  posting: Pick<Transfer, 'currency' | 'reason' | 'reference'>,
): Transfer[] {
  if (amount === 0n) return [];
  if (amount < 0n) return [{ debit: credit, credit: debit, amount: -amount, ...posting }];
  return [{ debit, credit, amount, ...posting }];
}

function magnitude(amount: Picos): Picos {
  return amount < 0n ? -amount : amount;
}
