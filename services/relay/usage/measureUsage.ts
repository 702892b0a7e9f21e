import { totalTokens, type UsageVector } from '../../../events/meters.ts';
import type { TokenEstimator } from '../ports.ts';
import type { MeasuredUsage } from '../settle.ts';
import type { ChatBody } from './chatRequest.ts';
import { promptToCount } from './promptSize.ts';
import type { ReceivedOutput } from './receivedOutput.ts';
import type { ReportedUsage } from './reportedUsage.ts';

/**
 * The usage of a call that reached an upstream: what the provider reported, and an estimate for each half that it did
 * not report or reported as zero although there was text. Of an answer that is not whole, a running count may have
 * fallen behind the text, so the larger of count and estimate holds.
 */
export function measureUsage(
  reported: ReportedUsage,
  received: ReceivedOutput,
  body: ChatBody,
  estimator: TokenEstimator,
  whole: boolean,
): MeasuredUsage | Promise<MeasuredUsage> {
  const input = reported.input && totalTokens(reported.input) > 0 ? reported.input : null;
  const output = reported.output && (totalTokens(reported.output) > 0 || received.isEmpty) ? reported.output : null;
  const countsAnswer = output === null || (!whole && !received.isEmpty);
  if (input && !countsAnswer) return { usage: { ...input, ...output }, source: 'reported' };
  return estimateMissing(input, output, countsAnswer, received, body, estimator);
}

async function estimateMissing(
  input: UsageVector | null,
  output: UsageVector | null,
  countsAnswer: boolean,
  received: ReceivedOutput,
  body: ChatBody,
  estimator: TokenEstimator,
): Promise<MeasuredUsage> {
  const prompt = input ? { texts: [], overhead: 0 } : promptToCount(body);
  const answer = received.toCount();
  const counted = await estimator.count(countsAnswer ? [...prompt.texts, answer.text] : prompt.texts);
  const promptTokens = counted.slice(0, prompt.texts.length).reduce((sum, tokens) => sum + tokens, prompt.overhead);
  const answerTokens = Math.max(answer.atLeast, Math.ceil((counted[prompt.texts.length] ?? 0) * answer.scale));
  const produced = countsAnswer ? raisedTo(answerTokens, output ?? {}) : output;
  const usage = { ...(input ?? { uncachedInput: promptTokens }), ...produced };
  if (input && produced === output) return { usage, source: 'reported' };
  return { usage, source: input || output ? 'mixed' : 'estimated' };
}

/** The vector itself when it counts that many tokens, otherwise with the missing ones as text. */
function raisedTo(tokens: number, output: UsageVector): UsageVector {
  const missing = tokens - totalTokens(output);
  return missing <= 0 ? output : { ...output, outputText: (output.outputText ?? 0) + missing };
}
