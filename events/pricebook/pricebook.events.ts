import { z } from 'zod';
import { currency, defineEvent, instant, sha256Hex } from '../envelope.ts';
import { METERS } from '../meters.ts';

/** Whole micro-units of the currency per million tokens, or per million of another meter's unit. 10¹² is one unit of the currency for each. */
const price = z.int().min(0).max(1_000_000_000_000_000);

const meters = z.partialRecord(z.enum(METERS), price);

/** Prices of a call with more input tokens than this, for all of its tokens; meters that are not named keep the card's own price. */
const longContext = z.strictObject({ aboveInputTokens: z.int().min(0), meters });

/** One price per meter; a meter without one takes its base meter's (`rating`). Of several thresholds the highest that is exceeded counts. */
const meterCard = z.strictObject({ meters, longContext: z.array(longContext).min(1).max(8).optional() });

/** What tells a variant from the others: `hd:1024x1792`, `batch`. Usage of it is recorded as `model#variant`. */
export const variantLabel = z.string().regex(/^[a-z0-9][a-z0-9_.:-]{0,63}$/);

/**
 * The price of one model. `blended` prices every token alike; otherwise each meter has its own price. Exactly one of the
 * two. A variant is a whole card and takes nothing from the others.
 */
export const modelPrice = z.object({
  model: z.string().min(1).max(200),
  currency,
  price: z.union([
    z.strictObject({ blended: price }),
    meterCard.extend({ variants: z.record(variantLabel, meterCard).optional() }),
  ]),
  /** The most output a call may ask for, and what is held when it does not say. */
  maxOutputTokens: z.int().min(1).max(10_000_000),
  /** The price is also that of `model:tag`, for every tag that has no entry of its own. */
  matchesTags: z.literal(true).optional(),
});
export type ModelPrice = z.infer<typeof modelPrice>;

/** A whole rate card. `priceVersion` is the SHA-256 of the canonical JSON (RFC 8785) of `effectiveFrom` and `models`. Never changed, only followed. */
export const priceBookPublished = defineEvent('PriceBookPublished', 2, {
  priceVersion: sha256Hex,
  effectiveFrom: instant,
  models: z.array(modelPrice).min(1).max(5_000),
});
export type PriceBookPublished = z.infer<typeof priceBookPublished>;
export const priceBookEvent = z.discriminatedUnion('type', [priceBookPublished]);
