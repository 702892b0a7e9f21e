import { describe, expect, it } from 'vitest';
import type { Reasoning, Sampling, Tool, ToolChoice } from '../../../../services/relay/canonical/prompt.ts';
import { claudeProtocol } from '../../../../services/relay/dialects/claude/upstream.ts';
import { PLAIN_QUIRKS } from '../chatFixtures.ts';
import { assistant, asked, call, refusal, result, says, user } from './asked.ts';
import { channel, MODEL, prompt } from './fixtures.ts';

const SAMPLING = prompt().sampling;
const sampled = (change: Partial<Sampling>) => asked({ sampling: { ...SAMPLING, ...change } });
const tool = (change: Partial<Tool> = {}): Tool => ({
  name: 'f',
  description: null,
  parameters: null,
  strict: null,
  ...change,
});
const EMPTY_SCHEMA = { type: 'object', properties: {} };

describe('A request to Claude', () => {
  it('goes to the messages of the channel with the version that it is written in', async () => {
    const request = await claudeProtocol.ask(prompt({ streamed: true }), channel());
    expect(request).toMatchObject({
      method: 'POST',
      path: '/messages',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream', 'anthropic-version': '2023-06-01' },
    });
    expect((await claudeProtocol.ask(prompt(), channel())).headers['accept']).toBe('application/json');
  });

  it('states no more than what was asked', async () => {
    expect(await asked({}, { upstreamModel: 'claude-x' })).toEqual({
      model: 'claude-x',
      max_tokens: 4_096,
      messages: [{ role: 'user', content: [{ type: 'text', text: 'hi' }] }],
      stream: false,
    });
    expect((await asked({ streamed: true }))['stream']).toBe(true);
  });

  it('names the account, where it has a name', async () => {
    expect((await asked({ endUser: 'account-1' }))['metadata']).toEqual({ user_id: 'account-1' });
  });

  it('is refused for several answers', async () => {
    expect(await refusal({ choices: 2 })).toEqual(['unsupported_parameter', 'n']);
  });

  it('leaves out what the channel strips, but nothing that no call can be without', async () => {
    const quirks = { ...PLAIN_QUIRKS, stripsParams: ['temperature', 'model', 'messages', 'max_tokens', 'stream'] };
    const body = await asked({ sampling: { ...SAMPLING, temperature: 0.5, topK: 3 } }, { quirks });
    expect(Object.keys(body)).toEqual(['model', 'max_tokens', 'messages', 'top_k', 'stream']);
  });

  it('carries a schema of the answer', async () => {
    const schema = { type: 'object', properties: { a: { type: 'string' } }, additionalProperties: false };
    const body = await asked({ format: { kind: 'schema', name: 'x', schema, strict: true } });
    expect(body['output_config']).toEqual({ format: { type: 'json_schema', schema } });
  });

  it('closes the objects of a schema, and tells its bounds in descriptions', async () => {
    const schema = {
      type: 'object',
      properties: {
        list: { type: 'array', minItems: 2, items: { $ref: '#/$defs/item' } },
        one: { type: 'array', minItems: 1, items: { type: 'number', minimum: 0 } },
        minimum: { type: 'string', description: 'A word.', maxLength: 5, enum: ['a', 'b'] },
      },
      required: ['list', 'minimum'],
      $defs: { item: { anyOf: [{ type: 'object', properties: { b: { type: 'null' } } }, { type: 'string' }] } },
    };
    const body = await asked({ format: { kind: 'schema', name: 'x', schema, strict: null } });
    expect(body['output_config']).toEqual({
      format: {
        type: 'json_schema',
        schema: {
          type: 'object',
          properties: {
            list: { type: 'array', items: { $ref: '#/$defs/item' }, description: '{"minItems":2}' },
            one: { type: 'array', minItems: 1, items: { type: 'number', description: '{"minimum":0}' } },
            minimum: { type: 'string', description: 'A word. {"maxLength":5}', enum: ['a', 'b'] },
          },
          required: ['list', 'minimum'],
          $defs: {
            item: {
              anyOf: [
                { type: 'object', properties: { b: { type: 'null' } }, additionalProperties: false },
                { type: 'string' },
              ],
            },
          },
          additionalProperties: false,
        },
      },
    });
  });

  it.each([
    { type: 'object' },
    { type: 'object', properties: {}, additionalProperties: true },
    { type: 'object', properties: { a: { type: 'object', additionalProperties: { type: 'string' } } } },
  ])('is refused with an object that cannot be closed: %j', async (schema) => {
    expect(await refusal({ format: { kind: 'schema', name: 'x', schema, strict: null } })).toEqual([
      'unsupported_parameter',
      'response_format',
    ]);
  });

  it('is refused for an answer by a schema where the model knows none', async () => {
    const format = { kind: 'schema', name: 'x', schema: { type: 'object', properties: {} }, strict: null } as const;
    await expect(asked({ format }, { upstreamModel: 'claude-3-5-haiku-20241022' })).rejects.toMatchObject({
      code: 'unsupported_parameter',
      param: 'response_format',
    });
    expect(await asked({ format }, { upstreamModel: 'claude-opus-4-1-20250805' })).toHaveProperty('output_config');
  });
});

describe('The sampling that Claude is asked with', () => {
  it('has a temperature of 1 at most, and no top_p beside it', async () => {
    expect(await sampled({ temperature: 1.7, topP: 0.5 })).toMatchObject({ temperature: 1 });
    expect(await sampled({ temperature: 0, topP: 0.5 })).not.toHaveProperty('top_p');
    expect(await sampled({ topP: 0.5, topK: 40 })).toMatchObject({ top_p: 0.5, top_k: 40 });
  });

  it('is left to the models from 4.7 on, which take none', async () => {
    const change = { sampling: { ...SAMPLING, temperature: 0.5, topP: 0.5, topK: 3, stop: ['END'] } };
    const plain = await asked({}, { upstreamModel: 'claude-opus-4-7' });
    expect(await asked(change, { upstreamModel: 'claude-opus-4-7' })).toEqual({ ...plain, stop_sequences: ['END'] });
    expect(await asked(change, { upstreamModel: 'claude-opus-4-6' })).toMatchObject({ temperature: 0.5, top_k: 3 });
  });

  it('drops seed and penalties', async () => {
    const body = await sampled({ seed: 1, presencePenalty: 1, frequencyPenalty: 1 });
    expect(body).toEqual(await asked());
  });

  it('has the stops, and is refused when one is nothing but white space', async () => {
    expect(await sampled({ stop: ['END', ''] })).toMatchObject({ stop_sequences: ['END'] });
    expect(await sampled({ stop: [''] })).not.toHaveProperty('stop_sequences');
    expect(await refusal({ sampling: { ...SAMPLING, stop: ['\n'] } })).toEqual(['unsupported_parameter', 'stop']);
  });
});

describe('The tools that Claude is asked with', () => {
  const choice = async (toolChoice: ToolChoice | null, parallelTools: boolean | null = null) =>
    (await asked({ tools: [tool()], toolChoice, parallelTools }))['tool_choice'];

  it('have a schema even without arguments, and one of an object', async () => {
    const tools = [
      tool(),
      tool({ name: 'g', description: 'does', parameters: { properties: { a: {} } }, strict: true }),
      tool({ name: 'h', description: '', parameters: {}, strict: false }),
    ];
    expect((await asked({ tools }))['tools']).toEqual([
      { name: 'f', input_schema: EMPTY_SCHEMA },
      {
        name: 'g',
        description: 'does',
        input_schema: { type: 'object', properties: { a: {} }, additionalProperties: false },
        strict: true,
      },
      { name: 'h', input_schema: EMPTY_SCHEMA },
    ]);
  });

  it('are chosen in the words of Claude', async () => {
    expect(await choice(null)).toBeUndefined();
    expect(await choice({ kind: 'auto' })).toEqual({ type: 'auto' });
    expect(await choice({ kind: 'required' })).toEqual({ type: 'any' });
    expect(await choice({ kind: 'none' }, false)).toEqual({ type: 'none' });
    expect(await choice({ kind: 'tool', name: 'f' }, true)).toEqual({ type: 'tool', name: 'f' });
  });

  it('are called one at a time where the client wants that', async () => {
    expect(await choice(null, false)).toEqual({ type: 'auto', disable_parallel_tool_use: true });
    expect(await choice({ kind: 'required' }, false)).toEqual({ type: 'any', disable_parallel_tool_use: true });
  });

  it('are rebuilt from the history when the client states none, and may not be called', async () => {
    const messages = [user(says('a')), assistant(call('x', '{}', 'f'), call('y', '{}', 'g'), call('z', '{}', 'f'))];
    const body = await asked({ messages, toolChoice: { kind: 'auto' } });
    expect(body['tools']).toEqual([
      { name: 'f', input_schema: EMPTY_SCHEMA },
      { name: 'g', input_schema: EMPTY_SCHEMA },
    ]);
    expect(body['tool_choice']).toEqual({ type: 'none' });
    expect(await asked({ toolChoice: { kind: 'auto' } })).not.toHaveProperty('tool_choice');
  });

  it.each(['a.b', '', 'ä', 'x'.repeat(129)])('are refused under the name "%s"', async (name) => {
    expect(await refusal({ tools: [tool({ name })] })).toEqual(['unsupported_parameter', 'tools']);
  });
});

describe('The thinking that Claude is asked for', () => {
  const OLDER = 'claude-sonnet-4-5-20250929';
  const reasons = (reasoning: Partial<Reasoning>, upstreamModel = MODEL, change: Parameters<typeof asked>[0] = {}) =>
    asked(
      { reasoning: { effort: null, budgetTokens: null, shown: false, ...reasoning }, maxOutput: 32_000, ...change },
      { upstreamModel },
    );

  it.each([
    ['minimal', 'low'],
    ['low', 'low'],
    ['medium', 'medium'],
    ['high', 'high'],
    ['xhigh', 'xhigh'],
    ['max', 'max'],
  ] as const)('is an effort for newer models: %s is %s', async (effort, asks) => {
    const body = await reasons({ effort }, 'claude-opus-4-7');
    expect(body).toMatchObject({ thinking: { type: 'adaptive' }, output_config: { effort: asks } });
  });

  it('is, in 4.6, never between high and max', async () => {
    expect((await reasons({ effort: 'xhigh' }, 'claude-opus-4-6'))['output_config']).toEqual({ effort: 'high' });
    expect((await reasons({ effort: 'max' }, 'claude-opus-4-6'))['output_config']).toEqual({ effort: 'max' });
  });

  it.each([
    [1_024, 'low'],
    [2_048, 'low'],
    [8_192, 'medium'],
    [8_193, 'high'],
  ])('is an effort for newer models: %i tokens are %s', async (budgetTokens, asks) => {
    expect((await reasons({ budgetTokens }))['output_config']).toEqual({ effort: asks });
  });

  it('is shown where the client wants to see it, and its amount left to the model where nothing is said of it', async () => {
    const body = await reasons({ shown: true, budgetTokens: -1 });
    expect(body['thinking']).toEqual({ type: 'adaptive', display: 'summarized' });
    expect(body).not.toHaveProperty('output_config');
  });

  it.each([
    ['low', 2_048],
    ['medium', 8_192],
    ['high', 15_999],
    ['max', 15_999],
  ] as const)(
    'is a budget for older models: %s is %i tokens, at most half of the limit',
    async (effort, budget_tokens) => {
      expect((await reasons({ effort }, OLDER))['thinking']).toEqual({ type: 'enabled', budget_tokens });
    },
  );

  it('keeps a stated budget between what Claude takes and the limit', async () => {
    const budget = async (budgetTokens: number, maxOutput: number) =>
      (await reasons({ budgetTokens }, OLDER, { maxOutput }))['thinking'];
    expect(await budget(5_000, 8_000)).toEqual({ type: 'enabled', budget_tokens: 5_000 });
    expect(await budget(10, 8_000)).toEqual({ type: 'enabled', budget_tokens: 1_024 });
    expect(await budget(8_000, 8_000)).toEqual({ type: 'enabled', budget_tokens: 7_999 });
    expect(await budget(5_000, 1_024)).toBeUndefined();
  });

  it.each([
    ['claude-3-7-sonnet-20250219', 'enabled'],
    ['claude-sonnet-4-20250514', 'enabled'],
    ['us.anthropic.claude-opus-4-1-20250805-v1:0', 'enabled'],
    ['anthropic/claude-sonnet-4.5', 'enabled'],
    ['claude-opus-4-6', 'adaptive'],
    ['claude-sonnet-5', 'adaptive'],
    ['our-alias', 'adaptive'],
    ['claude-3-5-sonnet-20241022', undefined],
    ['claude-3-opus-20240229', undefined],
  ])('is, for %s, %s', async (model, type) => {
    const { thinking } = (await reasons({ effort: 'low' }, model)) as { thinking?: { type: string } };
    expect(thinking?.type).toBe(type);
  });

  it('is switched off where the client wants none', async () => {
    expect(await reasons({ effort: 'none' })).toMatchObject({ thinking: { type: 'disabled' } });
    expect(await reasons({ budgetTokens: 0 }, OLDER)).toMatchObject({ thinking: { type: 'disabled' } });
  });

  it('leaves no sampling beside it that Claude would refuse', async () => {
    const sampling = { ...SAMPLING, temperature: 0.5, topP: 0.5, topK: 3 };
    const thinking = await reasons({ effort: 'low' }, MODEL, { sampling });
    for (const member of ['temperature', 'top_p', 'top_k']) expect(thinking).not.toHaveProperty(member);
    expect(await reasons({ effort: 'low' }, MODEL, { sampling: { ...sampling, topP: 0.96 } })).toMatchObject({
      top_p: 0.96,
    });
    expect(await reasons({ effort: 'none' }, MODEL, { sampling })).toMatchObject({ temperature: 0.5, top_k: 3 });
  });

  it('gives way to a tool call that is demanded', async () => {
    const demanded = { tools: [tool()], toolChoice: { kind: 'required' as const } };
    expect(await reasons({ effort: 'low' }, OLDER, demanded)).not.toHaveProperty('thinking');
    const newer = await reasons({ effort: 'low' }, MODEL, demanded);
    expect(newer).not.toHaveProperty('thinking');
    expect(newer['output_config']).toEqual({ effort: 'low' });
  });

  it('needs, with a budget, the signed thinking of a tool loop that goes on', async () => {
    const loop = (...before: Parameters<typeof assistant>) => ({
      messages: [user(says('a')), assistant(...before, call('x')), result('x', says('1'))],
    });
    expect(await reasons({ effort: 'low' }, OLDER, loop())).not.toHaveProperty('thinking');
    const signed = loop({ type: 'thinking', text: 'hm', signature: 'c2ln' });
    expect(await reasons({ effort: 'low' }, OLDER, signed)).toHaveProperty('thinking');
    expect(await reasons({ effort: 'low' }, MODEL, loop())).toHaveProperty('thinking');
    const hurried = { messages: [...loop().messages, user(says('hurry'))] };
    expect(await reasons({ effort: 'low' }, OLDER, hurried)).not.toHaveProperty('thinking');
    const over = { messages: [...loop().messages, assistant(says('b')), user(says('c'))] };
    expect(await reasons({ effort: 'low' }, OLDER, over)).toHaveProperty('thinking');
  });
});
