import { z } from 'zod';
import { currency, defineEvent, identifier, mode, periodLabel, picosText, sha256Hex } from '../envelope.ts';

/** One try at one channel. `costPicos` is what the operator pays for it by the channel's own price, when known. */
export const attempt = z.object({
  number: z.int().min(1),
  channel: z.string().max(64),
  outcome: z.enum(['answered', 'refused', 'unreachable', 'timeout', 'cut', 'cancelled']),
  status: z.int().nullable(),
  upstreamRequestId: z.string().max(128).nullable(),
  costPicos: picosText.nullable(),
});
export type Attempt = z.infer<typeof attempt>;

/** The call was authorised, priced and held; this body also lies in the hold until it settles. */
export const requestAccepted = defineEvent('RequestAccepted', 1, {
  requestId: z.uuid(),
  keyId: identifier,
  model: z.string().min(1).max(200),
  route: z.string().max(100),
  streamed: z.boolean(),
  mode,
  priceVersion: sha256Hex,
  currency,
  /** The UTC month whose quota the call draws on. */
  quotaPeriod: periodLabel,
  heldTokens: z.int().min(0),
  heldPicos: picosText,
});

const ending = {
  requestId: z.uuid(),
  attempts: z.array(attempt).max(16),
  latencyMs: z.int().min(0),
  firstByteMs: z.int().min(0).nullable(),
};

export const requestCompleted = defineEvent('RequestCompleted', 1, {
  ...ending,
  finishReason: z.string().max(64).nullable(),
});

/** The upstream or the relay failed. `code` is from the error catalogue. */
export const requestFailed = defineEvent('RequestFailed', 1, {
  ...ending,
  code: z.string().max(64),
  httpStatus: z.int(),
});

/** The call was cut short: the client left, the relay stopped, or the process was lost and the hold was reaped. */
export const requestAborted = defineEvent('RequestAborted', 1, {
  ...ending,
  reason: z.enum(['client_gone', 'client_stalled', 'shutdown', 'relay_lost']),
  policy: z.enum(['cancel', 'drain']).nullable(),
});

export const requestEvent = z.discriminatedUnion('type', [
  requestAccepted,
  requestCompleted,
  requestFailed,
  requestAborted,
]);
export type RequestAccepted = z.infer<typeof requestAccepted>;
export type RequestCompleted = z.infer<typeof requestCompleted>;
export type RequestFailed = z.infer<typeof requestFailed>;
export type RequestAborted = z.infer<typeof requestAborted>;
export type RequestEvent = z.infer<typeof requestEvent>;
