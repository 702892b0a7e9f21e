import { formatPicos, type Currency, type Picos } from '../../../events/money.ts';

/** What a call cost, as members of a usage object. The cost is an exact decimal literal; no float is ever computed. */
function costMembers(picos: Picos, currency: Currency): string {
  return `"cost":${formatPicos(picos)},"cost_currency":"${currency}"`;
}

/** JSON text of a usage object with the cost added. */
export function usageWithCost(usage: Readonly<Record<string, unknown>>, picos: Picos, currency: Currency): string {
  const { cost: _cost, cost_currency: _currency, ...rest } = usage;
  const text = JSON.stringify(rest);
  return text === '{}' ? `{${costMembers(picos, currency)}}` : `${text.slice(0, -1)},${costMembers(picos, currency)}}`;
}

/** An OpenAI usage object for quantities that no provider reported. */
export function usageObject(inputTokens: number, outputTokens: number): Record<string, unknown> {
  return { prompt_tokens: inputTokens, completion_tokens: outputTokens, total_tokens: inputTokens + outputTokens };
}

/**
 * The answer's own bytes with its usage object replaced; null when that object cannot be found with certainty, so that
 * the caller re-serialises instead. An unescaped `"usage"` cannot stand inside a JSON string.
 */
export function spliceUsage(answer: string, usage: unknown, replacement: string): string | null {
  const key = answer.lastIndexOf('"usage"');
  if (key < 0) return null;
  const start = answer.indexOf('{', key);
  const end = start < 0 ? -1 : objectEnd(answer, start);
  if (end < 0 || !/^"usage"\s*:\s*$/.test(answer.slice(key, start))) return null;
  try {
    if (JSON.stringify(JSON.parse(answer.slice(start, end))) !== JSON.stringify(usage)) return null;
  } catch {
    // Not the object we looked for, so nothing is spliced.
    return null;
  }
  return answer.slice(0, start) + replacement + answer.slice(end);
}

/** The index after the object that begins at `start`; usage objects hold no braces inside strings that matter here. */
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
