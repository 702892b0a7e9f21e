import { z } from 'zod';
import { currency, defineEvent, instant, sha256Hex } from '../envelope.ts';
import { METERS } from '../meters.ts';
import type { Upcaster } from '../upcaster.ts';

const priceV1 = z.int().min(0).max(1_000_000_000_000);

/** Version 1 knew one price per token or per meter, whatever the length or kind of a call. */
const priceBookPublishedV1 = defineEvent('PriceBookPublished', 1, {
  priceVersion: sha256Hex,
  effectiveFrom: instant,
  models: z
    .array(
      z.object({
        model: z.string().min(1).max(200),
        currency,
        price: z.union([
          z.strictObject({ blended: priceV1 }),
          z.strictObject({ meters: z.partialRecord(z.enum(METERS), priceV1) }),
        ]),
        maxOutputTokens: z.int().min(1).max(10_000_000),
      }),
    )
    .min(1)
    .max(5_000),
});

/** The content stays as it was, so it still hashes to its version. */
export const priceBookPublishedV1toV2: Upcaster = {
  type: 'PriceBookPublished',
  from: priceBookPublishedV1,
  upcast: (stored) => ({ ...priceBookPublishedV1.parse(stored), version: 2 }),
};
