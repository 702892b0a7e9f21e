import { z } from 'zod';
import { defineEvent, instant } from '../envelope.ts';
import { limits } from './limits.ts';

/** Replaces what an account may use as a whole. On the account's stream. */
export const accountLimitsSet = defineEvent('AccountLimitsSet', 1, { limits, reason: z.string().max(200) });

/** The hold passed its deadline, or its process was lost, before the request ended. On the request's stream, before its settlement. */
export const holdExpired = defineEvent('HoldExpired', 1, {
  requestId: z.uuid(),
  deadline: instant,
  cause: z.enum(['deadline', 'owner_lost']),
});

export const quotaEvent = z.discriminatedUnion('type', [accountLimitsSet, holdExpired]);
export type QuotaEvent = z.infer<typeof quotaEvent>;
