import { countTokensAnswer, parseCountTokens } from '../dialects/claude/countTokens.ts';
import { CLAUDE_FACE } from '../dialects/claude/face.ts';
import { OPENAI_FACE } from '../dialects/openai/face.ts';
import { inputToCount, inputTokensAnswer } from '../dialects/responses/inputTokens.ts';
import { CLAUDE_PLACES, USUAL_PLACES } from '../http/presentedKey.ts';
import type { CountOperation } from '../http/tokenCounting.ts';

/** Questions for the tokens of a prompt, but Gemini's, which name the model in their path. */
export function countOperations(maxDepth: number): readonly CountOperation[] {
  return [
    {
      path: '/v1/messages/count_tokens',
      keyPlaces: CLAUDE_PLACES,
      face: CLAUDE_FACE,
      read: (raw) => parseCountTokens(raw, maxDepth).prompt,
      answer: countTokensAnswer,
    },
    {
      path: '/v1/responses/input_tokens',
      keyPlaces: USUAL_PLACES,
      face: OPENAI_FACE,
      read: (raw) => inputToCount(raw, maxDepth, null),
      answer: inputTokensAnswer,
    },
  ];
}
