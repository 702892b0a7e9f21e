import { z } from 'zod';
import { currency, picosText } from '../envelope.ts';

/** What a key or an account may use. Null is no limit of its own; the narrower of key and account decides. */
export const limits = z.object({
  /** Tokens of all kinds per UTC month. */
  tokensPerMonth: z.int().min(0).nullable(),
  /** Money per UTC month, at most one entry per currency. */
  spendPerMonth: z.array(z.object({ currency, picos: picosText })).max(8),
  /** Calls in flight at once. */
  concurrency: z.int().min(0).max(100_000).nullable(),
  /** Requests and tokens per minute. */
  requestsPerMinute: z.int().min(0).nullable(),
  tokensPerMinute: z.int().min(0).nullable(),
});
export type Limits = z.infer<typeof limits>;

export const NO_LIMITS: Limits = {
  tokensPerMonth: null,
  spendPerMonth: [],
  concurrency: null,
  requestsPerMinute: null,
  tokensPerMinute: null,
};
