import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  INPUT_METERS,
  METERS,
  OUTPUT_METERS,
  TOKEN_METERS,
  type Meter,
  type UsageVector,
} from '../../../events/meters.ts';
import { rate, rateUpperBound, type Price } from '../../../services/billing/rating/rate.ts';

const micros = fc.integer({ min: 0, max: 1_000_000_000_000 });
const price: fc.Arbitrary<Price> = fc.oneof(
  micros.map((blended) => ({ blended })),
  fc
    .record({ uncachedInput: micros, outputText: micros }, { requiredKeys: ['uncachedInput', 'outputText'] })
    .chain((base) => partial(METERS, micros).map((others) => ({ meters: { ...others, ...base } }))),
);
const tokens = fc.integer({ min: 0, max: 10_000_000 });

function partial(meters: readonly Meter[], value: fc.Arbitrary<number>): fc.Arbitrary<UsageVector> {
  return fc.record(Object.fromEntries(meters.map((meter) => [meter, value])), { requiredKeys: [] });
}

function sum(usage: UsageVector, meters: readonly Meter[]): number {
  return meters.reduce((total, meter) => total + (usage[meter] ?? 0), 0);
}

describe('rating', () => {
  it('never exceeds the bound that its tokens were held at', () => {
    fc.assert(
      fc.property(price, partial(TOKEN_METERS, tokens), tokens, tokens, (card, usage, spareInput, spareOutput) => {
        const bound = rateUpperBound(
          card,
          sum(usage, INPUT_METERS) + spareInput,
          sum(usage, OUTPUT_METERS) + spareOutput,
        );
        expect(rate(card, usage)).toBeLessThanOrEqual(bound);
      }),
    );
  });

  it('is linear: the sum of amounts is the amount of the sum', () => {
    fc.assert(
      fc.property(price, partial(METERS, tokens), partial(METERS, tokens), (card, one, other) => {
        const both = Object.fromEntries(METERS.map((meter) => [meter, (one[meter] ?? 0) + (other[meter] ?? 0)]));
        expect(rate(card, both)).toBe(rate(card, one) + rate(card, other));
      }),
    );
  });

  it('tells every token meter to be on exactly one side', () => {
    expect([...INPUT_METERS, ...OUTPUT_METERS].toSorted()).toEqual([...TOKEN_METERS].toSorted());
  });
});
