import { encode } from '../../../events/codec.ts';
import type { Append } from '../../../events/eventStore.ts';
import { deriveId, requestStream } from '../../../events/ids.ts';
import type { UsageRecorded } from '../../../events/usage/usage.events.ts';
import type { OrphanedHold } from '../../../services/relay/settlement/ports.ts';
import { requestAccepted, requestCompleted, requestIdOf, usageRecorded } from '../../support/events.ts';

/** One call as a relay says it: what is appended when it is accepted, and when it ends. */
export function exampleCall(name: string, usage: Partial<Omit<UsageRecorded, 'type' | 'version'>> = {}) {
  const requestId = requestIdOf(name);
  const accepted = requestAccepted({ requestId, eventId: deriveId(requestId, 0, 'RequestAccepted') });
  const used = usageRecorded({ requestId, eventId: deriveId(requestId, 1, 'UsageRecorded'), ...usage });
  const completed = requestCompleted({ requestId, eventId: deriveId(requestId, 1, 'RequestCompleted') });
  const stream = requestStream(requestId);
  const acceptance: Append = { stream, expected: 'no_stream', events: [encode(accepted)] };
  const settlement: Append = { stream, expected: 0n, events: [encode(used), encode(completed)] };
  const whole: Append = { stream, expected: 'no_stream', events: [...acceptance.events, ...settlement.events] };
  const orphan: OrphanedHold = {
    requestId,
    accepted: encode(accepted),
    deadline: Date.parse('2026-11-20T09:45:00.000Z'),
    cause: 'deadline',
  };
  return { requestId, stream, accepted, used, completed, acceptance, settlement, whole, orphan };
}
