import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { INPUT_METERS, METERS, OTHER_METERS, OUTPUT_METERS, type Meter } from '../../../events/meters.ts';
import { modelPrice } from '../../../events/pricebook/pricebook.events.ts';
import { recordedEntry } from '../../../services/billing/pricebook/recordedModel.ts';
import { cardOf, unitPrice } from '../../../services/billing/rating/card.ts';
import { charge } from '../../../services/billing/rating/charge.ts';
import { pricesAtLength, rangesPaying } from '../../../services/billing/rating/longContext.ts';
import { rate, rateUpperBound, type Price, type SignedUsage } from '../../../services/billing/rating/rate.ts';

const micros = fc.integer({ min: 0, max: 1_000_000_000_000 });
const quantity = fc.integer({ min: 0, max: 1_000 });

function partial(meters: readonly Meter[], value: fc.Arbitrary<number>): fc.Arbitrary<Partial<Record<Meter, number>>> {
  return fc.record(Object.fromEntries(meters.map((meter) => [meter, value])), { requiredKeys: [] });
}

const meters = fc
  .tuple(partial(METERS, micros), micros, micros)
  .map(([others, uncachedInput, outputText]) => ({ ...others, uncachedInput, outputText }));
const tier = fc.record({ aboveInputTokens: fc.nat(6_000), meters: partial(METERS, micros) });
const longContext = fc.uniqueArray(tier, {
  minLength: 1,
  maxLength: 4,
  selector: ({ aboveInputTokens }) => aboveInputTokens,
});
const card = fc.record({ meters, longContext }, { requiredKeys: ['meters'] });
const LABELS = ['batch', 'hd:1024x1792', 'constructor'];
const variants = fc.dictionary(fc.constantFrom(...LABELS), card);
const price: fc.Arbitrary<Price> = fc.oneof(
  { weight: 1, arbitrary: micros.map((blended) => ({ blended })) },
  { weight: 5, arbitrary: fc.tuple(card, variants).map(([own, others]) => ({ ...own, variants: { ...others } })) },
);
const variant = fc.option(fc.constantFrom(...LABELS, 'unheard-of'));
const usage = partial(METERS, quantity);

function sum(vector: SignedUsage, of: readonly Meter[]): number {
  return of.reduce((total, meter) => total + (vector[meter] ?? 0), 0);
}

function negated(vector: SignedUsage): SignedUsage {
  return Object.fromEntries(Object.entries(vector).map(([meter, count]) => [meter, 0 - count]));
}

describe('any price', () => {
  it('is one that a price book can hold', () => {
    fc.assert(
      fc.property(price, (any) => {
        const entry = { model: 'm', currency: 'USD', price: any, maxOutputTokens: 1 };
        expect(modelPrice.parse(entry)).toEqual(entry);
      }),
    );
  });

  it('takes back exactly what it charged', () => {
    fc.assert(
      fc.property(price, usage, variant, (any, used, label) => {
        expect(rate(any, negated(used), label)).toBe(-rate(any, used, label));
      }),
    );
  });

  it('charges no more than was held, whichever variant the call turns out to be', () => {
    fc.assert(
      fc.property(price, usage, variant, quantity, quantity, (any, used, label, spareInput, spareOutput) => {
        const bounds = {
          inputTokens: sum(used, INPUT_METERS) + spareInput,
          outputTokens: sum(used, OUTPUT_METERS) + spareOutput,
          other: Object.fromEntries(OTHER_METERS.map((meter) => [meter, (used[meter] ?? 0) + spareInput])),
        };
        const unstated = { ...bounds, other: { ...bounds.other, requests: Math.max(1, bounds.other.requests ?? 0) } };
        const { picos } = charge(any, 'm', { usage: used, source: 'reported' }, label);
        expect(picos).toBeLessThanOrEqual(rateUpperBound(any, unstated));
        expect(picos).toBeLessThanOrEqual(rateUpperBound(any, unstated, label));
      }),
    );
  });

  it('is found again, with the amount, from the recorded name alone', () => {
    fc.assert(
      fc.property(price, usage, variant, fc.constantFrom('m', 'm:8b'), (any, used, label, asked) => {
        const book = new Map([['m', { price: any, matchesTags: true as const }]]);
        const charged = charge(any, asked, { usage: used, source: 'reported' }, label);
        const found = recordedEntry(book, charged.model);
        expect(found && rate(found.price, charged.usage)).toBe(charged.picos);
      }),
    );
  });
});

describe('any card with long contexts', () => {
  const long = fc.record({ meters, longContext });

  it('selects the threshold that lies closest below the input, so a longer input never selects a lower one', () => {
    const reachedBy = (tiers: readonly { aboveInputTokens: number }[], tokens: number) =>
      Math.max(-1, ...tiers.map((each) => each.aboveInputTokens).filter((threshold) => threshold < tokens));
    fc.assert(
      fc.property(long, fc.nat(8_000), fc.nat(8_000), (any, one, other) => {
        const [less, more] = [Math.min(one, other), Math.max(one, other)];
        // Each tier is made to tell itself by a price of its own.
        const told = {
          meters: { ...any.meters, images: 0 },
          longContext: any.longContext.map((each) => ({
            ...each,
            meters: { ...each.meters, images: each.aboveInputTokens + 1 },
          })),
        };
        const selected = [less, more].map((tokens) => Number(pricesAtLength(told, tokens).meters.images) - 1);
        expect(selected).toEqual([reachedBy(any.longContext, less), reachedBy(any.longContext, more)]);
        expect(selected[0]).toBeLessThanOrEqual(selected[1] ?? -1);
      }),
    );
  });

  it('tells by its ranges exactly which calls paid a unit price', () => {
    fc.assert(
      fc.property(long, fc.constantFrom(...METERS), fc.nat(8_000), fc.nat(8_000), (any, meter, one, other) => {
        const paid = Number(unitPrice(cardOf(any, { uncachedInput: one }), meter));
        const ranges = rangesPaying(any, meter, paid);
        const within = (tokens: number) =>
          ranges.filter(({ above, upTo }) => tokens > above && (upTo === null || tokens <= upTo)).length;
        expect(within(one)).toBe(1);
        const same = Number(unitPrice(cardOf(any, { uncachedInput: other }), meter)) === paid;
        expect(within(other)).toBe(same ? 1 : 0);
      }),
    );
  });
});
