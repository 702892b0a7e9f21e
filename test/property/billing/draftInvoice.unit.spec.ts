import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { roundToMinorUnits } from '../../../events/money.ts';
import type { ModelPrice } from '../../../events/pricebook/pricebook.events.ts';
import { draftInvoices } from '../../../services/billing/invoicing/draftInvoice.ts';
import type { UsageFact } from '../../../services/billing/ports.ts';
import { recordedEntry } from '../../../services/billing/pricebook/recordedModel.ts';
import { charge } from '../../../services/billing/rating/charge.ts';
import { exampleHash, requestIdOf } from '../../support/events.ts';

const VERSIONS = [exampleHash('v1'), exampleHash('v2')];
const MODELS: readonly ModelPrice[] = [
  { model: 'mini', currency: 'USD', price: { blended: 150_001 }, maxOutputTokens: 1 },
  {
    model: 'meters',
    currency: 'USD',
    price: { meters: { uncachedInput: 7, outputText: 999_983 } },
    maxOutputTokens: 1,
  },
  { model: 'yen', currency: 'JPY', price: { blended: 333_333_333 }, maxOutputTokens: 1 },
  {
    model: 'long',
    currency: 'USD',
    price: {
      meters: { uncachedInput: 11, outputText: 13 },
      longContext: [{ aboveInputTokens: 2_500_000, meters: { uncachedInput: 29, images: 31 } }],
      variants: { batch: { meters: { uncachedInput: 5, outputText: 7, images: 999_999_937 } } },
    },
    maxOutputTokens: 1,
  },
];
const BOOK = new Map(MODELS.map((entry) => [entry.model, entry]));
const priceOf = (_version: string, model: string) => recordedEntry(BOOK, model);

const fact = fc
  .record({
    request: fc.integer({ min: 0, max: 200 }),
    keyId: fc.constantFrom('key_1', 'key_2', 'key_3'),
    model: fc.constantFrom(...MODELS),
    priceVersion: fc.constantFrom(...VERSIONS),
    usage: fc.record(
      {
        uncachedInput: fc.nat(5_000_000),
        cacheRead: fc.nat(5_000_000),
        outputText: fc.nat(5_000_000),
        images: fc.nat(10),
      },
      { requiredKeys: [] },
    ),
    variant: fc.option(fc.constant('batch')),
  })
  .map(({ request, model: { model: asked, currency, price }, usage, variant, ...call }): UsageFact => {
    const { model, picos } = charge(price, asked, { usage, source: 'reported' }, variant);
    return { ...call, usage, requestId: requestIdOf(request), model, currency, amount: picos, mode: 'live' };
  });
const facts = fc
  .array(fact, { minLength: 1, maxLength: 60 })
  .map((all) => all.toSorted((a, b) => Number(a.requestId > b.requestId) - Number(a.requestId < b.requestId)));

describe('any invoice', () => {
  it('bills every fact once: its lines sum exactly to the amounts charged', () => {
    fc.assert(
      fc.property(facts, (charged) => {
        const drafts = draftInvoices(charged, priceOf, 'live');
        for (const draft of drafts) {
          const own = charged.filter(({ currency }) => currency === draft.currency);
          const sum = own.reduce((total, { amount }) => total + amount, 0n);
          expect(draft.lines.reduce((total, line) => total + BigInt(line.exactPicos), 0n)).toBe(sum);
          expect(BigInt(draft.exactTotalPicos)).toBe(sum);
        }
        const billed = new Set(drafts.map(({ currency }) => currency));
        for (const { currency, amount } of charged) expect(billed.has(currency) || amount === 0n).toBe(true);
      }),
    );
  });

  it('adds up: line amounts and rounding are the total, which is the exact total rounded once', () => {
    fc.assert(
      fc.property(facts, (charged) => {
        for (const draft of draftInvoices(charged, priceOf, 'live')) {
          const lines = draft.lines.reduce((total, line) => total + BigInt(line.amount), 0n);
          expect(lines + BigInt(draft.roundingAmount)).toBe(BigInt(draft.total));
          expect(BigInt(draft.total)).toBe(roundToMinorUnits(BigInt(draft.exactTotalPicos), draft.currency));
          for (const line of draft.lines) {
            expect(BigInt(line.quantity) * BigInt(line.unitPriceMicrosPerMillion)).toBe(BigInt(line.exactPicos));
          }
        }
      }),
    );
  });

  it('does not depend on the order of facts of one request', () => {
    fc.assert(
      fc.property(facts, (charged) => {
        const turned = [...Map.groupBy(charged, ({ requestId }) => requestId).values()].flatMap((own) =>
          own.toReversed(),
        );
        expect(draftInvoices(turned, priceOf, 'live')).toEqual(draftInvoices(charged, priceOf, 'live'));
      }),
    );
  });
});
