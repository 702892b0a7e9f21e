import { z } from 'zod';
import { totalTokens, type UsageVector } from '../../../events/meters.ts';
import { Divided, NOTHING_REPORTED, withoutZeros, type ReportedUsage } from '../usage/reported.ts';

/** A token count as a provider may state it; anything else in its place counts as not reported. */
const count = z.int().min(0).nullish().catch(null);
const kinds = z.object({ text_tokens: count, audio_tokens: count, image_tokens: count });
const usageObject = z.object({
  input_tokens: count,
  output_tokens: count,
  input_token_details: kinds
    .extend({ cached_tokens: count, cached_tokens_details: kinds.nullish().catch(null) })
    .nullish()
    .catch(null),
  output_token_details: kinds.extend({ reasoning_tokens: count }).nullish().catch(null),
});
type Stated = z.infer<typeof usageObject>;
const duration = z.object({ type: z.literal('duration'), seconds: z.number().min(0) });

/**
 * Splits the usage of a `response.done` into disjoint meters: cached, audio and image tokens are inside `input_tokens`,
 * and what is cached may be text, audio or image. Parts larger than their whole are cut to it.
 */
export function readResponseUsage(usage: unknown): ReportedUsage {
  const parsed = usageObject.safeParse(usage);
  if (!parsed.success) return NOTHING_REPORTED;
  return { input: readInput(parsed.data), output: readOutput(parsed.data) };
}

/**
 * The usage of a transcription of what the user said; null when nothing usable is stated. A transcription that is billed
 * by its length counts seconds, rounded up.
 */
export function readTranscriptionUsage(usage: unknown): UsageVector | null {
  const timed = duration.safeParse(usage);
  if (timed.success) return withoutZeros({ seconds: Math.ceil(timed.data.seconds) });
  const { input, output } = readResponseUsage(usage);
  return input || output ? { ...input, ...output } : null;
}

/** All tokens of a response: what its conversation weighs in the next one. */
export function tokensOf({ input, output }: ReportedUsage): number {
  return totalTokens(input ?? {}) + totalTokens(output ?? {});
}

function readInput(stated: Stated): UsageVector | null {
  if (stated.input_tokens === null || stated.input_tokens === undefined) return null;
  const details = stated.input_token_details;
  const cached = details?.cached_tokens_details;
  const ofKinds = (cached?.text_tokens ?? 0) + (cached?.audio_tokens ?? 0) + (cached?.image_tokens ?? 0);
  const tokens = new Divided(stated.input_tokens);
  const cacheRead = tokens.take(details?.cached_tokens ?? ofKinds);
  const audioInput = tokens.take(uncached(details?.audio_tokens, cached?.audio_tokens));
  const imageInput = tokens.take(uncached(details?.image_tokens, cached?.image_tokens));
  return withoutZeros({ uncachedInput: tokens.rest, cacheRead, audioInput, imageInput });
}

function uncached(all: number | null | undefined, cached: number | null | undefined): number {
  return Math.max(0, (all ?? 0) - (cached ?? 0));
}

function readOutput(stated: Stated): UsageVector | null {
  if (stated.output_tokens === null || stated.output_tokens === undefined) return null;
  const details = stated.output_token_details;
  const tokens = new Divided(stated.output_tokens);
  const reasoning = tokens.take(details?.reasoning_tokens);
  const audioOutput = tokens.take(details?.audio_tokens);
  const imageOutput = tokens.take(details?.image_tokens);
  return withoutZeros({ outputText: tokens.rest, reasoning, audioOutput, imageOutput });
}
