import { describe, expect, it } from 'vitest';
import { ApiError } from '../../../../services/http/errors.ts';
import type { ChatPrompt } from '../../../../services/relay/canonical/prompt.ts';
import { chatPrompt, generatePrompt } from '../../../../services/relay/dialects/ollama/prompt.ts';
import { parseOllamaChat, parseOllamaGenerate } from '../../../../services/relay/dialects/ollama/request.ts';
import { bytes, JPEG, MAX_DEPTH, PNG, prompt, WEBP } from './ollamaFixtures.ts';

const HI = { role: 'user', content: 'hi' };

function chat(change: object = {}): ChatPrompt {
  return chatPrompt(parseOllamaChat(bytes({ model: 'llama3', messages: [HI], ...change }), MAX_DEPTH));
}

function generate(change: object = {}): ChatPrompt {
  return generatePrompt(parseOllamaGenerate(bytes({ model: 'llama3', prompt: 'hi', ...change }), MAX_DEPTH));
}

function refusal(attempt: () => unknown): { code: string; param: string | null } {
  try {
    attempt();
  } catch (error) {
    if (error instanceof ApiError) return { code: error.code, param: error.param };
    throw error;
  }
  throw new Error('nothing was refused');
}

const spoken = (...messages: object[]) => chat({ messages }).messages;
const picture = (mime: string, data: string) => ({
  type: 'image',
  source: { kind: 'inline', mime, data },
  detail: null,
});

describe('A body of /chat', () => {
  it('streams only when it says so', () => {
    const streamed = (body: object) =>
      parseOllamaChat(bytes({ model: 'm', messages: [HI], ...body }), MAX_DEPTH).streamed;
    expect([{}, { stream: null }, { stream: false }, { stream: true }].map(streamed)).toEqual([
      false,
      false,
      false,
      true,
    ]);
  });

  it.each([
    [{}, null],
    [{ options: null }, null],
    [{ options: { num_predict: 5 } }, 5],
    [{ options: { num_predict: 0 } }, null],
    [{ options: { num_predict: -1 } }, null],
    [{ options: { num_predict: -2 } }, null],
    [{ options: { num_predict: null } }, null],
  ])('with %j allows %j tokens', (change, limit) => expect(chat(change).maxOutput).toBe(limit));

  it.each([
    [{ messages: undefined }, 'messages'],
    [{ messages: null }, 'messages'],
    [{ messages: [] }, 'messages'],
    [{ messages: 'hi' }, 'messages'],
    [{ messages: undefined, model: undefined }, 'messages'],
    [{ model: undefined }, 'model'],
    [{ model: '' }, 'model'],
    [{ messages: [{ role: 'developer', content: 'x' }] }, 'messages.0.role'],
    [{ messages: [{ role: 'user', content: [{ type: 'text', text: 'x' }] }] }, 'messages.0.content'],
    [{ messages: [{ role: 'user', images: [7] }] }, 'messages.0.images.0'],
    [
      { messages: [{ role: 'assistant', tool_calls: [{ function: { name: 'a', arguments: '{}' } }] }] },
      'messages.0.tool_calls.0.function.arguments',
    ],
    [{ stream: 'yes' }, 'stream'],
    [{ options: { num_predict: 1.5 } }, 'options.num_predict'],
    [{ options: { temperature: 3 } }, 'options.temperature'],
    [{ options: { stop: 'x' } }, 'options.stop'],
    [{ format: 'xml' }, 'format'],
    [{ think: 'hard' }, 'think'],
    [{ tools: [{ type: 'function' }] }, 'tools.0.function'],
  ])('with %j is refused for %s', (change, param) => {
    expect(refusal(() => chat(change))).toEqual({ code: 'invalid_request', param });
  });

  it('that is no JSON, or states a member twice or in other letters, is refused', () => {
    const parse = (text: string) => refusal(() => parseOllamaChat(bytes(text), MAX_DEPTH));
    expect(parse('{')).toEqual({ code: 'invalid_json', param: null });
    const rest = '"model":"m","messages":[{"role":"user","content":"x"}]';
    expect(parse(`{${rest},"options":{},"options":{}}`)).toEqual({ code: 'invalid_request', param: 'options' });
    expect(parse(`{${rest},"Options":{"num_predict":-1}}`)).toEqual({ code: 'invalid_request', param: 'options' });
  });
});

describe('A conversation of an Ollama client', () => {
  it('is a prompt', () => expect(chat()).toEqual(prompt({ streamed: false })));

  it('has its instructions apart, thinking before the text, and images by what they are', () => {
    const messages = [
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'What?', images: [PNG, JPEG, WEBP.toString('base64')] },
      { role: 'assistant', content: 'A cat.', thinking: 'hm' },
      { role: 'system', content: 'Be kind.' },
      { role: 'user', content: '' },
      { role: 'user', content: null, images: ['R0lGODlhAQABAAAAACw='] },
    ];
    const read = chat({ messages });
    expect(read.system).toEqual([
      { type: 'text', text: 'Be brief.' },
      { type: 'text', text: 'Be kind.' },
    ]);
    expect(read.messages).toEqual([
      {
        role: 'user',
        parts: [
          { type: 'text', text: 'What?' },
          picture('image/png', PNG),
          picture('image/jpeg', JPEG),
          picture('image/webp', WEBP.toString('base64')),
        ],
      },
      {
        role: 'assistant',
        parts: [
          { type: 'thinking', text: 'hm', signature: null },
          { type: 'text', text: 'A cat.' },
        ],
      },
      { role: 'user', parts: [picture('image/gif', 'R0lGODlhAQABAAAAACw=')] },
    ]);
  });

  it('takes images beside the messages as those of the last user', () => {
    const messages = [HI, { role: 'user', content: 'b', images: [PNG] }, { role: 'assistant', content: 'c' }];
    expect(chat({ messages, images: [JPEG] }).messages[1]).toEqual({
      role: 'user',
      parts: [{ type: 'text', text: 'b' }, picture('image/png', PNG), picture('image/jpeg', JPEG)],
    });
    const alone = { messages: [{ role: 'assistant', content: 'c' }], images: [JPEG] };
    expect(refusal(() => chat(alone))).toEqual({ code: 'invalid_request', param: 'images' });
  });

  it.each(['https://example.com/a.png', 'data:image/png;base64,iVBORw0KGgo=', 'AAAA', 'UklGRiTxqwdXQVZFZm10IA=='])(
    'with the image %j is refused',
    (image) => {
      const body = { messages: [{ ...HI, images: [image] }] };
      expect(refusal(() => chat(body))).toEqual({ code: 'invalid_request', param: 'images' });
    },
  );

  it('keeps the ids of its tool calls', () => {
    const asked = { id: 'x', function: { name: 'now', arguments: { zone: 'UTC' } } };
    expect(
      spoken({ role: 'assistant', tool_calls: [asked] }, { role: 'tool', content: 'noon', tool_call_id: 'x' }),
    ).toEqual([
      { role: 'assistant', parts: [{ type: 'toolCall', id: 'x', name: 'now', arguments: '{"zone":"UTC"}' }] },
      { role: 'tool', parts: [answered('x', 'now', 'noon')] },
    ]);
  });

  it('pairs calls without ids by name, then by order, with ids that no other call has', () => {
    const call = (name: string, id?: string) => ({ id, function: { name } });
    const result = (content: string, name?: string) => ({ role: 'tool', content, tool_name: name });
    const read = spoken(
      { role: 'assistant', tool_calls: [call('a'), call('b'), call('a'), call('c', 'call_1')] },
      result('1', 'b'),
      result('2', 'a'),
      result('3', 'a'),
      result('4'),
    );
    expect(read[0]?.parts.map((part) => part.type === 'toolCall' && [part.id, part.name, part.arguments])).toEqual([
      ['call_0', 'a', '{}'],
      ['call_2', 'b', '{}'],
      ['call_3', 'a', '{}'],
      ['call_1', 'c', '{}'],
    ]);
    expect(read.slice(1).flatMap(({ parts }) => parts)).toEqual([
      answered('call_2', 'b', '1'),
      answered('call_0', 'a', '2'),
      answered('call_3', 'a', '3'),
      answered('call_1', 'c', '4'),
    ]);
  });

  it.each([
    [{ role: 'tool', content: 'x' }],
    [{ role: 'tool', content: 'x', tool_call_id: 'y' }],
    [{ role: 'tool', content: 'x', tool_name: 'now' }],
  ])('with the result %j of no call is refused', (result) => {
    expect(refusal(() => chat({ messages: [result] }))).toEqual({ code: 'invalid_request', param: 'messages' });
  });

  it('has functions as tools, and nothing else', () => {
    const parameters = { type: 'object', properties: {} };
    const named = { function: { name: 'now' } };
    expect(
      chat({ tools: [{ type: 'function', function: { name: 'find', description: 'Finds.', parameters } }, named] })
        .tools,
    ).toEqual([
      { name: 'find', description: 'Finds.', parameters, strict: null },
      { name: 'now', description: null, parameters: null, strict: null },
    ]);
    expect(refusal(() => chat({ tools: [{ ...named, type: 'web_search' }] }))).toEqual({
      code: 'unsupported_parameter',
      param: 'tools',
    });
  });

  it('has the sampling of its options, in which no top-k and no seed have their own numbers', () => {
    const options = { temperature: 0, top_p: 0.5, top_k: 7, presence_penalty: 1, frequency_penalty: -1, seed: 3 };
    expect(chat({ options: { ...options, stop: ['a'], num_ctx: 8_192 } }).sampling).toEqual({
      temperature: 0,
      topP: 0.5,
      topK: 7,
      presencePenalty: 1,
      frequencyPenalty: -1,
      seed: 3,
      stop: ['a'],
    });
    expect(chat({ options: { top_k: 0, seed: -1 } }).sampling).toEqual(prompt().sampling);
  });

  it('states its format', () => {
    const schema = { type: 'object' };
    const format = (value: unknown) => chat({ format: value }).format;
    expect([format(''), format(null), format('json'), format(schema)]).toEqual([
      null,
      null,
      { kind: 'json' },
      { kind: 'schema', name: 'answer', schema, strict: null },
    ]);
  });

  it.each([
    [null, null],
    [true, { effort: null, budgetTokens: null, shown: true }],
    [false, { effort: 'none', budgetTokens: null, shown: false }],
    ['medium', { effort: 'medium', budgetTokens: null, shown: true }],
    ['max', { effort: 'max', budgetTokens: null, shown: true }],
  ])('thinks for %j: %j', (think, reasoning) => expect(chat({ think }).reasoning).toEqual(reasoning));

  it('cannot be told probabilities', () => {
    const refused = { code: 'unsupported_parameter', param: 'logprobs' };
    expect(refusal(() => chat({ logprobs: true }))).toEqual(refused);
    expect(refusal(() => generate({ logprobs: true }))).toEqual(refused);
  });
});

describe('A body of /generate', () => {
  it('is one message of a user', () => {
    expect(generate({ stream: true })).toEqual(prompt());
    expect(generate({ system: 'Be brief.', images: [PNG], options: { num_predict: 9 } })).toEqual({
      ...prompt({ streamed: false, maxOutput: 9 }),
      system: [{ type: 'text', text: 'Be brief.' }],
      messages: [{ role: 'user', parts: [{ type: 'text', text: 'hi' }, picture('image/png', PNG)] }],
    });
  });

  it.each([[{ prompt: undefined }], [{ prompt: null }], [{ prompt: '' }], [{ prompt: undefined, model: undefined }]])(
    'with %j lacks its prompt',
    (change) => expect(refusal(() => generate(change))).toEqual({ code: 'invalid_request', param: 'prompt' }),
  );

  it.each([
    ['raw', true],
    ['suffix', 'x'],
    ['template', '{{ .Prompt }}'],
    ['context', [1, 2]],
  ])('with %s goes to Ollama servers only', (param, value) => {
    expect(refusal(() => generate({ [param]: value }))).toEqual({ code: 'unsupported_parameter', param });
  });

  it('with empty members of that kind goes everywhere', () => {
    const empty = { raw: false, suffix: '', template: '', context: [], system: '', images: [], logprobs: false };
    expect(generate(empty)).toEqual(prompt({ streamed: false }));
  });
});

function answered(callId: string, name: string, text: string) {
  return { type: 'toolResult', callId, name, parts: [{ type: 'text', text }], isError: false };
}
