import { METERS, type Meter } from '../../../events/meters.ts';
import type { Picos } from '../../../events/money.ts';
import type { ModelPrice } from '../../../events/pricebook/pricebook.events.ts';
import { blendedUnitPrice } from './blended.ts';
import { perMeterUnitPrice } from './perMeter.ts';

export type Price = ModelPrice['price'];

/** Whole quantities per meter; negative ones take back what was billed before. */
export type SignedUsage = Readonly<Partial<Record<Meter, number>>>;

/** The token meters of each side of a call; a hold is sized by the dearest of each. */
const INPUT_METERS = [
  'uncachedInput',
  'cacheRead',
  'cacheWrite5m',
  'cacheWrite1h',
  'audioInput',
  'imageInput',
] as const satisfies readonly Meter[];
const OUTPUT_METERS = ['outputText', 'reasoning', 'audioOutput', 'imageOutput'] as const satisfies readonly Meter[];

/** What one unit of a meter costs: whole micro-units per million units, which is picos per unit. */
export function unitPrice(price: Price, meter: Meter): bigint {
  return BigInt(microsPerMillion(price, meter));
}

/** The exact cost of a usage vector: Σ quantity × unit price. Linear, so a reversal costs exactly the negative. */
export function rate(price: Price, usage: SignedUsage): Picos {
  let sum = 0n;
  for (const meter of METERS) {
    const quantity = usage[meter];
    if (quantity) sum += BigInt(quantity) * unitPrice(price, meter);
  }
  return sum;
}

/** The most that any call can cost whose input and output meters sum to at most these tokens. Meters that count no tokens are not in it. */
export function rateUpperBound(price: Price, inputTokens: number, outputTokens: number): Picos {
  return (
    BigInt(inputTokens) * BigInt(dearest(price, INPUT_METERS)) +
    BigInt(outputTokens) * BigInt(dearest(price, OUTPUT_METERS))
  );
}

function dearest(price: Price, meters: readonly Meter[]): number {
  let highest = 0;
  for (const meter of meters) highest = Math.max(highest, microsPerMillion(price, meter));
  return highest;
}

function microsPerMillion(price: Price, meter: Meter): number {
  return 'blended' in price ? blendedUnitPrice(price, meter) : perMeterUnitPrice(price, meter);
}
