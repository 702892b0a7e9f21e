import { inputTokens, type Meter } from '../../../events/meters.ts';
import type { ModelPrice } from '../../../events/pricebook/pricebook.events.ts';
import { blendedUnitPrice } from './blended.ts';
import { pricesAtLength } from './longContext.ts';
import { perMeterUnitPrice, type MeterPrices } from './perMeter.ts';

export type Price = ModelPrice['price'];

/** What one call is priced by, whatever else its model's price says. */
export type Card = { readonly blended: number } | MeterPrices;

/** Whole quantities per meter; negative ones take back what was billed before. */
export type SignedUsage = Readonly<Partial<Record<Meter, number>>>;

/** The price of a variant; that of the model itself for null, and for a variant that the price does not name. */
export function priceOfVariant(price: Price, variant: string | null): Price {
  return (variant === null ? undefined : variantIn(price, variant)) ?? price;
}

/** Null when the price does not name it. */
export function variantIn(price: Price, variant: string): Price | null {
  if ('blended' in price || !price.variants || !Object.hasOwn(price.variants, variant)) return null;
  return price.variants[variant] ?? null;
}

/** The model's own price and that of every variant. */
export function everyPriceIn(price: Price): readonly Price[] {
  return 'blended' in price ? [price] : [price, ...Object.values(price.variants ?? {})];
}

/** The card that this usage is priced by. What is taken back has the card of what was used. */
export function cardOf(price: Price, usage: SignedUsage): Card {
  return 'blended' in price ? price : pricesAtLength(price, Math.abs(inputTokens(usage)));
}

/** What one unit of a meter costs: whole micro-units per million units, which is picos per unit. */
export function unitPrice(card: Card, meter: Meter): bigint {
  return BigInt(microsPerMillion(card, meter));
}

export function microsPerMillion(card: Card, meter: Meter): number {
  return 'blended' in card ? blendedUnitPrice(card, meter) : perMeterUnitPrice(card, meter);
}
