import { outputTokens, totalTokens, type UsageVector } from '../../../../events/meters.ts';

/** A vector as Ollama's counts: every token of either side, and 0 where there is none. */
export function evalCounts(usage: UsageVector): { prompt_eval_count: number; eval_count: number } {
  const output = outputTokens(usage);
  return { prompt_eval_count: totalTokens(usage) - output, eval_count: output };
}
