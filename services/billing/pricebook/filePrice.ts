import { z } from 'zod';
import { METERS, OTHER_METERS, TOKEN_METERS, type Meter } from '../../../events/meters.ts';
import { variantLabel, type ModelPrice } from '../../../events/pricebook/pricebook.events.ts';
import { REQUIRED_METERS, type MeterPrices } from '../rating/perMeter.ts';
import { MAX_PER_TOKEN, microsPerMillion, microsPerMillionTokens, type PriceUnit } from './decimalPrice.ts';

type Meters = MeterPrices['meters'];
type MeterCard = Omit<Exclude<ModelPrice['price'], { blended: number }>, 'variants'>;

/** Sizes, qualities and tiers of one model; each is looked at when a call's hold is sized. */
const MAX_VARIANTS = 100;

/** A price is text, because a number in YAML or JSON is a float and 0.1 is not 0.1. */
const decimal = (unit: PriceUnit, read: typeof microsPerMillion) =>
  z.string({ error: 'a price is decimal text in quotes' }).transform((text, context) => {
    try {
      return read(text, unit);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      context.addIssue({ code: 'custom', message: error.message });
      return z.NEVER;
    }
  });

const meterPrices = (unit: PriceUnit) =>
  z.partialRecord(z.enum(METERS), decimal(unit, microsPerMillion)).superRefine((meters, context) => {
    for (const meter of TOKEN_METERS) {
      if ((meters[meter] ?? 0) <= MAX_PER_TOKEN) continue;
      context.addIssue({ code: 'custom', path: [meter], message: 'is more than one unit per token' });
    }
  });

/** What both bases must say, so that no token is free by omission. */
const wholeMeterPrices = (unit: PriceUnit) =>
  meterPrices(unit).superRefine((meters, context) => {
    for (const meter of REQUIRED_METERS) {
      if (meters[meter] !== undefined) continue;
      context.addIssue({ code: 'custom', path: [meter], message: 'must be priced; write "0" for free' });
    }
  });

/** One text prices every token alike (blended), a map prices each meter. */
const tokenPrices = (unit: PriceUnit) => z.union([decimal(unit, microsPerMillionTokens), wholeMeterPrices(unit)]);

/** Prices that are easier to say by the piece or by the minute. */
const unitPrices = {
  perUnit: z.partialRecord(z.enum(OTHER_METERS), decimal('perUnit', microsPerMillion)).optional(),
  perMinute: z.strictObject({ seconds: decimal('perMinute', microsPerMillion) }).optional(),
};

/** Prices that take the place of others; meters that are not named keep theirs. */
const changedPrices = {
  perMillion: meterPrices('perMillion').optional(),
  perThousand: meterPrices('perThousand').optional(),
  ...unitPrices,
};

const longContext = z
  .array(z.strictObject({ aboveInputTokens: z.int().min(0), ...changedPrices }))
  .max(8)
  .optional();

/** The members of an entry that state its price. */
export const priceMembers = {
  perThousand: tokenPrices('perThousand').optional(),
  perMillion: tokenPrices('perMillion').optional(),
  ...unitPrices,
  longContext,
  variants: z
    .record(variantLabel, z.strictObject({ ...changedPrices, longContext }))
    .refine((variants) => Object.keys(variants).length <= MAX_VARIANTS, `at most ${String(MAX_VARIANTS)} variants`)
    .optional(),
};
type PriceMembers = z.infer<z.ZodObject<typeof priceMembers>>;
type ChangedPrices = z.infer<z.ZodObject<typeof changedPrices>>;
type Complain = (problem: string, ...path: readonly (string | number)[]) => void;

/**
 * The price that an entry states. What a variant or a long context does not price it takes from the card that it changes,
 * so a stored variant is whole. Null, and at least one complaint, when the entry contradicts itself.
 */
export function priceIn(entry: PriceMembers, complain: Complain): ModelPrice['price'] | null {
  const { perThousand, perMillion } = entry;
  const tokens = perThousand ?? perMillion;
  if (tokens === undefined || (perThousand !== undefined && perMillion !== undefined)) {
    complain('needs exactly one of perThousand and perMillion');
    return null;
  }
  const { perUnit, perMinute, longContext: tiers = [], variants = {} } = entry;
  const plain = !perUnit && !perMinute && tiers.length === 0 && Object.keys(variants).length === 0;
  if (typeof tokens === 'number' && plain) return { blended: tokens };

  const perToken: Meters = typeof tokens === 'number' ? { uncachedInput: tokens, outputText: tokens } : tokens;
  const meters = merged([perToken, perUnit, perMinute], complain);
  const card = cardIn(meters, tiers, complain);
  const cards = Object.entries(variants).map(([label, variant]): [string, MeterCard] => {
    const within: Complain = (problem, ...path) => {
      complain(problem, 'variants', label, ...path);
    };
    if (variant.longContext === undefined && tiers.length > 0) {
      within('needs longContext, because the model has it; [] for none');
    }
    return [label, cardIn({ ...meters, ...changes(variant, within) }, variant.longContext ?? [], within)];
  });
  return cards.length === 0 ? card : { ...card, variants: Object.fromEntries(cards) };
}

function cardIn(meters: Meters, tiers: NonNullable<PriceMembers['longContext']>, complain: Complain): MeterCard {
  if (tiers.length === 0) return { meters };
  const longContext = tiers.map((tier, index) => {
    const within: Complain = (problem, ...path) => {
      complain(problem, 'longContext', index, ...path);
    };
    const { aboveInputTokens } = tier;
    if (aboveInputTokens <= (tiers[index - 1]?.aboveInputTokens ?? -1)) {
      within('thresholds must rise', 'aboveInputTokens');
    }
    return { aboveInputTokens, meters: changes(tier, within) };
  });
  return { meters, longContext };
}

function changes({ perMillion, perThousand, perUnit, perMinute }: ChangedPrices, complain: Complain): Meters {
  const meters = merged([perMillion, perThousand, perUnit, perMinute], complain);
  if (Object.keys(meters).length === 0) complain('prices nothing');
  return meters;
}

function merged(parts: readonly (Meters | undefined)[], complain: Complain): Meters {
  const meters: Partial<Record<Meter, number>> = {};
  for (const part of parts) {
    for (const meter of METERS) {
      const price = part?.[meter];
      if (price === undefined) continue;
      if (meters[meter] !== undefined) complain(`${meter} is priced twice`);
      meters[meter] = price;
    }
  }
  return meters;
}
