import { totalTokens, type UsageVector } from '../../../events/meters.ts';
import type { PromptToCount } from '../call.ts';
import type { TokenEstimator } from '../ports.ts';
import type { MeasuredUsage } from '../settle.ts';
import type { Received } from './received.ts';
import type { ReportedUsage } from './reported.ts';

/**
 * The usage of a call that reached an upstream: what the provider reported, and an estimate for each half that it did
 * not report or reported as zero although there was text. Of an answer that is not whole, a running count may have
 * fallen behind the text, so the larger of count and estimate holds.
 */
export function measureUsage(
  reported: ReportedUsage,
  received: Received,
  call: { promptToCount(): PromptToCount },
  estimator: TokenEstimator,
  whole: boolean,
): MeasuredUsage | Promise<MeasuredUsage> {
  const input = reported.input && (totalTokens(reported.input) > 0 || hasNoPrompt(call)) ? reported.input : null;
  const output = reported.output && (totalTokens(reported.output) > 0 || received.isEmpty) ? reported.output : null;
  const countsAnswer = output === null || (!whole && !received.isEmpty);
  if (input && !countsAnswer) return { usage: { ...input, ...output, ...reported.other }, source: 'reported' };
  return estimateMissing(input, output, countsAnswer, reported, received, call, estimator);
}

/** What has no tokens by its kind, such as a moderation, was reported rightly as having none. */
function hasNoPrompt(call: { promptToCount(): PromptToCount }): boolean {
  const { texts, overhead } = call.promptToCount();
  return overhead === 0 && texts.length === 0;
}

async function estimateMissing(
  input: UsageVector | null,
  output: UsageVector | null,
  countsAnswer: boolean,
  reported: ReportedUsage,
  received: Received,
  call: { promptToCount(): PromptToCount },
  estimator: TokenEstimator,
): Promise<MeasuredUsage> {
  const prompt = input ? { texts: [], overhead: 0 } : call.promptToCount();
  const answer = received.toCount();
  const counted = await estimator.count(countsAnswer ? [...prompt.texts, answer.text] : prompt.texts);
  const promptTokens = counted.slice(0, prompt.texts.length).reduce((sum, tokens) => sum + tokens, prompt.overhead);
  const answerTokens = Math.max(answer.atLeast, Math.ceil((counted[prompt.texts.length] ?? 0) * answer.scale));
  const produced = countsAnswer ? raisedTo(answerTokens, output ?? {}) : output;
  const { total } = reported;
  if (!input && !output && total !== undefined && total > 0) {
    return { usage: { ...divided(total, answerTokens), ...reported.other }, source: 'mixed' };
  }
  const usage = { ...(input ?? { uncachedInput: promptTokens }), ...produced, ...reported.other };
  if (input && produced === output) return { usage, source: 'reported' };
  return { usage, source: input || output ? 'mixed' : 'estimated' };
}

/** The vector itself when it counts that many tokens, otherwise with the missing ones as text. */
function raisedTo(tokens: number, output: UsageVector): UsageVector {
  const missing = tokens - totalTokens(output);
  return missing <= 0 ? output : { ...output, outputText: (output.outputText ?? 0) + missing };
}

/** A total that the provider does not divide: the answer as counted, the rest is the prompt. */
function divided(total: number, answerTokens: number): UsageVector {
  const outputText = Math.min(answerTokens, total);
  return { uncachedInput: total - outputText, outputText };
}
