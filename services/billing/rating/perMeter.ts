import type { Meter } from '../../../events/meters.ts';

export interface MeterPrices {
  readonly meters: Readonly<Partial<Record<Meter, number>>>;
}

/**
 * Where a meter without a price of its own takes its price from. The two base meters must be priced, so no token is
 * ever free by omission; meters that do not count tokens have no base and are free unless priced.
 */
const BASE_METER: Readonly<Record<Meter, Meter | null>> = {
  uncachedInput: null,
  cacheRead: 'uncachedInput',
  cacheWrite5m: 'uncachedInput',
  cacheWrite1h: 'uncachedInput',
  audioInput: 'uncachedInput',
  imageInput: 'uncachedInput',
  outputText: null,
  reasoning: 'outputText',
  audioOutput: 'outputText',
  imageOutput: 'outputText',
  requests: null,
  images: null,
  characters: null,
  seconds: null,
};

/** Meters that a card of per-meter prices must name. */
export const REQUIRED_METERS = ['uncachedInput', 'outputText'] as const satisfies readonly Meter[];

/** The meter's own price, else its base meter's, else 0. Micro-units per million. */
export function perMeterUnitPrice(price: MeterPrices, meter: Meter): number {
  const own = price.meters[meter];
  if (own !== undefined) return own;
  const base = BASE_METER[meter];
  return base === null ? 0 : (price.meters[base] ?? 0);
}
