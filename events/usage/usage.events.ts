import { z } from 'zod';
import { currency, defineEvent, identifier, mode, periodLabel, picosText, sha256Hex } from '../envelope.ts';
import { usageSource, usageVector } from '../meters.ts';

/** A rated quantity: what was used and what it costs at the pinned price version. */
const rated = z.object({ usage: usageVector, source: usageSource, amountPicos: picosText });

/**
 * What one request used and what it costs; exactly one per accepted request.
 * Service time is `occurredAt`: it decides the billing period.
 */
export const usageRecorded = defineEvent('UsageRecorded', 2, {
  requestId: z.uuid(),
  attempt: z.int().min(0),
  keyId: identifier,
  model: z.string().min(1).max(200),
  channel: z.string().max(64).nullable(),
  mode,
  priceVersion: sha256Hex,
  currency,
  quotaPeriod: periodLabel,
  ...rated.shape,
  /** Why a quantity was reduced to the hold, or how an unknown one was settled; null in the ordinary case. */
  policy: z.enum(['clamped_to_hold', 'unknown_waived']).nullable(),
});

/** A better figure replaces the recorded one; both are stated in full, so the difference is here to read. */
export const usageCorrected = defineEvent('UsageCorrected', 1, {
  requestId: z.uuid(),
  correctsEventId: z.uuid(),
  keyId: identifier,
  model: z.string().min(1).max(200),
  mode,
  priceVersion: sha256Hex,
  currency,
  quotaPeriod: periodLabel,
  previous: rated,
  corrected: rated,
  reason: z.enum(['late_settlement', 'operator']),
});

export const usageEvent = z.discriminatedUnion('type', [usageRecorded, usageCorrected]);
export type UsageRecorded = z.infer<typeof usageRecorded>;
export type UsageCorrected = z.infer<typeof usageCorrected>;
export type UsageEvent = z.infer<typeof usageEvent>;
