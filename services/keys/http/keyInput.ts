import { z } from 'zod';
import { mode, type Mode } from '../../../events/envelope.ts';
import { CURRENCIES, parsePicos, type Currency } from '../../../events/money.ts';
import { NO_LIMITS, type Limits } from '../../../events/quota/limits.ts';
import { plainText } from '../../accounts/http/input.ts';
import { toInstant } from '../../runtime.ts';
import type { RestrictionChange } from '../key.commands.ts';
import { MAX_OVERLAP_MS } from '../key.decider.ts';
import { DEFAULT_OVERLAP_MS, type KeyWish } from '../keyService.ts';

const count = z.int().min(0).nullable();
/** Major units as decimal text, never a JSON number: `"12.50"`. */
const amount = z.string().regex(/^\d{1,12}(\.\d{1,12})?$/);
const spend = z.strictObject(
  Object.fromEntries(CURRENCIES.map((currency) => [currency, amount.optional()])) as Record<
    Currency,
    z.ZodOptional<typeof amount>
  >,
);

const limits = z.strictObject({
  tokens_per_month: count.optional(),
  spend_per_month: spend.nullable().optional(),
  concurrency: z.int().min(0).max(100_000).nullable().optional(),
  requests_per_minute: count.optional(),
  tokens_per_minute: count.optional(),
});
const restrictions = {
  limits: limits.optional(),
  models: z.array(plainText.min(1).max(200)).max(200).nullable().optional(),
  expires_at: z.iso.datetime({ offset: true }).max(40).nullable().optional(),
};
const reason = z.strictObject({ reason: plainText.max(200).optional() }).optional();

export const keyName = plainText.trim().min(1).max(100);

export const createKeyInput = z
  .strictObject({ name: keyName, mode: mode.optional(), ...restrictions })
  .transform(wishOf);

/** As `createKeyInput`, but a body and a name are not needed. */
export const createUnnamedKeyInput = z
  .strictObject({ name: keyName.default('API key'), mode: mode.optional(), ...restrictions })
  .prefault({})
  .transform(wishOf);

/** What is left out of a body stays as it is. */
export const updateKeyInput = z
  .strictObject({ name: keyName.optional(), ...restrictions })
  .transform(({ name, ...rest }) => ({ name, change: changeOf(rest) }));

export const restrictKeyInput = z.strictObject(restrictions).transform(changeOf);

export const rotateKeyInput = z
  .strictObject({ overlap_ms: z.int().min(0).max(MAX_OVERLAP_MS).optional() })
  .optional()
  .transform((body) => ({ overlapMs: body?.overlap_ms ?? DEFAULT_OVERLAP_MS }));

export const reasonInput = reason.transform((body) => body?.reason ?? '');

export const listQuery = z.strictObject({ mode: mode.optional() });
export const quotaQuery = z.strictObject({ mode: mode.default('live') });
/** Decimal digits only; at most a leap year. */
const days = z
  .string()
  .regex(/^\d{1,3}$/)
  .default('30')
  .transform(Number)
  .pipe(z.int().min(1).max(366));
export const usageQuery = z.strictObject({ days });
export const sumsQuery = z.strictObject({ days, mode: mode.default('live') });

/** `after` is the id of the last key of the page before. */
export const pageQuery = z.strictObject({
  after: z
    .string()
    .regex(/^key_[0-9a-f]{32}$/)
    .optional(),
  limit: z
    .string()
    .regex(/^\d{1,3}$/)
    .default('50')
    .transform(Number)
    .pipe(z.int().min(1).max(200)),
});

/** `usageLimit` is in tokens per UTC month; null or left out: none of the key's own. */
export const ollamaKeyInput = z
  .strictObject({ name: keyName, usageLimit: count.optional(), mode: mode.optional() })
  .transform(({ name, usageLimit, mode: wanted }) =>
    wishOf({ name, mode: wanted, limits: { tokens_per_month: usageLimit ?? null } }),
  );

export const activeInput = z.strictObject({ isActive: z.boolean(), reason: plainText.max(200).default('') });

interface KeyInput extends RestrictionInput {
  readonly name: string;
  readonly mode?: Mode | undefined;
}

function wishOf({ name, mode: wanted, ...rest }: KeyInput): KeyWish {
  const change = changeOf(rest);
  return {
    name,
    mode: wanted ?? 'live',
    limits: { ...NO_LIMITS, ...change.limits },
    models: change.models ?? null,
    expiresAt: change.expiresAt ?? null,
  };
}

type RestrictionInput = z.infer<z.ZodObject<typeof restrictions>>;

function changeOf(input: RestrictionInput): RestrictionChange {
  const { limits: wanted, models, expires_at: expiresAt } = input;
  return {
    ...(wanted !== undefined && { limits: limitsOf(wanted) }),
    ...(models !== undefined && { models }),
    ...(expiresAt !== undefined && { expiresAt: expiresAt && toInstant(Date.parse(expiresAt)) }),
  };
}

function limitsOf(input: z.infer<typeof limits>): Partial<Limits> {
  const { spend_per_month: spendPerMonth } = input;
  return {
    ...(input.tokens_per_month !== undefined && { tokensPerMonth: input.tokens_per_month }),
    ...(spendPerMonth !== undefined && { spendPerMonth: spendLimits(spendPerMonth ?? {}) }),
    ...(input.concurrency !== undefined && { concurrency: input.concurrency }),
    ...(input.requests_per_minute !== undefined && { requestsPerMinute: input.requests_per_minute }),
    ...(input.tokens_per_minute !== undefined && { tokensPerMinute: input.tokens_per_minute }),
  };
}

function spendLimits(input: z.infer<typeof spend>): Limits['spendPerMonth'] {
  return CURRENCIES.flatMap((currency) => {
    const text = input[currency];
    return text === undefined ? [] : [{ currency, picos: parsePicos(text).toString() }];
  });
}
