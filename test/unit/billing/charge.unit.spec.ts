import { describe, expect, it } from 'vitest';
import { formatPicos } from '../../../events/money.ts';
import { charge } from '../../../services/billing/rating/charge.ts';
import { rate, rateUpperBound, type Price } from '../../../services/billing/rating/rate.ts';

const painter: Price = {
  meters: { uncachedInput: 0, outputText: 0, images: 120_000_000_000 },
  variants: { 'standard:1024x1024': { meters: { uncachedInput: 0, outputText: 0, images: 40_000_000_000 } } },
};
const ranker: Price = { meters: { uncachedInput: 5, outputText: 0, requests: 2_000_000_000 } };
const reported = 'reported' as const;

describe('what a call is charged', () => {
  it('is the price of the variant that it turned out to be, recorded with its name', () => {
    const standard = charge(painter, 'painter', { usage: { images: 2 }, source: reported }, 'standard:1024x1024');
    expect(standard).toEqual({
      model: 'painter#standard:1024x1024',
      usage: { images: 2 },
      picos: 80_000_000_000n,
    });
  });

  it.each([null, 'hd:1024x1024', 'constructor', '__proto__'])(
    'is the price of the model for %j, which the price does not name',
    (variant) => {
      expect(charge(painter, 'painter', { usage: { images: 2 }, source: reported }, variant)).toEqual({
        model: 'painter',
        usage: { images: 2 },
        picos: 240_000_000_000n,
      });
    },
  );

  it('keeps the tag that was asked for', () => {
    const { model } = charge(painter, 'painter:v2', { usage: {}, source: reported }, 'standard:1024x1024');
    expect(model).toBe('painter:v2#standard:1024x1024');
  });

  it('counts a request where requests have a price', () => {
    const { usage, picos } = charge(ranker, 'ranker', { usage: { uncachedInput: 3 }, source: 'estimated' });
    expect(usage).toEqual({ uncachedInput: 3, requests: 1 });
    expect(formatPicos(picos)).toBe('0.002000000015');
    expect(charge(ranker, 'ranker', { usage: { requests: 4 }, source: reported }).usage).toEqual({ requests: 4 });
    expect(charge(painter, 'painter', { usage: { images: 1 }, source: reported }).usage).toEqual({ images: 1 });
  });

  it.each(['none', 'unknown'] as const)('is nothing for a call whose usage is %s', (source) => {
    expect(charge(ranker, 'ranker', { usage: {}, source })).toEqual({ model: 'ranker', usage: {}, picos: 0n });
  });

  it('is exact for characters and seconds', () => {
    const speaker: Price = {
      meters: { uncachedInput: 0, outputText: 0, characters: 15_000_000, seconds: 100_000_000 },
    };
    expect(formatPicos(rate(speaker, { characters: 1_001 }))).toBe('0.015015');
    expect(formatPicos(rate(speaker, { seconds: 61 }))).toBe('0.0061');
  });
});

describe('the hold of a call', () => {
  const bounds = { inputTokens: 0, outputTokens: 0, other: { images: 3 } };

  it('covers the dearest variant when it is not known which it will be', () => {
    expect(rateUpperBound(painter, bounds)).toBe(3n * 120_000_000_000n);
    const dearVariant: Price = {
      meters: { uncachedInput: 1, outputText: 1 },
      variants: { priority: { meters: { uncachedInput: 2, outputText: 3 } } },
    };
    expect(rateUpperBound(dearVariant, { inputTokens: 10, outputTokens: 10 })).toBe(50n);
    expect(rateUpperBound(dearVariant, 10, 10)).toBe(50n);
  });

  it('covers the one variant that is asked for, or none', () => {
    expect(rateUpperBound(painter, bounds, 'standard:1024x1024')).toBe(3n * 40_000_000_000n);
    expect(rateUpperBound(painter, bounds, null)).toBe(3n * 120_000_000_000n);
    expect(rateUpperBound(painter, bounds, 'hd:1024x1024')).toBe(3n * 120_000_000_000n);
  });

  it('covers one request, also when nobody says so, and as many as are said', () => {
    expect(rateUpperBound(ranker, { inputTokens: 2, outputTokens: 9 })).toBe(10n + 2_000_000_000n);
    expect(rateUpperBound(ranker, { inputTokens: 2, outputTokens: 9, other: { requests: 2 } })).toBe(
      10n + 2n * 2_000_000_000n,
    );
  });

  it('covers characters, seconds and tokens together', () => {
    const price: Price = { meters: { uncachedInput: 1, outputText: 2, characters: 3, seconds: 4 } };
    const other = { characters: 100, seconds: 1_000 };
    expect(rateUpperBound(price, { inputTokens: 1, outputTokens: 10, other })).toBe(1n + 20n + 300n + 4_000n);
  });
});
