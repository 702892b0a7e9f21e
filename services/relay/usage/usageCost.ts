import { outputTokens, totalTokens, type UsageVector } from '../../../events/meters.ts';
import { formatPicos, type Currency, type Picos } from '../../../events/money.ts';

/** What some providers say of the operator's price; it is not the client's, and not the client's business. */
const PROVIDER_COST = new Set(['cost', 'cost_currency', 'cost_details', 'cost_in_usd_ticks', 'is_byok']);

/** What a call cost, as members of a usage object. The cost is an exact decimal literal; no float is ever computed. */
function costMembers(picos: Picos, currency: Currency): string {
  return `"cost":${formatPicos(picos)},"cost_currency":"${currency}"`;
}

/** JSON text of a usage object with the cost in place of what the provider says of its own. */
export function usageWithCost(usage: Readonly<Record<string, unknown>>, picos: Picos, currency: Currency): string {
  const shown: Record<string, unknown> = {};
  for (const member of Object.keys(usage)) if (!PROVIDER_COST.has(member)) shown[member] = usage[member];
  const text = JSON.stringify(shown);
  return text === '{}' ? `{${costMembers(picos, currency)}}` : `${text.slice(0, -1)},${costMembers(picos, currency)}}`;
}

/** The counts of an OpenAI usage object for a vector: every token of either side. */
export function usageCounts(usage: UsageVector): Readonly<Record<string, number>> {
  const total = totalTokens(usage);
  const output = outputTokens(usage);
  return { prompt_tokens: total - output, completion_tokens: output, total_tokens: total };
}

/**
 * The answer's own bytes with its usage object replaced; null when that object cannot be found with certainty, so that
 * the caller re-serialises instead. An unescaped `"usage"` cannot stand inside a JSON string.
 */
export function spliceUsage(answer: string, usage: unknown, replacement: string): string | null {
  const key = answer.lastIndexOf('"usage"');
  if (key < 0 || answer.indexOf('"usage"') !== key) return null;
  const start = answer.indexOf('{', key);
  const end = start < 0 ? -1 : objectEnd(answer, start);
  if (end < 0 || !/^"usage"\s*:\s*$/.test(answer.slice(key, start))) return null;
  if (!isTextOf(answer.slice(start, end), usage)) return null;
  return answer.slice(0, start) + replacement + answer.slice(end);
}

function isTextOf(text: string, value: unknown): boolean {
  const compact = JSON.stringify(value);
  if (text === compact) return true;
  try {
    return JSON.stringify(JSON.parse(text)) === compact;
  } catch {
    // Not an object at all.
    return false;
  }
}

/** The index after the object that begins at `start`, or a wrong one when its strings hold braces; the caller compares. */
function objectEnd(text: string, start: number): number {
  let depth = 0;
  for (let index = start; index < text.length; index += 1) {
    const code = text.charCodeAt(index);
    if (code === 0x7b) depth += 1;
    else if (code === 0x7d) {
      depth -= 1;
      if (depth === 0) return index + 1;
    }
  }
  return -1;
}
