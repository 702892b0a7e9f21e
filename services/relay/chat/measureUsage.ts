import { totalTokens } from '../../../events/meters.ts';
import type { TokenEstimator } from '../ports.ts';
import type { MeasuredUsage } from '../settle.ts';
import type { ChatBody } from './chatRequest.ts';
import { promptToCount } from './promptSize.ts';
import type { ReceivedOutput } from './receivedOutput.ts';
import type { ReportedUsage } from './reportedUsage.ts';

/**
 * The usage of a call that reached an upstream: what the provider reported, and an estimate for each half that it did
 * not report or reported as zero although there was text.
 */
export async function measureUsage(
  reported: ReportedUsage,
  received: ReceivedOutput,
  body: ChatBody,
  estimator: TokenEstimator,
): Promise<MeasuredUsage> {
  const input = reported.input && totalTokens(reported.input) > 0 ? reported.input : null;
  const output = reported.output && (totalTokens(reported.output) > 0 || received.isEmpty) ? reported.output : null;
  if (input && output) return { usage: { ...input, ...output }, source: 'reported' };

  const prompt = input ? { texts: [], overhead: 0 } : promptToCount(body);
  const answer = received.toCount();
  const counted = await estimator.count(output ? prompt.texts : [...prompt.texts, answer.text]);
  const promptTokens = counted.slice(0, prompt.texts.length).reduce((sum, tokens) => sum + tokens, prompt.overhead);
  const answerTokens = Math.max(answer.atLeast, Math.ceil((counted[prompt.texts.length] ?? 0) * answer.scale));
  return {
    usage: { ...(input ?? { uncachedInput: promptTokens }), ...(output ?? { outputText: answerTokens }) },
    source: input || output ? 'mixed' : 'estimated',
  };
}
