import type { PromptToCount } from '../../call.ts';
import { notCarried } from './checked.ts';
import { responsesPrompt } from './prompt.ts';
import { toCount } from './promptSize.ts';
import { parsePromptBody } from './request.ts';
import { NO_TURNS, type Turns } from './turns.ts';

/**
 * What `POST /v1/responses/input_tokens` asks to count. `earlier`: the turns of the response that the body names, where
 * they were looked up; without them, naming one is refused. Throws as `responsesCall` does.
 */
export function inputToCount(raw: Buffer, maxDepth: number, earlier: Turns | null): PromptToCount {
  const body = parsePromptBody(raw, maxDepth);
  if (body.previous_response_id && !earlier) {
    throw notCarried('previous_response_id', 'earlier responses are not counted; send the earlier items instead');
  }
  return toCount(responsesPrompt(body, earlier ?? NO_TURNS));
}

export function inputTokensAnswer(tokens: number): object {
  return { object: 'response.input_tokens', input_tokens: tokens };
}
