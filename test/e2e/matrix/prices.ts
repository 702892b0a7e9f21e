import type { UsageVector } from '../../../events/meters.ts';

/** USD per million tokens; every meter has a price of its own, so that a token on the wrong one shows. */
const PER_MILLION = { uncachedInput: 2, cacheRead: 0.5, outputText: 10, reasoning: 12 } as const;

/** A price book in which these models cost alike. */
export function priceBook(models: readonly string[]): object {
  const perMillion = Object.fromEntries(Object.entries(PER_MILLION).map(([meter, price]) => [meter, String(price)]));
  return {
    effectiveFrom: '2025-01-01T00:00:00.000Z',
    models: models.map((model) => ({ model, currency: 'USD', perMillion, maxOutputTokens: 8_192 })),
  };
}

export function picosOf(usage: UsageVector): bigint {
  return Object.entries(PER_MILLION).reduce(
    (sum, [meter, price]) => sum + BigInt(usage[meter as keyof UsageVector] ?? 0) * BigInt(price * 1_000_000),
    0n,
  );
}
