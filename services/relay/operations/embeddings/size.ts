import type { Bounds, PromptToCount } from '../../call.ts';

/** Begin and end marks, and a task prefix that some models put before each text. */
export const TOKENS_PER_INPUT = 32;

/** A byte-level token is at least one byte. `tokens`: of inputs that are tokens already. */
export function embeddingBounds(texts: readonly string[], tokens: number, inputs: number): Bounds {
  let inputTokens = tokens + inputs * TOKENS_PER_INPUT;
  for (const text of texts) inputTokens += Buffer.byteLength(text);
  return { inputTokens, outputTokens: 0, other: {} };
}

export function embeddingToCount(texts: readonly string[], tokens: number): PromptToCount {
  return { texts, overhead: tokens };
}
