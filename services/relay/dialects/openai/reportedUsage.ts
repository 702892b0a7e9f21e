import { z } from 'zod';
import type { UsageVector } from '../../../../events/meters.ts';
import type { ChannelQuirks } from '../../ports.ts';
import { Divided, withoutZeros, type ReportedUsage } from '../../usage/reported.ts';

/** A token count as a provider may state it; anything else in its place counts as not reported. */
const count = z.int().min(0).nullish().catch(null);
const inputDetails = z.object({
  cached_tokens: count,
  cache_write_tokens: count,
  audio_tokens: count,
  image_tokens: count,
});
const outputDetails = z.object({ reasoning_tokens: count, audio_tokens: count, image_tokens: count });
const usageObject = z.object({
  prompt_tokens: count,
  completion_tokens: count,
  total_tokens: count,
  cached_tokens: count,
  prompt_cache_hit_tokens: count,
  prompt_tokens_details: inputDetails.nullish().catch(null),
  completion_tokens_details: outputDetails.nullish().catch(null),
});

/**
 * Splits an OpenAI usage object into disjoint meters (protocols: cached, audio and image tokens are inside
 * `prompt_tokens`; reasoning and audio are inside `completion_tokens`, unless the total shows, or in its absence the
 * channel says, that reasoning comes on top). Parts larger than their whole are cut to it.
 */
export function readUsage(usage: unknown, quirks: Pick<ChannelQuirks, 'usageExcludesReasoning'>): ReportedUsage {
  const parsed = usageObject.safeParse(usage);
  if (!parsed.success) return { input: null, output: null };
  const stated = parsed.data;
  return { input: readInput(stated), output: readOutput(stated, quirks.usageExcludesReasoning) };
}

type Stated = z.infer<typeof usageObject>;

function readInput(stated: Stated): UsageVector | null {
  if (stated.prompt_tokens === null || stated.prompt_tokens === undefined) return null;
  const details = stated.prompt_tokens_details;
  const tokens = new Divided(stated.prompt_tokens);
  const cacheRead = tokens.take(details?.cached_tokens ?? stated.prompt_cache_hit_tokens ?? stated.cached_tokens);
  const cacheWrite5m = tokens.take(details?.cache_write_tokens);
  const audioInput = tokens.take(details?.audio_tokens);
  const imageInput = tokens.take(details?.image_tokens);
  return withoutZeros({ uncachedInput: tokens.rest, cacheRead, cacheWrite5m, audioInput, imageInput });
}

function readOutput(stated: Stated, excludedByChannel: boolean): UsageVector | null {
  if (stated.completion_tokens === null || stated.completion_tokens === undefined) return null;
  const details = stated.completion_tokens_details;
  const reasoningStated = details?.reasoning_tokens ?? 0;
  const excluded = reasoningExcluded(stated, stated.completion_tokens, reasoningStated) ?? excludedByChannel;
  const tokens = new Divided(stated.completion_tokens + (excluded ? reasoningStated : 0));
  const reasoning = tokens.take(reasoningStated);
  const audioOutput = tokens.take(details?.audio_tokens);
  const imageOutput = tokens.take(details?.image_tokens);
  return withoutZeros({ outputText: tokens.rest, reasoning, audioOutput, imageOutput });
}

/** What the total proves, null when it proves nothing. */
function reasoningExcluded(stated: Stated, completion: number, reasoning: number): boolean | null {
  if (typeof stated.total_tokens !== 'number') return null;
  const rest = stated.total_tokens - (stated.prompt_tokens ?? 0);
  if (rest === completion) return false;
  return rest === completion + reasoning ? true : null;
}

/** The value at a dotted path such as `choices.0.usage`; undefined when a step is missing. */
export function atPath(source: unknown, path: string): unknown {
  let value = source;
  for (const step of path.split('.')) {
    if (typeof value !== 'object' || value === null) return undefined;
    value = (value as Record<string, unknown>)[step];
  }
  return value;
}
