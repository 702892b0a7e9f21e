import { decode, type EncodedEvent } from '../../../events/codec.ts';
import type { RequestAccepted } from '../../../events/request/request.events.ts';

/** The acceptance that was written down with a batch. Throws TypeError for anything else. */
export function acceptedIn(stored: EncodedEvent): RequestAccepted {
  const event = decode(stored);
  if (event?.type !== 'RequestAccepted') throw new TypeError('a batch has no RequestAccepted');
  return event;
}
