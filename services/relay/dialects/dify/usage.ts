import type { ReportedUsage } from '../../usage/reported.ts';
import { isObject } from '../../wire/json.ts';
import { agentUsage, tokenCount } from '../agentAnswer.ts';

/** What the metadata of a message reports; null when it reports nothing above 0. */
export function messageUsage(metadata: unknown): ReportedUsage | null {
  const usage = isObject(metadata) ? metadata['usage'] : null;
  if (!isObject(usage)) return null;
  return agentUsage(
    tokenCount(usage['prompt_tokens']),
    tokenCount(usage['completion_tokens']),
    tokenCount(usage['total_tokens']),
  );
}
