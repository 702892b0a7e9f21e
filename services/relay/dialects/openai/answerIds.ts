/** The upstream's id where it is one of this dialect, else one of our own that is the same on every chunk. */
export function answerId(prefix: 'chatcmpl-' | 'cmpl-', upstreamId: string | null, requestId: string): string {
  const usable = upstreamId?.startsWith(prefix) === true && /^[\w.:-]{1,128}$/.test(upstreamId);
  return usable ? upstreamId : prefix + compact(requestId);
}

/** For an upstream that gives its tool calls no ids. `number` counts them over all choices. */
export function toolCallId(requestId: string, number: number): string {
  return `call_${compact(requestId)}_${String(number)}`;
}

function compact(requestId: string): string {
  return requestId.replaceAll('-', '');
}
