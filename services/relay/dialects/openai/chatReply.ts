import type { UsageVector } from '../../../../events/meters.ts';
import type { Billed } from '../../call.ts';
import type { ChatAnswer } from './chatAnswer.ts';
import type { ChatRequest } from './chatRequest.ts';
import { spliceUsage, usageCounts, usageWithCost } from '../../usage/usageCost.ts';

type Json = Readonly<Record<string, unknown>>;

/** The answer with the client's model name and its cost in `usage`; otherwise the provider's own bytes. */
export function withCost(answer: ChatAnswer, model: string, stated: unknown, billed: Billed): string {
  const usage = usageWithCost(shownUsage(stated, billed.usage), billed.picos, billed.currency);
  if (answer.body['model'] === model) {
    const spliced = spliceUsage(answer.text, answer.body['usage'], usage);
    if (spliced !== null) return spliced;
  }
  const { usage: _replaced, ...rest } = answer.body;
  return `${JSON.stringify({ ...rest, model }).slice(0, -1)},"usage":${usage}}`;
}

/** The last events of a stream: one usage chunk where the client asked for it, and `[DONE]`. */
export function streamEnding(request: ChatRequest, template: Json, stated: unknown, billed: Billed): string {
  if (!request.usageWanted) return 'data: [DONE]\n\n';
  const usage = usageWithCost(shownUsage(stated, billed.usage), billed.picos, billed.currency);
  const chunk = JSON.stringify({ ...template, choices: [] });
  return `data: ${chunk.slice(0, -1)},"usage":${usage}}\n\ndata: [DONE]\n\n`;
}

/** The provider's usage object with the counts that are billed: its own, unless they were estimated or cut to the hold. */
function shownUsage(stated: unknown, counted: UsageVector): Json {
  const details = typeof stated === 'object' && !Array.isArray(stated) ? (stated as Json | null) : null;
  return { ...details, ...usageCounts(counted) };
}
