import type { Billed } from '../../call.ts';
import { usageCounts, usageWithCost } from '../../usage/usageCost.ts';

/** JSON text of an OpenAI usage object for what was billed, with its exact cost; every detail is a number. */
export function billedUsage({ usage, picos, currency }: Billed): string {
  const counts = {
    ...usageCounts(usage),
    prompt_tokens_details: {
      cached_tokens: usage.cacheRead ?? 0,
      cache_write_tokens: (usage.cacheWrite5m ?? 0) + (usage.cacheWrite1h ?? 0),
      audio_tokens: usage.audioInput ?? 0,
      image_tokens: usage.imageInput ?? 0,
    },
    completion_tokens_details: {
      reasoning_tokens: usage.reasoning ?? 0,
      audio_tokens: usage.audioOutput ?? 0,
      image_tokens: usage.imageOutput ?? 0,
    },
  };
  return usageWithCost(counts, picos, currency);
}

/** JSON text of an object with that usage as its last member. */
export function withBilledUsage(source: object, billed: Billed): string {
  return `${JSON.stringify(source).slice(0, -1)},"usage":${billedUsage(billed)}}`;
}
