import type { ApiError } from '../../http/errors.ts';
import { verdictError } from '../callExchange.ts';
import { classifyAnswer, type Verdict } from '../routing/classify.ts';
import { isObject, type Json } from '../wire/json.ts';

/** Frames above this many bytes carry audio; of them only the ASCII of their structure matters. */
const LONG_FRAME = 65_536;

/** A frame as text to look at. Long ones are read byte by byte, which is faster and shows the same structure. */
export function frameText(bytes: Buffer): string {
  return bytes.toString(bytes.length > LONG_FRAME ? 'latin1' : 'utf8');
}

/** The event with the client's name for the model where the provider's stood; null when there is nothing to change. */
export function renamed(event: Json, member: 'session' | 'response', to: string | null): string | null {
  const inner = event[member];
  if (to === null || !isObject(inner) || typeof inner['model'] !== 'string' || inner['model'] === to) return null;
  return JSON.stringify({ ...event, [member]: { ...inner, model: to } });
}

/**
 * Judges an `error` event. One about our credential, our balance or our rate limit is our own affair: the client is told
 * our error in its place. Null: the event is about what the client has sent, and goes to it as it is.
 */
export function ownAffair(event: Json): { readonly verdict: Verdict; readonly error: ApiError } | null {
  const { error } = event;
  if (!isObject(error)) return null;
  // Some say in their code alone that the credential is wrong, and call the type an invalid request.
  for (const type of [error['type'], error['code']]) {
    const verdict = classifyAnswer(200, {}, JSON.stringify({ error: { ...error, type } }));
    if (verdict.cool === 'now') return { verdict, error: verdictError(verdict) };
  }
  return null;
}
