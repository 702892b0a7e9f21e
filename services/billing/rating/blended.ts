import { TOKEN_METERS, type Meter } from '../../../events/meters.ts';

const TOKENS: ReadonlySet<Meter> = new Set(TOKEN_METERS);

/** One price for every token, whatever its kind; meters that do not count tokens are free. Micro-units per million. */
export function blendedUnitPrice(price: { readonly blended: number }, meter: Meter): number {
  return TOKENS.has(meter) ? price.blended : 0;
}
