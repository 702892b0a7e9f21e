import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CURRENCIES, picosPerMinorUnit, roundToMinorUnits } from '../../../events/money.ts';
import { BOOKS, transfersOf, type Book, type Transfer } from '../../../projections/ledger/transfers.ts';
import { invoiceFinalized, usageCorrected, usageRecorded } from '../../support/events.ts';

const balanceOf = (transfers: readonly Transfer[], book: Book) =>
  transfers.reduce(
    (sum, { debit, credit, amount }) => sum + (debit === book ? amount : 0n) - (credit === book ? amount : 0n),
    0n,
  );

describe('what events post', () => {
  it('is two transfers when an invoice rounds up: to unbilled exactly, the rest to rounding', () => {
    expect(transfersOf(invoiceFinalized({ exactTotalPicos: '6000000000', total: '1' }))).toEqual([
      {
        debit: 'receivable',
        credit: 'unbilled',
        currency: 'USD',
        amount: 6_000_000_000n,
        reason: 'invoiced',
        reference: 'INV-2026-000001',
      },
      {
        debit: 'receivable',
        credit: 'rounding',
        currency: 'USD',
        amount: 4_000_000_000n,
        reason: 'rounding',
        reference: 'INV-2026-000001',
      },
    ]);
  });

  it('is a transfer from rounding when an invoice rounds down, even to nothing', () => {
    const posted = transfersOf(invoiceFinalized({ exactTotalPicos: '4000000000', total: '0' }));
    expect(posted.map(({ debit, credit, amount }) => [debit, credit, amount])).toEqual([
      ['rounding', 'unbilled', 4_000_000_000n],
    ]);
  });

  it('moves the other way for an invoice below zero', () => {
    const posted = transfersOf(invoiceFinalized({ exactTotalPicos: '-14000000000', total: '-1' }));
    expect(posted.map(({ debit, credit, amount }) => [debit, credit, amount])).toEqual([
      ['unbilled', 'receivable', 10_000_000_000n],
      ['unbilled', 'rounding', 4_000_000_000n],
    ]);
  });

  it('is nothing for an invoice of nothing and for usage of nothing', () => {
    expect(transfersOf(invoiceFinalized({ exactTotalPicos: '0', total: '0' }))).toEqual([]);
    expect(transfersOf(usageRecorded({ amountPicos: '0' }))).toEqual([]);
  });

  it('leaves only the corrected amount after a correction', () => {
    const posted = [...transfersOf(usageRecorded()), ...transfersOf(usageCorrected())];
    expect(balanceOf(posted, 'unbilled')).toBe(390_000_000n);
    expect(balanceOf(posted, 'revenue')).toBe(-390_000_000n);
  });

  it('empties unbilled by the exact total and fills receivable by the rounded one, and always balances', () => {
    const exact = fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n });
    fc.assert(
      fc.property(exact, fc.constantFrom(...CURRENCIES), (picos, currency) => {
        const total = roundToMinorUnits(picos, currency);
        const posted = transfersOf(
          invoiceFinalized({ currency, exactTotalPicos: String(picos), total: String(total) }),
        );
        expect(balanceOf(posted, 'unbilled')).toBe(-picos);
        expect(balanceOf(posted, 'receivable')).toBe(total * picosPerMinorUnit(currency));
        expect(BOOKS.reduce((sum, book) => sum + balanceOf(posted, book), 0n)).toBe(0n);
        expect(posted.every(({ amount }) => amount > 0n)).toBe(true);
      }),
    );
  });
});
