import { describe, expect, it } from 'vitest';
import { formatPicos } from '../../../events/money.ts';
import { METERS } from '../../../events/meters.ts';
import { rate, rateUpperBound, unitPrice, type Price } from '../../../services/billing/rating/rate.ts';

const blended: Price = { blended: 150_000 };
const perMeter: Price = { meters: { uncachedInput: 2_500_000, cacheRead: 1_250_000, outputText: 10_000_000 } };

describe('rating', () => {
  it('prices the documented call: 57 tokens at $0.00015 per thousand are $0.00000855', () => {
    expect(formatPicos(rate(blended, { uncachedInput: 15, outputText: 42 }))).toBe('0.00000855');
  });

  it('prices every token alike in a blended card, and nothing else', () => {
    const prices = Object.fromEntries(METERS.map((meter) => [meter, unitPrice(blended, meter)]));
    expect(prices).toEqual({
      uncachedInput: 150_000n,
      cacheRead: 150_000n,
      cacheWrite5m: 150_000n,
      cacheWrite1h: 150_000n,
      outputText: 150_000n,
      reasoning: 150_000n,
      audioInput: 150_000n,
      audioOutput: 150_000n,
      imageInput: 150_000n,
      imageOutput: 150_000n,
      requests: 0n,
      images: 0n,
      characters: 0n,
      seconds: 0n,
    });
  });

  it('falls back to the base meter where a meter has no price of its own', () => {
    const prices = Object.fromEntries(METERS.map((meter) => [meter, unitPrice(perMeter, meter)]));
    expect(prices).toEqual({
      uncachedInput: 2_500_000n,
      cacheRead: 1_250_000n,
      cacheWrite5m: 2_500_000n,
      cacheWrite1h: 2_500_000n,
      outputText: 10_000_000n,
      reasoning: 10_000_000n,
      audioInput: 2_500_000n,
      audioOutput: 10_000_000n,
      imageInput: 2_500_000n,
      imageOutput: 10_000_000n,
      requests: 0n,
      images: 0n,
      characters: 0n,
      seconds: 0n,
    });
  });

  it('charges a meter that counts no tokens when the card prices it', () => {
    const price: Price = { meters: { uncachedInput: 0, outputText: 0, images: 40_000_000_000 } };
    expect(formatPicos(rate(price, { images: 3 }))).toBe('0.12');
  });

  it('charges nothing for no usage and for a free model', () => {
    expect(rate(perMeter, {})).toBe(0n);
    expect(rate({ blended: 0 }, { uncachedInput: 1_000_000 })).toBe(0n);
  });

  it('stays exact where floats do not', () => {
    const price: Price = { meters: { uncachedInput: 1_000_000_000_000, outputText: 3 } };
    const usage = { uncachedInput: Number.MAX_SAFE_INTEGER, outputText: Number.MAX_SAFE_INTEGER };
    expect(rate(price, usage)).toBe(9_007_199_254_740_991n * 1_000_000_000_003n);
  });

  it('gives back exactly what was charged for the negated usage', () => {
    expect(rate(perMeter, { uncachedInput: -7, cacheRead: -3 })).toBe(
      -rate(perMeter, { uncachedInput: 7, cacheRead: 3 }),
    );
  });

  it('bounds a call by the dearest meter of each side', () => {
    const price: Price = { meters: { uncachedInput: 1, audioInput: 30, outputText: 5, reasoning: 7, requests: 1_000 } };
    expect(rateUpperBound(price, 10, 100)).toBe(10n * 30n + 100n * 7n);
    expect(rateUpperBound(blended, 10, 100)).toBe(110n * 150_000n);
  });
});
