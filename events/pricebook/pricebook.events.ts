import { z } from 'zod';
import { currency, defineEvent, instant, sha256Hex } from '../envelope.ts';
import { METERS } from '../meters.ts';

/** Whole micro-units of the currency per million tokens (or per million of another meter's unit). 10¹² = one million per token. */
const price = z.int().min(0).max(1_000_000_000_000);

/**
 * The price of one model. `blended` prices every token alike; otherwise each meter has its own price and a meter
 * without one takes its base meter's (`rating`). Exactly one of the two.
 */
export const modelPrice = z.object({
  model: z.string().min(1).max(200),
  currency,
  price: z.union([
    z.strictObject({ blended: price }),
    z.strictObject({ meters: z.partialRecord(z.enum(METERS), price) }),
  ]),
  /** The most output a call may ask for, and what is held when it does not say. */
  maxOutputTokens: z.int().min(1).max(10_000_000),
});
export type ModelPrice = z.infer<typeof modelPrice>;

/** A whole rate card. `priceVersion` is the SHA-256 of the canonical JSON (RFC 8785) of `effectiveFrom` and `models`. Never changed, only followed. */
export const priceBookPublished = defineEvent('PriceBookPublished', 1, {
  priceVersion: sha256Hex,
  effectiveFrom: instant,
  models: z.array(modelPrice).min(1).max(5_000),
});
export type PriceBookPublished = z.infer<typeof priceBookPublished>;
export const priceBookEvent = z.discriminatedUnion('type', [priceBookPublished]);
