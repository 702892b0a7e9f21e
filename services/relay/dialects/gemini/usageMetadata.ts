import { outputTokens, totalTokens, type UsageVector } from '../../../../events/meters.ts';
import type { Json } from '../../wire/json.ts';
import { countIn } from './reportedUsage.ts';

const COUNTS = [
  'promptTokenCount',
  'cachedContentTokenCount',
  'toolUsePromptTokenCount',
  'candidatesTokenCount',
  'thoughtsTokenCount',
  'totalTokenCount',
] as const;

/** Per modality; they add up to counts that are not the billed ones. */
const DETAILS = [
  'promptTokensDetails',
  'cacheTokensDetails',
  'toolUsePromptTokensDetails',
  'candidatesTokensDetails',
] as const;

/** What was billed, in this dialect's counts: every token of either side. Counts that Google omits at 0 are omitted. */
export function usageMetadata(billed: UsageVector, toolUse = 0): Readonly<Record<string, number>> {
  const total = totalTokens(billed);
  const output = outputTokens(billed);
  const { cacheRead = 0, reasoning = 0 } = billed;
  return {
    promptTokenCount: total - output - toolUse,
    ...(cacheRead > 0 && { cachedContentTokenCount: cacheRead }),
    ...(toolUse > 0 && { toolUsePromptTokenCount: toolUse }),
    candidatesTokenCount: output - reasoning,
    ...(reasoning > 0 && { thoughtsTokenCount: reasoning }),
    totalTokenCount: total,
  };
}

/**
 * The provider's usageMetadata with the counts that are billed: its own object where it says the same, and without its
 * details where the counts were estimated or cut to the hold.
 */
export function shownMetadata(stated: Json | null, billed: UsageVector): Json {
  if (!stated) return usageMetadata(billed);
  const output = outputTokens(billed);
  const toolUse = Math.min(countIn(stated['toolUsePromptTokenCount']) ?? 0, totalTokens(billed) - output);
  const counts = usageMetadata(billed, toolUse);
  if (COUNTS.every((name) => (stated[name] ?? 0) === (counts[name] ?? 0))) return stated;
  const replaced: readonly string[] = [...COUNTS, ...DETAILS];
  const others = Object.entries(stated).filter(([member]) => !replaced.includes(member));
  return { ...Object.fromEntries(others), ...counts };
}
