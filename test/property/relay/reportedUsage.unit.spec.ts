import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { totalTokens, usageVector } from '../../../events/meters.ts';
import { readUsage } from '../../../services/relay/dialects/openai/reportedUsage.ts';

const count = fc.oneof(fc.nat(1_000), fc.nat(2 ** 31 - 1), fc.integer({ min: 0, max: 2 ** 51 }));
const hostile = fc.oneof(count, fc.constantFrom(null, -1, 1.5, 1e18, 2 ** 53, '12', {}, []), fc.jsonValue());
const details = (value: fc.Arbitrary<unknown>) =>
  fc.record(
    {
      cached_tokens: value,
      cache_write_tokens: value,
      audio_tokens: value,
      image_tokens: value,
      reasoning_tokens: value,
    },
    { requiredKeys: [] },
  );
const usage = (value: fc.Arbitrary<unknown>) =>
  fc.record(
    {
      prompt_tokens: value,
      completion_tokens: value,
      total_tokens: value,
      cached_tokens: value,
      prompt_cache_hit_tokens: value,
      prompt_tokens_details: fc.oneof(details(value), fc.constant(null)),
      completion_tokens_details: fc.oneof(details(value), fc.constant(null)),
    },
    { requiredKeys: [] },
  );

interface Counts {
  readonly prompt_tokens: number;
  readonly completion_tokens: number;
  readonly total_tokens?: number;
  readonly completion_tokens_details?: { readonly reasoning_tokens?: number } | null;
}
const complete = fc.tuple(usage(count), count, count).map(([rest, prompt, completion]) => {
  return { ...rest, prompt_tokens: prompt, completion_tokens: completion } as unknown as Counts;
});

describe('Any usage object', () => {
  it('gives disjoint meters that add up to exactly the tokens stated', () => {
    fc.assert(
      fc.property(complete, fc.boolean(), (stated, excluded) => {
        const { input, output } = readUsage(stated, { usageExcludesReasoning: excluded });
        expect(totalTokens(input ?? {})).toBe(stated.prompt_tokens);
        const reasoning = stated.completion_tokens_details?.reasoning_tokens ?? 0;
        const without = stated.completion_tokens;
        const generated = (stated.total_tokens ?? Number.NaN) - stated.prompt_tokens;
        const proven = [without, without + reasoning].find((tokens) => tokens === generated);
        expect(totalTokens(output ?? {})).toBe(proven ?? (excluded ? without + reasoning : without));
      }),
      { numRuns: 1_000 },
    );
  });

  it('of whatever content, never throws and gives only vectors that an event may hold, none of them with zeros', () => {
    fc.assert(
      fc.property(fc.oneof(usage(hostile), fc.jsonValue()), fc.boolean(), (stated, usageExcludesReasoning) => {
        const { input, output } = readUsage(stated, { usageExcludesReasoning });
        for (const half of [input, output]) {
          if (half === null) continue;
          expect(usageVector.parse(half)).toEqual(half);
          expect(Object.values(half).every((quantity) => quantity > 0)).toBe(true);
        }
      }),
      { numRuns: 1_000 },
    );
  });
});
