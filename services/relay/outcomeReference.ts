import { formatPicos } from '../../events/money.ts';
import { usageCounts, usageWithCost } from './usage/usageCost.ts';
import type { Outcome } from './ports.ts';

/** A chat completion without choices: which request answered, how it ended, and what it cost. The same for every dialect. */
export function outcomeReference(requestId: string, outcome: Outcome): string {
  const reference = {
    id: requestId,
    object: 'chat.completion',
    created: Math.floor(Date.parse(outcome.acceptedAt) / 1_000),
    model: outcome.model,
    choices: [],
    outcome: {
      request_id: requestId,
      status: outcome.status,
      amount: formatPicos(outcome.picos),
      currency: outcome.currency,
    },
  };
  const stated = usageWithCost(usageCounts(outcome.usage ?? {}), outcome.picos, outcome.currency);
  return `${JSON.stringify(reference).slice(0, -1)},"usage":${stated}}`;
}
