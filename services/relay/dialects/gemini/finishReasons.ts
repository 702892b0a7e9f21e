import type { FinishReason } from '../../canonical/answer.ts';

const FILTERED: ReadonlySet<string> = new Set([
  ...['SAFETY', 'RECITATION', 'LANGUAGE', 'BLOCKLIST', 'PROHIBITED_CONTENT', 'SPII'],
  ...['IMAGE_SAFETY', 'IMAGE_PROHIBITED_CONTENT', 'IMAGE_RECITATION', 'IMAGE_OTHER'],
]);

/** The model failed. With content before it the answer just ends there. */
const FAILED: ReadonlySet<string> = new Set([
  ...['OTHER', 'MALFORMED_FUNCTION_CALL', 'MALFORMED_RESPONSE', 'UNEXPECTED_TOOL_CALL', 'TOO_MANY_TOOL_CALLS'],
  ...['NO_IMAGE', 'MISSING_THOUGHT_SIGNATURE'],
]);

const WRITTEN: Readonly<Record<FinishReason, string>> = {
  stop: 'STOP',
  tool_calls: 'STOP',
  length: 'MAX_TOKENS',
  content_filter: 'SAFETY',
  refusal: 'SAFETY',
  pause: 'OTHER',
  error: 'OTHER',
};

/** A turn of function calls ends with STOP too, so the calls tell it. A word that we do not know is a stop. */
export function readFinish(
  stated: string,
  answer: { readonly hasContent: boolean; readonly calls: number },
): FinishReason {
  if (stated === 'MAX_TOKENS') return 'length';
  if (FILTERED.has(stated)) return 'content_filter';
  if (FAILED.has(stated) && !answer.hasContent) return 'error';
  return answer.calls > 0 ? 'tool_calls' : 'stop';
}

export function writtenFinish(reason: FinishReason): string {
  return WRITTEN[reason];
}
