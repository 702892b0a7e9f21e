import { z } from 'zod';
import { currency, instant } from '../../../events/envelope.ts';
import type { ModelPrice } from '../../../events/pricebook/pricebook.events.ts';
import { priceIn, priceMembers } from './filePrice.ts';
import type { PriceBookContent } from './priceVersion.ts';
import { looksLikeVariant, MAX_BASE_NAME } from './recordedModel.ts';

/** Everything that is wrong with a price book file, each with its place in it. */
export class PriceBookRefused extends Error {
  override readonly name = 'PriceBookRefused';
  readonly problems: readonly string[];
  constructor(problems: readonly string[]) {
    super(`The price book is not valid:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.problems = problems;
  }
}

const fileModel = z
  .strictObject({
    model: z.string().min(1).max(200),
    currency,
    ...priceMembers,
    maxOutputTokens: z.int().min(1).max(10_000_000).default(4_096),
    matchesTags: z.boolean().default(false),
  })
  .transform((entry, context): ModelPrice => {
    const { model, currency, maxOutputTokens, matchesTags } = entry;
    const problems = context.issues.length;
    const complain = (message: string, ...path: (string | number)[]) => {
      context.addIssue({ code: 'custom', message, path });
    };
    complainAboutName(entry, complain);
    const price = priceIn(entry, complain);
    if (price === null || context.issues.length > problems) return z.NEVER;
    return { model, currency, price, maxOutputTokens, ...(matchesTags && { matchesTags }) };
  });

/** Names under which usage is recorded must be telling, and short enough with a tag and a variant. */
function complainAboutName(
  {
    model,
    matchesTags,
    variants,
  }: { readonly model: string; readonly matchesTags: boolean; readonly variants?: unknown },
  complain: (problem: string, path: string) => void,
): void {
  if (looksLikeVariant(model)) complain('"#" is kept for variants', 'model');
  if (matchesTags && model.includes(':')) complain('has a tag and cannot match others', 'matchesTags');
  if ((matchesTags || variants !== undefined) && model.length > MAX_BASE_NAME) {
    complain(`at most ${String(MAX_BASE_NAME)} characters with tags or variants`, 'model');
  }
}

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
