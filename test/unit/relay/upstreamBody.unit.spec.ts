import { describe, expect, it } from 'vitest';
import { upstreamBody } from '../../../services/relay/dialects/openai/upstreamBody.ts';
import type { ChannelQuirks } from '../../../services/relay/ports.ts';
import { MODEL } from '../../support/events.ts';
import { chatRequest, PLAIN_QUIRKS } from './chatFixtures.ts';

interface Setting {
  readonly quirks?: Partial<ChannelQuirks>;
  readonly model?: string;
  readonly maxOutput?: number;
  /** Service tiers that the model has a price for. */
  readonly priced?: readonly string[];
}

function bodyFor(body: Parameters<typeof chatRequest>[0], setting: Setting = {}): string {
  const { quirks, model = MODEL, maxOutput = 100, priced = [] } = setting;
  const isPriced = (tier: string) => priced.includes(tier);
  return upstreamBody(chatRequest(body), model, { ...PLAIN_QUIRKS, ...quirks }, maxOutput, isPriced).toString();
}

function parsed(body: Parameters<typeof chatRequest>[0], setting: Setting = {}): Record<string, unknown> {
  return JSON.parse(bodyFor(body, setting)) as Record<string, unknown>;
}

const HEAD = `{"model":"${MODEL}" , "messages":[{"content":"hi","role":"user"}], "seed":9223372036854775807`;

describe('The body for an upstream', () => {
  it('is the very bytes of the client where nothing changes', () => {
    const request = chatRequest(`${HEAD}, "max_completion_tokens":100 }\n`);
    expect(upstreamBody(request, MODEL, PLAIN_QUIRKS, 100)).toBe(request.raw);
  });

  it('states the limit before the closing brace and leaves the rest as it is', () => {
    expect(bodyFor(`${HEAD} }\n`)).toBe(`${HEAD} ,"max_completion_tokens":100}`);
    expect(bodyFor(`${HEAD},"stop":"}"}`)).toBe(`${HEAD},"stop":"}","max_completion_tokens":100}`);
  });

  it('asks for usage in a stream', () => {
    expect(bodyFor(`${HEAD},"stream":true}`)).toBe(
      `${HEAD},"stream":true,"max_completion_tokens":100,"stream_options":{"include_usage":true}}`,
    );
  });

  it.each([
    [100, { max_completion_tokens: 5 }, 5],
    [100, { max_completion_tokens: 100_000 }, 100],
    [100, { max_completion_tokens: null }, 100],
    [100, {}, 100],
  ])('never lets an answer outgrow %i: %j', (priced, stated, told) => {
    const maxOutput = Math.min(chatRequest(stated).maxOutput ?? priced, priced);
    expect(parsed(stated, { maxOutput })['max_completion_tokens']).toBe(told);
  });

  it('names the limit as the channel does and drops the other name', () => {
    const both = { max_tokens: 50, max_completion_tokens: 70 };
    expect(parsed(both, { maxOutput: 70 })).toMatchObject({ max_completion_tokens: 70 });
    expect(parsed(both, { maxOutput: 70 })).not.toHaveProperty('max_tokens');
    const older = parsed(both, { maxOutput: 70, quirks: { maxTokensField: 'max_tokens' } });
    expect(older).toMatchObject({ max_tokens: 70 });
    expect(older).not.toHaveProperty('max_completion_tokens');
  });

  it('keeps stating the limit when the channel strips a parameter of that name', () => {
    const strips = { stripsParams: ['max_completion_tokens', 'seed'] };
    expect(parsed({ max_completion_tokens: 5, seed: 1 }, { maxOutput: 5, quirks: strips })).toEqual({
      model: MODEL,
      messages: [{ role: 'user', content: 'hi' }],
      max_completion_tokens: 5,
    });
  });

  it('merges stream options and keeps the others', () => {
    const options = { stream: true, stream_options: { include_obfuscation: false, include_usage: false } };
    expect(parsed(options)['stream_options']).toEqual({ include_obfuscation: false, include_usage: true });
    expect(parsed({ stream: true, stream_options: null })['stream_options']).toEqual({ include_usage: true });
  });

  it.each([
    ['a call that is not streamed', { stream_options: { include_usage: true } }, {}],
    [
      'a channel that refuses them',
      { stream: true, stream_options: { include_usage: true } },
      { supportsStreamOptions: false },
    ],
  ])('drops stream options for %s', (_name, body, quirks) => {
    expect(parsed(body, { quirks })).not.toHaveProperty('stream_options');
  });

  it('adds no stream options for a channel that refuses them', () => {
    expect(bodyFor(`${HEAD},"stream":true}`, { quirks: { supportsStreamOptions: false } })).toBe(
      `${HEAD},"stream":true,"max_completion_tokens":100}`,
    );
  });

  it('makes developer messages system messages where the channel knows none', () => {
    const messages = [
      { role: 'developer', content: 'be brief', name: 'd' },
      { role: 'user', content: [{ type: 'text', text: '你好' }] },
    ];
    expect(parsed({ messages }, { quirks: { supportsDeveloperRole: false } })['messages']).toEqual([
      { role: 'system', content: 'be brief', name: 'd' },
      { role: 'user', content: [{ type: 'text', text: '你好' }] },
    ]);
    expect(parsed({ messages })['messages']).toEqual(messages);
  });

  it('drops parallel_tool_calls, what the channel strips, and what only the relay knows', () => {
    const body = { parallel_tool_calls: true, logit_bias: { '5': 1 }, usage: { include: true }, top_k: 4 };
    const quirks = { supportsParallelTools: false, stripsParams: ['logit_bias', 'absent'] };
    expect(parsed(body, { quirks })).toEqual({
      model: MODEL,
      messages: [{ role: 'user', content: 'hi' }],
      top_k: 4,
      max_completion_tokens: 100,
    });
  });

  it.each(['"auto"', '"default"', '"standard"', '"flex"', 'null'])(
    'asks for the service tier %s as the client does',
    (tier) => {
      const source = `${HEAD},"service_tier": ${tier}`;
      expect(bodyFor(`${source}}`, { priced: ['flex'] })).toBe(`${source},"max_completion_tokens":100}`);
    },
  );

  it.each(['priority', 'scale', 'Flex', 'Default', ''])('asks for no service tier %j that has no price', (tier) => {
    expect(parsed({ service_tier: tier, seed: 1 }, { priced: ['flex'] })).toEqual({
      model: MODEL,
      messages: [{ role: 'user', content: 'hi' }],
      seed: 1,
      max_completion_tokens: 100,
    });
  });

  it("names the model as the provider does, and keeps the client's members", () => {
    expect(parsed({ temperature: 0.1, user: 'u' }, { model: 'vendor/m' })).toEqual({
      model: 'vendor/m',
      messages: [{ role: 'user', content: 'hi' }],
      temperature: 0.1,
      user: 'u',
      max_completion_tokens: 100,
    });
  });
});
