import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { upstreamBody } from '../../../services/relay/dialects/openai/upstreamBody.ts';
import type { ChannelQuirks } from '../../../services/relay/ports.ts';
import { chatRequest, PLAIN_QUIRKS } from '../../unit/relay/chatFixtures.ts';

const limit = fc.option(fc.integer({ min: 1, max: 5_000 }), { nil: undefined });
const message = fc.record({
  role: fc.constantFrom('developer', 'system', 'user', 'assistant'),
  content: fc.string({ unit: 'binary' }),
});
const body = fc
  .record(
    {
      messages: fc.array(message, { minLength: 1, maxLength: 4 }),
      stream: fc.boolean(),
      stream_options: fc.record({ include_usage: fc.boolean(), extra: fc.integer() }, { requiredKeys: [] }),
      max_tokens: fc.integer({ min: 1, max: 5_000 }),
      max_completion_tokens: limit,
      usage: fc.constant({ include: true }),
      parallel_tool_calls: fc.boolean(),
      service_tier: fc.constantFrom('auto', 'default', 'flex', 'priority', 'Flex', '', null),
      top_k: fc.integer(),
      // V8 13.6 misreads a member named by a quote after one named by a backslash, so no name has either.
      metadata: fc.jsonValue({ maxDepth: 3 }).filter((value) => !/__proto__|\\/.test(JSON.stringify(value))),
    },
    { requiredKeys: ['messages'] },
  )
  .map((fields) => JSON.parse(JSON.stringify({ model: 'm', ...fields })) as Record<string, unknown>);
const quirks: fc.Arbitrary<ChannelQuirks> = fc.record({
  supportsStreamOptions: fc.boolean(),
  maxTokensField: fc.constantFrom('max_tokens', 'max_completion_tokens'),
  supportsDeveloperRole: fc.boolean(),
  supportsParallelTools: fc.boolean(),
  reasoningField: fc.constant('reasoning_content'),
  usagePath: fc.constant('usage'),
  usageExcludesReasoning: fc.constant(false),
  stripsParams: fc.subarray(['top_k', 'metadata', 'max_tokens', 'usage']),
});

/** What the upstream must read, said again in the plainest way. */
function expected(sent: Record<string, unknown>, model: string, quirk: ChannelQuirks, maxOutput: number) {
  const told: Record<string, unknown> = { ...sent, model };
  for (const field of [...quirk.stripsParams, 'usage', 'max_tokens', 'max_completion_tokens', 'stream_options']) {
    Reflect.deleteProperty(told, field);
  }
  if (!quirk.supportsParallelTools) Reflect.deleteProperty(told, 'parallel_tool_calls');
  if (['priority', 'Flex', ''].includes(String(sent['service_tier']))) Reflect.deleteProperty(told, 'service_tier');
  told[quirk.maxTokensField] = maxOutput;
  if (sent['stream'] === true && quirk.supportsStreamOptions) {
    told['stream_options'] = { ...(sent['stream_options'] as object | undefined), include_usage: true };
  }
  if (!quirk.supportsDeveloperRole) {
    told['messages'] = (sent['messages'] as { role: string }[]).map((one) =>
      one.role === 'developer' ? { ...one, role: 'system' } : one,
    );
  }
  return told;
}

describe('Whatever the client sends and the channel wants', () => {
  it('the upstream reads what the client said, with the model, the limit and the usage that we need', () => {
    fc.assert(
      fc.property(body, quirks, fc.constantFrom('m', 'vendor/m'), fc.integer({ min: 1, max: 5_000 }), (...given) => {
        const [sent, quirk, model, maxOutput] = given;
        const bytes = upstreamBody(
          chatRequest(JSON.stringify(sent)),
          model,
          quirk,
          maxOutput,
          (tier) => tier === 'flex',
        );
        expect(JSON.parse(bytes.toString())).toEqual(expected(sent, model, quirk, maxOutput));
      }),
      { numRuns: 500 },
    );
  });

  it('every byte of the client survives where members are only added, integers of any size among them', () => {
    const integer = fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }).map(String);
    fc.assert(
      fc.property(integer, fc.constantFrom('', ' ', '\n  '), fc.boolean(), (seed, space, streamed) => {
        const head = `{"seed":${seed},"model":"m","messages":[{"role":"user","content":"}"}],"stream":${String(streamed)}`;
        const request = chatRequest(`${head}${space}}${space}`);
        const result = upstreamBody(request, 'm', PLAIN_QUIRKS, 77).toString();
        const options = streamed ? ',"stream_options":{"include_usage":true}' : '';
        expect(result).toBe(`${head}${space},"max_completion_tokens":77${options}}`);
      }),
    );
  });
});
