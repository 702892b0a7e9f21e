import { METERS } from '../../../events/meters.ts';
import type { Picos } from '../../../events/money.ts';
import { cardOf, priceOfVariant, unitPrice, type Price, type SignedUsage } from './card.ts';

export { unitPrice, type Price, type SignedUsage } from './card.ts';
export { rateUpperBound, type CallBounds } from './upperBound.ts';

/**
 * The exact cost of one call: Σ quantity × unit price, at the prices of its variant and of its length. A reversal costs
 * exactly the negative.
 */
export function rate(price: Price, usage: SignedUsage, variant: string | null = null): Picos {
  const card = cardOf(priceOfVariant(price, variant), usage);
  let sum = 0n;
  for (const meter of METERS) {
    const quantity = usage[meter];
    if (quantity) sum += BigInt(quantity) * unitPrice(card, meter);
  }
  return sum;
}
