import { z } from 'zod';
import { outputTokens, totalTokens, type UsageVector } from '../../../../events/meters.ts';
import { Divided, withoutZeros, type ReportedUsage } from '../../usage/reported.ts';

/** A token count as a provider may state it; anything else in its place counts as not reported. */
const count = z.int().min(0).nullish().catch(null);
const usageObject = z.object({
  input_tokens: count,
  cache_read_input_tokens: count,
  cache_creation_input_tokens: count,
  cache_creation: z
    .object({ ephemeral_5m_input_tokens: count, ephemeral_1h_input_tokens: count })
    .nullish()
    .catch(null),
  output_tokens: count,
  output_tokens_details: z.object({ thinking_tokens: count }).nullish().catch(null),
});

type Count = number | null;

/**
 * The usage of one answer, as its usage objects state it one after the other. They are cumulative, so nothing is added
 * up. Some upstreams repeat counts as null or 0 at the end, so the largest count of the input holds; of the output the
 * last one that is not 0 does.
 */
export class RunningUsage {
  #input: Count = null;
  #cacheRead: Count = null;
  #cacheWrite: Count = null;
  #cacheWrite5m: Count = null;
  #cacheWrite1h: Count = null;
  #output: Count = null;
  #thinking: Count = null;

  /** The usage that a stream opens with. Its output is a placeholder, which would pass for a count if no other one came. */
  open(usage: unknown): void {
    const { success, data } = usageObject.safeParse(usage);
    if (!success) return;
    this.#input = larger(this.#input, data.input_tokens);
    this.#cacheRead = larger(this.#cacheRead, data.cache_read_input_tokens);
    this.#cacheWrite = larger(this.#cacheWrite, data.cache_creation_input_tokens);
    this.#cacheWrite5m = larger(this.#cacheWrite5m, data.cache_creation?.ephemeral_5m_input_tokens);
    this.#cacheWrite1h = larger(this.#cacheWrite1h, data.cache_creation?.ephemeral_1h_input_tokens);
  }

  add(usage: unknown): void {
    this.open(usage);
    const { success, data } = usageObject.safeParse(usage);
    if (!success) return;
    this.#output = data.output_tokens || (this.#output ?? data.output_tokens ?? null);
    this.#thinking = data.output_tokens_details?.thinking_tokens || this.#thinking;
  }

  get reported(): ReportedUsage {
    return { input: this.#inputVector(), output: this.#outputVector() };
  }

  /** Claude's input excludes what was read from and written to its cache. Writes of no stated life are the short ones. */
  #inputVector(): UsageVector | null {
    if (this.#input === null) return null;
    const written = new Divided(this.#cacheWrite ?? (this.#cacheWrite5m ?? 0) + (this.#cacheWrite1h ?? 0));
    const cacheWrite1h = written.take(this.#cacheWrite1h);
    return withoutZeros({
      uncachedInput: this.#input,
      cacheRead: this.#cacheRead ?? 0,
      cacheWrite5m: written.rest,
      cacheWrite1h,
    });
  }

  /** Thinking is inside the output. */
  #outputVector(): UsageVector | null {
    if (this.#output === null) return null;
    const output = new Divided(this.#output);
    const reasoning = output.take(this.#thinking);
    return withoutZeros({ outputText: output.rest, reasoning });
  }
}

/** Claude's usage object for a vector; every count is a number. */
export function claudeUsage(usage: UsageVector): Readonly<Record<string, unknown>> {
  const { cacheRead = 0, cacheWrite5m = 0, cacheWrite1h = 0, reasoning = 0 } = usage;
  const output = outputTokens(usage);
  const cacheWrite = cacheWrite5m + cacheWrite1h;
  return {
    input_tokens: totalTokens(usage) - output - cacheRead - cacheWrite,
    cache_creation_input_tokens: cacheWrite,
    cache_read_input_tokens: cacheRead,
    cache_creation: { ephemeral_5m_input_tokens: cacheWrite5m, ephemeral_1h_input_tokens: cacheWrite1h },
    output_tokens: output,
    output_tokens_details: { thinking_tokens: reasoning },
  };
}

function larger(known: Count, stated: Count | undefined): Count {
  if (stated === null || stated === undefined) return known;
  return Math.max(known ?? 0, stated);
}
