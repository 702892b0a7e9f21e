import { hash } from 'node:crypto';

/** The upstream's id where it is one of this dialect, else one of our own that is the same on every chunk. */
export function answerId(prefix: 'chatcmpl-' | 'cmpl-', upstreamId: string | null, requestId: string): string {
  const usable = upstreamId?.startsWith(prefix) === true && /^[\w.:-]{1,128}$/.test(upstreamId);
  return usable ? upstreamId : prefix + compact(requestId);
}

/** For an upstream that gives its tool calls no ids. `number` counts them over all choices. */
export function toolCallId(requestId: string, number: number): string {
  return `call_${compact(requestId)}_${String(number)}`;
}

/** OpenAI takes no longer id of a call. */
const MAX_CALL_ID = 40;

/** The id itself when it is short enough, otherwise one derived from it: a call and its result keep the same one. */
export function legalCallId(id: string): string {
  return id.length <= MAX_CALL_ID ? id : `call_${hash('sha256', id).slice(0, 32)}`;
}

function compact(requestId: string): string {
  return requestId.replaceAll('-', '');
}
