import { z } from 'zod';
import { CURRENCIES } from './money.ts';

/** An instant: RFC 3339 UTC with milliseconds, so that text order is time order. */
export const instant = z.iso.datetime({ precision: 3 });

/** A whole number of picos as decimal text; JSON has no integers of this size. */
export const picosText = z.string().regex(/^-?\d{1,38}$/);

export const currency = z.enum(CURRENCIES);

/** Identifiers that we mint: lower-case, no white space, usable inside a stream name. */
export const identifier = z.string().regex(/^[a-z0-9][a-z0-9_.-]{0,79}$/);

/** A calendar month of an account's books, `2026-11`. */
export const periodLabel = z.string().regex(/^\d{4}-(0[1-9]|1[0-2])$/);

export const sha256Hex = z.string().regex(/^[0-9a-f]{64}$/);

/** `live` calls real providers; `test` calls the simulated upstream. Each has accounts, streams and books of its own. */
export const mode = z.enum(['live', 'test']);
export type Mode = z.infer<typeof mode>;

/** The account of events that belong to nobody in particular, such as price books. */
export const SYSTEM_ACCOUNT = 'system';

/** What every event carries. `correlationId` names the request or job; `causationId` the event that led here. */
export const envelope = z.object({
  eventId: z.uuid(),
  occurredAt: instant,
  accountId: identifier,
  correlationId: z.string().max(128),
  causationId: z.uuid().nullable(),
});
export type Envelope = z.infer<typeof envelope>;

/** A stored event type: literal type and version, the envelope, and its own fields. A stored shape is never edited, only succeeded. */
export function defineEvent<T extends string, V extends number, S extends z.ZodRawShape>(
  type: T,
  version: V,
  shape: S,
) {
  return z.object({ type: z.literal(type), version: z.literal(version), ...envelope.shape, ...shape });
}
