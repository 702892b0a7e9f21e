import { z } from 'zod';
import { currency, instant } from '../../../events/envelope.ts';
import { METERS } from '../../../events/meters.ts';
import type { ModelPrice } from '../../../events/pricebook/pricebook.events.ts';
import { REQUIRED_METERS } from '../rating/perMeter.ts';
import { microsPerMillion, type PriceUnit } from './decimalPrice.ts';
import type { PriceBookContent } from './priceVersion.ts';

/** Everything that is wrong with a price book file, each with its place in it. */
export class PriceBookRefused extends Error {
  override readonly name = 'PriceBookRefused';
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(`The price book is not valid:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.problems = problems;
  }
}

/** A price is text, because a number in YAML or JSON is a float and 0.1 is not 0.1. */
const price = (unit: PriceUnit) =>
  z.string({ error: 'a price is decimal text in quotes' }).transform((text, context) => {
    try {
      return microsPerMillion(text, unit);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      context.addIssue({ code: 'custom', message: error.message });
      return z.NEVER;
    }
  });

const meterPrices = (unit: PriceUnit) =>
  z.partialRecord(z.enum(METERS), price(unit)).superRefine((meters, context) => {
    for (const meter of REQUIRED_METERS) {
      if (meters[meter] === undefined) {
        context.addIssue({ code: 'custom', path: [meter], message: 'must be priced; write "0" for free' });
      }
    }
  });

/** One text prices every token alike (blended), a map prices each meter. Per thousand or per million, not both. */
const filePrice = (unit: PriceUnit) => z.union([price(unit), meterPrices(unit)]);

const fileModel = z
  .strictObject({
    model: z.string().min(1).max(200),
    currency,
    perThousand: filePrice('perThousand').optional(),
    perMillion: filePrice('perMillion').optional(),
    maxOutputTokens: z.int().min(1).max(10_000_000).default(4_096),
  })
  .transform((entry, context): ModelPrice => {
    const { model, currency, maxOutputTokens } = entry;
    const given = entry.perThousand ?? entry.perMillion;
    if (given === undefined || (entry.perThousand !== undefined && entry.perMillion !== undefined)) {
      context.addIssue({ code: 'custom', message: 'needs exactly one of perThousand and perMillion' });
      return z.NEVER;
    }
    const price = typeof given === 'number' ? { blended: given } : { meters: given };
    return { model, currency, price, maxOutputTokens };
  });

const file = z.strictObject({
  /** From when calls are priced by this book. */
  effectiveFrom: instant,
  models: z.array(fileModel).min(1).max(5_000),
});

/**
 * The content of a price book as a person wrote it, prices turned into whole micro-units per million and models sorted
 * by name, so that the order in the file does not change the version. Throws PriceBookRefused with every problem found.
 */
export function parsePriceBook(contents: unknown): PriceBookContent {
  const parsed = file.safeParse(contents);
  const problems = [...(parsed.error?.issues.flatMap((issue) => describe(issue, [])) ?? []), ...twins(contents)];
  if (!parsed.success || problems.length > 0) throw new PriceBookRefused(problems);
  const { effectiveFrom, models } = parsed.data;
  return { effectiveFrom, models: models.toSorted((a, b) => (a.model < b.model ? -1 : 1)) };
}

const named = z.object({ models: z.array(z.unknown()) });
const nameOf = z.object({ model: z.string() });

/** Models that are priced twice. Looks at the raw contents, so that another mistake in the file does not hide one. */
function twins(contents: unknown): string[] {
  const seen = new Set<string>();
  const problems: string[] = [];
  for (const [index, entry] of (named.safeParse(contents).data?.models ?? []).entries()) {
    const model = nameOf.safeParse(entry).data?.model;
    if (model === undefined) continue;
    if (seen.has(model)) problems.push(`models.${String(index)}.model: ${model} is priced twice`);
    seen.add(model);
  }
  return problems;
}

/** Of a union, what the alternative that fits best complains about. */
function describe(issue: z.core.$ZodIssue, parent: readonly PropertyKey[]): string[] {
  const path = [...parent, ...issue.path];
  if (issue.code === 'invalid_union') {
    const best = issue.errors.toSorted((a, b) => depth(b) - depth(a))[0];
    if (best) return best.flatMap((inner) => describe(inner, path));
  }
  return [`${path.map(String).join('.') || 'the file'}: ${issue.message}`];
}

function depth(issues: readonly z.core.$ZodIssue[]): number {
  return Math.max(0, ...issues.map((issue) => issue.path.length));
}
