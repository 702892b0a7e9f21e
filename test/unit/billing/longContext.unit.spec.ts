import { describe, expect, it } from 'vitest';
import { cardOf, unitPrice } from '../../../services/billing/rating/card.ts';
import { pricesAtLength, rangesPaying } from '../../../services/billing/rating/longContext.ts';
import { rate, rateUpperBound, type Price } from '../../../services/billing/rating/rate.ts';

const long = {
  meters: { uncachedInput: 100, cacheRead: 10, outputText: 1_000, images: 7 },
  longContext: [
    { aboveInputTokens: 500, meters: { uncachedInput: 400, outputText: 1_500 } },
    { aboveInputTokens: 200, meters: { uncachedInput: 200, cacheRead: 20, outputText: 1_500 } },
  ],
} satisfies Price;

describe('the price of a long context', () => {
  it('holds for every token of a call whose input exceeds the threshold, and for none at the threshold', () => {
    expect(rate(long, { uncachedInput: 200, outputText: 3 })).toBe(200n * 100n + 3n * 1_000n);
    expect(rate(long, { uncachedInput: 201, outputText: 3 })).toBe(201n * 200n + 3n * 1_500n);
  });

  it('is that of the highest threshold that is exceeded, in whichever order they are listed', () => {
    for (const price of [long, { ...long, longContext: long.longContext.toReversed() }]) {
      expect([0, 200, 201, 500, 501].map((tokens) => pricesAtLength(price, tokens).meters.uncachedInput)).toEqual([
        100, 100, 200, 200, 400,
      ]);
    }
  });

  it('looks at all input, cached or not, and not at output', () => {
    const input = { uncachedInput: 40, cacheRead: 40, cacheWrite5m: 40, cacheWrite1h: 40, audioInput: 40 };
    expect(unitPrice(cardOf(long, { ...input, outputText: 9_999 }), 'outputText')).toBe(1_000n);
    expect(unitPrice(cardOf(long, { ...input, imageInput: 1 }), 'outputText')).toBe(1_500n);
  });

  it('leaves meters that it does not name at the price of the card, and lets others follow their new base', () => {
    const card = cardOf(long, { uncachedInput: 501 });
    const prices = (['cacheRead', 'audioInput', 'reasoning', 'images'] as const).map((meter) => unitPrice(card, meter));
    expect(prices).toEqual([10n, 400n, 1_500n, 7n]);
  });

  it('is taken back as it was charged', () => {
    const usage = { uncachedInput: 600, cacheRead: 1, outputText: 2 };
    expect(rate(long, { uncachedInput: -600, cacheRead: -1, outputText: -2 })).toBe(-rate(long, usage));
  });

  it('is held for only by calls that can get so long', () => {
    const bound = (inputTokens: number) => rateUpperBound(long, { inputTokens, outputTokens: 1 });
    expect(bound(200)).toBe(200n * 100n + 1_000n);
    expect(bound(201)).toBe(201n * 200n + 1_500n);
    expect(bound(501)).toBe(501n * 400n + 1_500n);
  });

  it('may be lower, and then the hold covers a call that stays short', () => {
    const cheaper: Price = {
      meters: { uncachedInput: 100, outputText: 100 },
      longContext: [{ aboveInputTokens: 10, meters: { uncachedInput: 1, outputText: 1 } }],
    };
    expect(rateUpperBound(cheaper, { inputTokens: 20, outputTokens: 5 })).toBe(25n * 100n);
  });
});

describe('the calls that paid a unit price', () => {
  it('are told by their input tokens', () => {
    expect(rangesPaying(long, 'uncachedInput', 100)).toEqual([{ above: -1, upTo: 200 }]);
    expect(rangesPaying(long, 'uncachedInput', 200)).toEqual([{ above: 200, upTo: 500 }]);
    expect(rangesPaying(long, 'uncachedInput', 400)).toEqual([{ above: 500, upTo: null }]);
    expect(rangesPaying(long, 'uncachedInput', 300)).toEqual([]);
  });

  it('may be in several ranges', () => {
    expect(rangesPaying(long, 'outputText', 1_500)).toEqual([
      { above: 200, upTo: 500 },
      { above: 500, upTo: null },
    ]);
    expect(rangesPaying(long, 'cacheRead', 10)).toEqual([
      { above: -1, upTo: 200 },
      { above: 500, upTo: null },
    ]);
  });
});
