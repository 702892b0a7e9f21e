import fc from 'fast-check';
import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import { describe, expect, it } from 'vitest';
import { parseDirectives } from '../../../infra/upstreams/simulated/directives.ts';
import { planAnswer } from '../../../infra/upstreams/simulated/planAnswer.ts';

function plan(said: string, directives: string, limit: number | null) {
  const parsed = parseDirectives(directives, { latencyMs: 0, chunkDelayMs: 0, chunks: null });
  if (!parsed.ok) throw new Error(parsed.problem);
  const request = { model: 'm', messages: [{ role: 'user', content: said }], max_tokens: limit };
  return planAnswer(request, said, parsed.behaviour);
}

describe('a simulated answer', () => {
  it('is billed as what it contains, and within the limit, whatever was said', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', maxLength: 200 }),
        fc.option(fc.integer({ min: 1, max: 40 })),
        (said, limit) => {
          const { pieces, usage } = plan(said, '', limit);
          expect(usage.completion_tokens).toBe(countTokens(pieces.join(''), { disallowedSpecial: new Set() }));
          expect(usage.completion_tokens).toBeLessThanOrEqual(limit ?? Number.MAX_SAFE_INTEGER);
          expect(pieces.every((piece) => piece.length > 0)).toBe(true);
        },
      ),
      { numRuns: 300 },
    );
  });

  it('counts reasoning within the limit', () => {
    expect(plan('x', '[[sim reasoning=100]]', 10).usage.completion_tokens).toBe(10);
    expect(plan('x', '[[sim reasoning=100]]', 10).pieces).toEqual([]);
    expect(plan('x', '[[sim reasoning=8]]', 10).pieces).toEqual(['This', ' is']);
  });

  it('has as many words as wanted', () => {
    expect(plan('x', '[[sim chunks=1000]]', null).pieces).toHaveLength(1_000);
  });
});
