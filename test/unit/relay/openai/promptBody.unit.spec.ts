import { describe, expect, it } from 'vitest';
import type { ChatPrompt, Message, Part, Reasoning } from '../../../../services/relay/canonical/prompt.ts';
import { promptBody } from '../../../../services/relay/dialects/openai/promptBody.ts';
import { openaiProtocol } from '../../../../services/relay/dialects/openai/upstream.ts';
import type { ChannelQuirks } from '../../../../services/relay/ports.ts';
import { asked, channel } from './canonicalFixtures.ts';

function body(change: Partial<ChatPrompt> = {}, quirks: Partial<ChannelQuirks> = {}) {
  return promptBody(asked(change), channel(quirks));
}

function messages(...given: readonly Message[]): readonly unknown[] {
  return body({ messages: given })['messages'] as readonly unknown[];
}

const user = (...parts: readonly Part[]): Message => ({ role: 'user', parts });
const assistant = (...parts: readonly Part[]): Message => ({ role: 'assistant', parts });
const text = (said: string): Part => ({ type: 'text', text: said });
const call = (id: string): Part => ({ type: 'toolCall', id, name: 'f', arguments: '{"x":1}', signature: 's' });
const result = (callId: string, ...parts: readonly Part[]): Message => ({
  role: 'tool',
  parts: [{ type: 'toolResult', callId, name: 'f', parts, isError: false }],
});
const PNG: Part = { type: 'image', source: { kind: 'inline', mime: 'image/png', data: 'QUJD' }, detail: null };
const PNG_PART = { type: 'image_url', image_url: { url: 'data:image/png;base64,QUJD' } };

describe('A chat body for an upstream', () => {
  it('states the model, the limit and nothing that was not said', () => {
    expect(body()).toEqual({
      model: 'vendor/model-1',
      messages: [{ role: 'user', content: 'hi' }],
      stream: false,
      max_completion_tokens: 100,
    });
  });

  it('is posted as JSON', async () => {
    const request = await openaiProtocol.ask(asked({ streamed: true }), channel());
    expect(request).toMatchObject({
      method: 'POST',
      path: '/chat/completions',
      headers: { 'content-type': 'application/json', accept: 'text/event-stream' },
    });
    expect(JSON.parse(String(request.body))).toEqual(body({ streamed: true }));
  });

  it('carries every control', () => {
    const sampling = {
      temperature: 0,
      topP: 0.5,
      topK: 40,
      presencePenalty: -1,
      frequencyPenalty: 1,
      seed: 7,
      stop: ['a', 'b', 'c', 'd', 'e'],
    };
    const controls = body({ sampling, choices: 2 });
    expect(controls).toMatchObject({
      n: 2,
      temperature: 0,
      top_p: 0.5,
      presence_penalty: -1,
      frequency_penalty: 1,
      seed: 7,
      stop: ['a', 'b', 'c', 'd'],
    });
    expect(controls).not.toHaveProperty('top_k');
  });

  it('follows the quirks of the channel', () => {
    const change: Partial<ChatPrompt> = {
      system: [{ type: 'text', text: 'Be kind.' }],
      streamed: true,
      tools: [{ name: 'f', description: null, parameters: null, strict: null }],
      parallelTools: false,
    };
    expect(body(change)).toMatchObject({
      messages: [{ role: 'system', content: 'Be kind.' }, { role: 'user' }],
      stream_options: { include_usage: true },
      parallel_tool_calls: false,
      max_completion_tokens: 100,
    });
    const old = body(change, {
      supportsStreamOptions: false,
      supportsParallelTools: false,
      maxTokensField: 'max_tokens',
      stripsParams: ['stream', 'max_tokens'],
    });
    expect(old).toEqual({
      model: 'vendor/model-1',
      messages: [
        { role: 'system', content: 'Be kind.' },
        { role: 'user', content: 'hi' },
      ],
      tools: [{ type: 'function', function: { name: 'f' } }],
      max_tokens: 100,
    });
  });

  it('carries tools and their choice', () => {
    const tools = [{ name: 'f', description: 'd', parameters: { type: 'object' }, strict: true }];
    expect(body({ tools, toolChoice: { kind: 'tool', name: 'f' } })).toMatchObject({
      tools: [
        { type: 'function', function: { name: 'f', description: 'd', parameters: { type: 'object' }, strict: true } },
      ],
      tool_choice: { type: 'function', function: { name: 'f' } },
    });
    expect(body({ tools, toolChoice: { kind: 'required' } })['tool_choice']).toBe('required');
    expect(body({ toolChoice: { kind: 'auto' }, parallelTools: true })).toEqual(body());
  });

  it('carries the format of the answer', () => {
    expect(body({ format: { kind: 'json' } })['response_format']).toEqual({ type: 'json_object' });
    const asking: readonly Message[] = [user(text('as json, please'))];
    expect(body({ format: { kind: 'json' }, messages: asking })['messages']).toEqual([
      { role: 'user', content: 'as json, please' },
    ]);
    // Without that word OpenAI refuses the format.
    expect(body({ format: { kind: 'json' } })['messages']).toEqual([
      { role: 'system', content: 'Answer with one JSON object and nothing else.' },
      { role: 'user', content: 'hi' },
    ]);
    const schema = { type: 'object' };
    expect(body({ format: { kind: 'schema', name: 'n', schema, strict: true } })['response_format']).toEqual({
      type: 'json_schema',
      json_schema: { name: 'n', schema, strict: true },
    });
  });

  it.each<[Partial<Reasoning>, string | undefined]>([
    [{ effort: 'none' }, undefined],
    [{ effort: 'xhigh', budgetTokens: 1 }, 'xhigh'],
    [{}, 'medium'],
    [{ budgetTokens: 0 }, undefined],
    [{ budgetTokens: 2_048 }, 'low'],
    [{ budgetTokens: 2_049 }, 'medium'],
    [{ budgetTokens: 8_193 }, 'high'],
  ])('says of the reasoning %j that it is %s', (reasoning, effort) => {
    const whole: Reasoning = { effort: null, budgetTokens: null, shown: true, ...reasoning };
    expect(body({ reasoning: whole })['reasoning_effort']).toBe(effort);
  });
});

describe('The messages for an upstream', () => {
  it('begin with the instructions, parted by blank lines and without cache marks', () => {
    const system = [
      { type: 'text', text: 'Be kind.', cache: '5m' } as const,
      { type: 'text', text: 'Be brief.' } as const,
    ];
    expect(body({ system })['messages']).toEqual([
      { role: 'system', content: 'Be kind.\n\nBe brief.' },
      { role: 'user', content: 'hi' },
    ]);
  });

  it('carry media inline or by address', () => {
    const url = 'https://x.test/a.png';
    const content = [
      text('see'),
      PNG,
      { type: 'image', source: { kind: 'url', url, mime: null }, detail: 'low' },
      { type: 'audio', source: { kind: 'inline', mime: 'audio/mpeg', data: 'QUJD' } },
      { type: 'file', source: { kind: 'inline', mime: 'application/pdf', data: 'QUJD' }, name: 'a.pdf' },
      { type: 'file', source: { kind: 'inline', mime: 'text/plain', data: 'w6Q=' }, name: null },
    ] as const;
    expect(messages(user(...content))).toEqual([
      {
        role: 'user',
        content: [
          { type: 'text', text: 'see' },
          PNG_PART,
          { type: 'image_url', image_url: { url, detail: 'low' } },
          { type: 'input_audio', input_audio: { data: 'QUJD', format: 'mp3' } },
          { type: 'file', file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,QUJD' } },
          { type: 'text', text: 'ä' },
        ],
      },
    ]);
  });

  it('have all results of a turn first, and their images behind the last of them', () => {
    const turn = [
      assistant(text('I will '), text('look.'), call('a'), call('b')),
      result('a', text('one'), PNG, text('two')),
      result('b', text('three')),
      user(text('go on')),
    ];
    const asCall = (id: string) => ({ id, type: 'function', function: { name: 'f', arguments: '{"x":1}' } });
    expect(messages(...turn)).toEqual([
      { role: 'assistant', content: 'I will look.', tool_calls: [asCall('a'), asCall('b')] },
      { role: 'tool', tool_call_id: 'a', content: 'one\ntwo' },
      { role: 'tool', tool_call_id: 'b', content: 'three' },
      { role: 'user', content: [PNG_PART, { type: 'text', text: 'go on' }] },
    ]);
  });

  it('have results first also where the turn says something before them', () => {
    const mixed = user(text('go on'), ...result('a', text('one')).parts);
    expect(messages(assistant(call('a')), mixed).slice(1)).toEqual([
      { role: 'tool', tool_call_id: 'a', content: 'one' },
      { role: 'user', content: 'go on' },
    ]);
  });

  it('end with the images of the last results', () => {
    expect(messages(result('a', PNG))).toEqual([
      { role: 'tool', tool_call_id: 'a', content: '' },
      { role: 'user', content: [PNG_PART] },
    ]);
  });

  it('have ids of calls that OpenAI takes, the same for a call and its result', () => {
    const longest = `call_${'x'.repeat(35)}`;
    const ids = (id: string) => {
      const [asked, answered] = messages(assistant(call(id)), result(id, text('one'))) as Record<string, unknown>[];
      return [(asked?.['tool_calls'] as { id: string }[])[0]?.id, answered?.['tool_call_id']];
    };
    expect(ids(longest)).toEqual([longest, longest]);
    const [shortened, same] = ids(`${longest}y`);
    expect(shortened).toMatch(/^call_[0-9a-f]{32}$/);
    expect(same).toBe(shortened);
  });

  it('say that a tool failed where its result has no text', () => {
    const failed: Part = { type: 'toolResult', callId: 'a', name: 'f', parts: [], isError: true };
    expect(messages(assistant(call('a')), { role: 'tool', parts: [failed] })[1]).toEqual({
      role: 'tool',
      tool_call_id: 'a',
      content: 'The tool failed.',
    });
  });

  it('have no thinking, and no turn that was nothing else', () => {
    const thinking: Part = { type: 'thinking', text: 'hm', signature: 's' };
    const redacted: Part = { type: 'redactedThinking', data: 'x' };
    expect(
      messages(assistant(thinking, redacted), assistant(thinking, text('a')), assistant(thinking, call('a'))),
    ).toEqual([
      { role: 'assistant', content: 'a' },
      { role: 'assistant', content: null, tool_calls: [expect.objectContaining({ id: 'a' })] },
    ]);
  });

  it('give a refusal back as what was said', () => {
    expect(messages(assistant({ type: 'refusal', text: 'No.' }))).toEqual([{ role: 'assistant', content: 'No.' }]);
  });

  it.each<[string, Message]>([
    ['a file of another provider', user({ type: 'file', source: { kind: 'providerFile', id: 'f' }, name: null })],
    ['an image of another provider', user({ type: 'image', source: { kind: 'providerFile', id: 'f' }, detail: null })],
    [
      'a file by address',
      user({ type: 'file', source: { kind: 'url', url: 'https://x.test', mime: null }, name: null }),
    ],
    ['audio by address', user({ type: 'audio', source: { kind: 'url', url: 'https://x.test', mime: null } })],
    ['audio of another kind', user({ type: 'audio', source: { kind: 'inline', mime: 'audio/ogg', data: 'QUJD' } })],
    ['an image that an assistant made', assistant(PNG)],
    ['a call by a user', user(call('a'))],
  ])('cannot carry %s', (_what, message) => {
    expect(() => messages(message)).toThrow(
      expect.objectContaining({ name: 'ApiError', code: 'unsupported_parameter', param: 'messages' }),
    );
  });
});
