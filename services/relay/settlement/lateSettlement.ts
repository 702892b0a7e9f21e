import { decode, encode, type EncodedEvent } from '../../../events/codec.ts';
import type { Append, RecordedEvent } from '../../../events/eventStore.ts';
import { deriveId } from '../../../events/ids.ts';
import type { UsageCorrected, UsageRecorded } from '../../../events/usage/usage.events.ts';

export type LateDecision =
  /** What the append wanted to say is in the stream, up to this position of the log. */
  | { readonly kind: 'stands'; readonly position: bigint }
  /** This append is what is left to say. */
  | { readonly kind: 'append'; readonly append: Append; readonly corrects: boolean }
  /** The stream does not fit. Somebody must look. */
  | { readonly kind: 'foreign'; readonly why: string };

/**
 * What becomes of an append to a request's stream that was refused with a conflict, given that whole stream.
 * Events that stand already are left out. When somebody else recorded the usage first (the reaper, which did not know it),
 * ours becomes one `UsageCorrected`; its id derives from the request, so it is said once.
 */
export function settleLate(late: Append, stream: readonly RecordedEvent[]): LateDecision {
  const last = stream.at(-1);
  if (!last) return { kind: 'foreign', why: 'the stream does not exist' };
  const standing = new Set(stream.map((event) => event.eventId));
  const left = late.events.filter((event) => !standing.has(event.eventId));
  if (left.length === 0) return { kind: 'stands', position: last.position };

  const ours = find(late.events, 'UsageRecorded');
  const theirs = find(stream, 'UsageRecorded');
  if (!theirs) return appendLeft(late, left, stream, last);
  if (!ours) return { kind: 'foreign', why: 'the call is settled and the append says something else' };
  if (ours.requestId !== theirs.requestId) return { kind: 'foreign', why: 'the usage is of another request' };
  if (ours.eventId === theirs.eventId)
    return { kind: 'foreign', why: 'the usage stands, and the rest of the append does not' };
  const correction = correctionOf(ours, theirs, find(stream, 'UsageCorrected'));
  if (standing.has(correction.eventId)) return { kind: 'stands', position: last.position };
  return {
    kind: 'append',
    append: { stream: late.stream, expected: last.revision, events: [encode(correction)] },
    corrects: true,
  };
}

/** An earlier try may have succeeded with the first events only; nothing else may stand in between. */
function appendLeft(
  late: Append,
  left: readonly EncodedEvent[],
  stream: readonly RecordedEvent[],
  last: RecordedEvent,
): LateDecision {
  const begun = late.events.slice(0, late.events.length - left.length);
  const follows =
    begun.length > 0 && begun.every((event, index) => event.eventId === stream.at(index - begun.length)?.eventId);
  if (!follows)
    return { kind: 'foreign', why: `the stream is at revision ${String(last.revision)} without a settlement` };
  return { kind: 'append', append: { stream: late.stream, expected: last.revision, events: left }, corrects: false };
}

/** `occurredAt` stays the time of service: it decides the billing period. */
function correctionOf(ours: UsageRecorded, theirs: UsageRecorded, latest: UsageCorrected | null): UsageCorrected {
  return {
    type: 'UsageCorrected',
    version: 1,
    eventId: deriveId(ours.requestId, 'late', 'UsageCorrected'),
    occurredAt: ours.occurredAt,
    accountId: ours.accountId,
    correlationId: ours.correlationId,
    causationId: theirs.eventId,
    requestId: ours.requestId,
    correctsEventId: latest?.eventId ?? theirs.eventId,
    keyId: ours.keyId,
    model: ours.model,
    mode: ours.mode,
    priceVersion: ours.priceVersion,
    currency: ours.currency,
    quotaPeriod: ours.quotaPeriod,
    previous: latest?.corrected ?? ratedOf(theirs),
    corrected: ratedOf(ours),
    reason: 'late_settlement',
  };
}

function ratedOf({ usage, source, amountPicos }: UsageRecorded): UsageCorrected['previous'] {
  return { usage, source, amountPicos };
}

/** The last event of a type, in its newest version; null when there is none. */
function find(events: readonly EncodedEvent[], type: 'UsageRecorded'): UsageRecorded | null;
function find(events: readonly EncodedEvent[], type: 'UsageCorrected'): UsageCorrected | null;
function find(events: readonly EncodedEvent[], type: string): UsageRecorded | UsageCorrected | null {
  const stored = events.findLast((event) => event.type === type);
  const event = stored && decode(stored);
  return event?.type === 'UsageRecorded' || event?.type === 'UsageCorrected' ? event : null;
}
