import { INPUT_METERS, OTHER_METERS, OUTPUT_METERS, type Meter, type UsageVector } from '../../../events/meters.ts';
import type { Picos } from '../../../events/money.ts';
import { everyPriceIn, microsPerMillion, priceOfVariant, unitPrice, type Card, type Price } from './card.ts';
import { pricesUpToLength } from './longContext.ts';

/** The most that a call can use. */
export interface CallBounds {
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Meters that count no tokens. A call is one request, whether or not this says so. */
  readonly other?: UsageVector;
}

/**
 * The most that a call within these bounds can cost, whichever meters its tokens are on and however long it gets. Without
 * a variant it may turn out to be any that the price names, with null it is none of them. The form with two numbers is
 * for tokens alone.
 */
export function rateUpperBound(price: Price, inputTokens: number, outputTokens: number): Picos;
export function rateUpperBound(price: Price, bounds: CallBounds, variant?: string | null): Picos;
export function rateUpperBound(
  price: Price,
  limit: CallBounds | number,
  outputTokensOrVariant?: number | string | null,
): Picos {
  if (typeof limit === 'number') {
    return dearest(everyPriceIn(price), { inputTokens: limit, outputTokens: Number(outputTokensOrVariant) }, {});
  }
  const possible =
    typeof outputTokensOrVariant === 'string' || outputTokensOrVariant === null
      ? [priceOfVariant(price, outputTokensOrVariant)]
      : everyPriceIn(price);
  return dearest(possible, limit, { requests: 1, ...limit.other });
}

function dearest(prices: readonly Price[], bounds: CallBounds, other: UsageVector): Picos {
  let highest = 0n;
  for (const price of prices) {
    for (const card of cardsUpTo(price, bounds.inputTokens)) {
      const cost = boundAt(card, bounds, other);
      if (cost > highest) highest = cost;
    }
  }
  return highest;
}

function cardsUpTo(price: Price, inputTokens: number): readonly Card[] {
  return 'blended' in price ? [price] : pricesUpToLength(price, inputTokens);
}

function boundAt(card: Card, { inputTokens, outputTokens }: CallBounds, other: UsageVector): Picos {
  let sum = BigInt(inputTokens) * dearestMeter(card, INPUT_METERS);
  sum += BigInt(outputTokens) * dearestMeter(card, OUTPUT_METERS);
  for (const meter of OTHER_METERS) {
    const quantity = other[meter];
    if (quantity) sum += BigInt(quantity) * unitPrice(card, meter);
  }
  return sum;
}

function dearestMeter(card: Card, meters: readonly Meter[]): bigint {
  let highest = 0;
  for (const meter of meters) highest = Math.max(highest, microsPerMillion(card, meter));
  return BigInt(highest);
}
