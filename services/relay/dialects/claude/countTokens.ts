import type { PromptToCount } from '../../call.ts';
import { claudeToCount } from './bodySize.ts';
import { parseCountBody } from './request.ts';

/** A prompt whose tokens a client wants to know before it asks. */
export interface CountRequest {
  readonly model: string;
  readonly prompt: PromptToCount;
}

/** `POST /v1/messages/count_tokens`. Throws ApiError `invalid_json` or `invalid_request`. */
export function parseCountTokens(raw: Buffer, maxDepth: number): CountRequest {
  const body = parseCountBody(raw, maxDepth);
  return { model: body.model, prompt: claudeToCount(body) };
}

export function countTokensAnswer(inputTokens: number): { readonly input_tokens: number } {
  return { input_tokens: inputTokens };
}
