import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseAnswer } from '../../../services/relay/dialects/openai/chatAnswer.ts';
import { withCost } from '../../../services/relay/dialects/openai/chatReply.ts';
import type { Billed } from '../../../services/relay/call.ts';

const words = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.constantFrom('"usage"', '"usage":{}', '{', '}', '\\"usage\\"', '\\'),
);
const usage = fc.record(
  {
    prompt_tokens: fc.nat(),
    note: words,
    nested: fc.record({ cached_tokens: fc.nat(), usage: words }),
    cost: fc.nat(),
  },
  { requiredKeys: [] },
);
const members = fc.record(
  {
    id: words,
    model: fc.constantFrom('m', 'vendor/m'),
    choices: fc.array(fc.record({ message: fc.record({ content: words }), usage }, { requiredKeys: ['message'] })),
    usage: fc.oneof(usage, fc.constant(null)),
    extra: fc.record({ usage: words }),
  },
  { requiredKeys: ['choices'] },
);

describe('Whatever a provider answers', () => {
  it('the client reads the same, with its own model name, the billed counts and the exact cost', () => {
    fc.assert(
      fc.property(members, fc.nat(), fc.nat(), fc.constantFrom(undefined, 1, '\t'), (body, input, output, space) => {
        const answer = parseAnswer(JSON.stringify(body, null, space));
        if (!answer) throw new Error('not an answer');
        const picos = BigInt(input) * 3n;
        const billed: Billed = { usage: { uncachedInput: input, outputText: output }, picos, currency: 'USD' };
        const { cost: _cost, ...stated } = (answer.body['usage'] ?? {}) as Record<string, unknown>;
        expect(JSON.parse(withCost(answer, 'm', answer.body['usage'], billed))).toEqual({
          ...answer.body,
          model: 'm',
          usage: {
            ...stated,
            prompt_tokens: input,
            completion_tokens: output,
            total_tokens: input + output,
            cost: Number(picos) / 1e12,
            cost_currency: 'USD',
          },
        });
      }),
      { numRuns: 1_000 },
    );
  });
});
