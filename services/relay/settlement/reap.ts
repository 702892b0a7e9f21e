import { decode, encode, type DomainEvent } from '../../../events/codec.ts';
import type { Append, RecordedEvent } from '../../../events/eventStore.ts';
import { deriveId, requestStream } from '../../../events/ids.ts';
import type { RequestAccepted } from '../../../events/request/request.events.ts';
import { toInstant } from '../../runtime.ts';
import type { OrphanedHold } from './ports.ts';

export type ReapDecision =
  /** Nobody has settled the call: this append does. */
  | { readonly kind: 'reap'; readonly append: Append }
  /** Its usage stands at this position of the log; the hold only waits for the quota projection. */
  | { readonly kind: 'settled'; readonly accountId: string; readonly position: bigint }
  /** The stream is not what the hold says. Somebody must look. */
  | { readonly kind: 'foreign'; readonly why: string };

/**
 * How an orphaned hold is settled, given its whole stream. The usage is unknown and waived: no charge, stated as
 * `unknown_waived`, so that a later and better figure can correct it. Ids derive from the request: whoever comes second
 * finds the first one's events.
 */
export function reap(orphan: OrphanedHold, stream: readonly RecordedEvent[], now: number): ReapDecision {
  const accepted = decode(orphan.accepted);
  if (accepted?.type !== 'RequestAccepted' || accepted.requestId !== orphan.requestId) {
    return { kind: 'foreign', why: 'the hold has no RequestAccepted of its own' };
  }
  const usage = stream.find((event) => event.type === 'UsageRecorded');
  if (usage) return { kind: 'settled', accountId: accepted.accountId, position: usage.position };
  const first = stream[0];
  if (first && first.eventId !== orphan.accepted.eventId) {
    return { kind: 'foreign', why: `the stream begins with another event, ${first.eventId}` };
  }
  const settlement = waived(orphan, accepted, now).map(encode);
  return {
    kind: 'reap',
    append: {
      stream: requestStream(orphan.requestId),
      expected: stream.at(-1)?.revision ?? 'no_stream',
      events: first ? settlement : [orphan.accepted, ...settlement],
    },
  };
}

function waived(orphan: OrphanedHold, accepted: RequestAccepted, now: number): readonly DomainEvent[] {
  const { requestId, accountId, correlationId } = accepted;
  const common = { occurredAt: toInstant(now), accountId, correlationId, requestId };
  const idOf = (type: DomainEvent['type']) => deriveId(requestId, 'reaper', type);
  return [
    {
      type: 'HoldExpired',
      version: 1,
      eventId: idOf('HoldExpired'),
      causationId: accepted.eventId,
      ...common,
      deadline: toInstant(orphan.deadline),
      cause: orphan.cause,
    },
    {
      type: 'UsageRecorded',
      version: 2,
      eventId: idOf('UsageRecorded'),
      causationId: idOf('HoldExpired'),
      ...common,
      attempt: 0,
      keyId: accepted.keyId,
      model: accepted.model,
      channel: null,
      mode: accepted.mode,
      priceVersion: accepted.priceVersion,
      currency: accepted.currency,
      quotaPeriod: accepted.quotaPeriod,
      usage: {},
      source: 'unknown',
      amountPicos: '0',
      policy: 'unknown_waived',
    },
    {
      type: 'RequestAborted',
      version: 1,
      eventId: idOf('RequestAborted'),
      causationId: idOf('UsageRecorded'),
      ...common,
      attempts: [],
      latencyMs: Math.max(0, now - Date.parse(accepted.occurredAt)),
      firstByteMs: null,
      reason: 'relay_lost',
      policy: null,
    },
  ];
}
