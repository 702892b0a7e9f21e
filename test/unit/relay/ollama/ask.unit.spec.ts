import { describe, expect, it } from 'vitest';
import type { ChatPrompt, Message, Part, Reasoning } from '../../../../services/relay/canonical/prompt.ts';
import { ollamaProtocol } from '../../../../services/relay/dialects/ollama/upstream.ts';
import { ApiError } from '../../../../services/http/errors.ts';
import type { UpstreamRequest } from '../../../../services/relay/call.ts';
import { channel, JPEG, PNG, prompt } from './ollamaFixtures.ts';

function request(change: Partial<ChatPrompt> = {}): UpstreamRequest {
  const asked = { ...prompt(change), maxOutput: 256, requestId: 'r', endUser: 'u' };
  return ollamaProtocol.ask(asked, channel('ollama', 'llama3:8b')) as UpstreamRequest;
}

function body(change: Partial<ChatPrompt> = {}): Record<string, unknown> {
  return JSON.parse(request(change).body?.toString() ?? '') as Record<string, unknown>;
}

function refusal(change: Partial<ChatPrompt>): { code: string; param: string | null } {
  try {
    request(change);
  } catch (error) {
    if (error instanceof ApiError) return { code: error.code, param: error.param };
    throw error;
  }
  throw new Error('nothing was refused');
}

const messages = (...list: Message[]): Partial<ChatPrompt> => ({ messages: list });
const user = (...parts: Part[]): Message => ({ role: 'user', parts });
const text = (value: string): Part => ({ type: 'text', text: value });
const image = (data: string): Part => ({
  type: 'image',
  source: { kind: 'inline', mime: 'image/png', data },
  detail: 'high',
});
const call = (id: string, name: string, input = '{"city":"X"}'): Part => ({
  type: 'toolCall',
  id,
  name,
  arguments: input,
});
const result = (callId: string, name: string | null, ...parts: Part[]): Part => ({
  type: 'toolResult',
  callId,
  name,
  parts,
  isError: true,
});

describe('A prompt for Ollama', () => {
  it('is a POST of JSON that always states whether it streams, and its limit', () => {
    const { method, path, headers } = request();
    expect({ method, path, headers }).toEqual({
      method: 'POST',
      path: '/api/chat',
      headers: { 'content-type': 'application/json', accept: 'application/x-ndjson' },
    });
    expect(body()).toEqual({
      model: 'llama3:8b',
      messages: [{ role: 'user', content: 'hi' }],
      stream: true,
      options: { num_predict: 256 },
    });
    expect(body({ streamed: false })['stream']).toBe(false);
    expect(request({ streamed: false }).headers['accept']).toBe('application/json');
  });

  it('states sampling by the names of its options', () => {
    const sampling = {
      temperature: 0,
      topP: 0.9,
      topK: 40,
      presencePenalty: -1,
      frequencyPenalty: 0.5,
      seed: 0,
      stop: ['END'],
    };
    expect(body({ sampling })['options']).toEqual({
      num_predict: 256,
      temperature: 0,
      top_p: 0.9,
      top_k: 40,
      presence_penalty: -1,
      frequency_penalty: 0.5,
      seed: 0,
      stop: ['END'],
    });
  });

  it('has one system message, first', () => {
    const system = [text('Be brief.'), text(''), text('Be kind.')] as ChatPrompt['system'];
    expect(body({ system })['messages']).toEqual([
      { role: 'system', content: 'Be brief.\n\nBe kind.' },
      { role: 'user', content: 'hi' },
    ]);
  });

  it('joins texts, and has images as raw base64 beside them', () => {
    const { messages: sent } = body(messages(user(text('What'), image(PNG), text('is this?'), image(JPEG))));
    expect(sent).toEqual([{ role: 'user', content: 'What\nis this?', images: [PNG, JPEG] }]);
  });

  it('has tool calls with objects, and results with the looked-up name', () => {
    const { messages: sent } = body(
      messages(
        {
          role: 'assistant',
          parts: [{ type: 'thinking', text: 'hm', signature: 's' }, call('c1', 'weather'), call('c2', 'now', '')],
        },
        { role: 'tool', parts: [result('c2', null, text('noon')), result('c1', null, text('sun'), image(PNG))] },
        { role: 'tool', parts: [result('zz', 'other', text('x')), text('and now?')] },
      ),
    );
    expect(sent).toEqual([
      {
        role: 'assistant',
        content: '',
        thinking: 'hm',
        tool_calls: [
          { id: 'c1', function: { name: 'weather', arguments: { city: 'X' } } },
          { id: 'c2', function: { name: 'now', arguments: {} } },
        ],
      },
      { role: 'tool', content: 'noon', tool_name: 'now', tool_call_id: 'c2' },
      { role: 'tool', content: 'sun', images: [PNG], tool_name: 'weather', tool_call_id: 'c1' },
      { role: 'tool', content: 'x', tool_name: 'other', tool_call_id: 'zz' },
      { role: 'user', content: 'and now?' },
    ]);
  });

  it('leaves out messages of which nothing is left', () => {
    const { messages: sent } = body(
      messages({ role: 'assistant', parts: [{ type: 'redactedThinking', data: 'x' }] }, user(text('')), {
        role: 'assistant',
        parts: [{ type: 'refusal', text: 'No.' }],
      }),
    );
    expect(sent).toEqual([{ role: 'assistant', content: 'No.' }]);
  });

  it('offers its tools unless none may be called', () => {
    const tools = [
      { name: 'now', description: null, parameters: null, strict: true },
      { name: 'find', description: 'Finds.', parameters: { type: 'object' }, strict: null },
    ];
    const offered = [
      { type: 'function', function: { name: 'now', parameters: { type: 'object', properties: {} } } },
      { type: 'function', function: { name: 'find', description: 'Finds.', parameters: { type: 'object' } } },
    ];
    expect(body({ tools })['tools']).toEqual(offered);
    expect(body({ tools, toolChoice: { kind: 'auto' }, parallelTools: true })['tools']).toEqual(offered);
    expect(body({ tools, toolChoice: { kind: 'none' }, parallelTools: false })).not.toHaveProperty('tools');
  });

  it('states its format', () => {
    expect(body({ format: { kind: 'json' } })['format']).toBe('json');
    const schema = { type: 'object', properties: { a: { type: 'string' } } };
    expect(body({ format: { kind: 'schema', name: 'x', schema, strict: true } })['format']).toEqual(schema);
  });

  it.each<[Partial<Reasoning>, unknown]>([
    [{ effort: 'none' }, false],
    [{ effort: 'minimal' }, 'low'],
    [{ effort: 'low' }, 'low'],
    [{ effort: 'medium' }, 'medium'],
    [{ effort: 'high', budgetTokens: 0 }, 'high'],
    [{ effort: 'xhigh' }, 'max'],
    [{ effort: 'max' }, 'max'],
    [{ budgetTokens: 0 }, false],
    [{ budgetTokens: 2_048 }, 'low'],
    [{ budgetTokens: 8_192 }, 'medium'],
    [{ budgetTokens: 8_193 }, 'high'],
    [{ budgetTokens: -1 }, true],
    [{ shown: true }, true],
    [{}, undefined],
  ])('thinks for %j: %j', (change, think) => {
    const reasoning = { effort: null, budgetTokens: null, shown: false, ...change };
    expect(body({ reasoning })['think']).toBe(think);
  });
});

describe('Ollama is not asked', () => {
  const tools = [{ name: 'now', description: null, parameters: null, strict: null }];
  const url = { kind: 'url', url: 'https://example.com/a.png', mime: null } as const;
  const inline = { kind: 'inline', mime: 'x/y', data: 'AA==' } as const;

  it.each<[string, Partial<ChatPrompt>, string]>([
    ['to call a tool at any rate', { tools, toolChoice: { kind: 'required' } }, 'tool_choice'],
    ['to call one tool', { tools, toolChoice: { kind: 'tool', name: 'now' } }, 'tool_choice'],
    ['for at most one call', { tools, parallelTools: false }, 'parallel_tool_calls'],
    ['for several answers', { choices: 2 }, 'n'],
    ['to fetch an image', messages(user({ type: 'image', source: url, detail: null })), 'messages'],
    [
      'for a file of another provider',
      messages(user({ type: 'image', source: { kind: 'providerFile', id: 'f' }, detail: null })),
      'messages',
    ],
    ['to hear', messages(user({ type: 'audio', source: inline })), 'messages'],
    ['to read files', messages(user({ type: 'file', source: inline, name: null })), 'messages'],
    [
      'to look at the files of a tool',
      messages({ role: 'tool', parts: [result('a', 'now', { type: 'file', source: inline, name: null })] }),
      'messages',
    ],
  ])('%s', (_what, change, param) => expect(refusal(change)).toEqual({ code: 'unsupported_parameter', param }));

  it.each<[string, Partial<ChatPrompt>]>([
    ['with a result of a call that nobody made', messages({ role: 'tool', parts: [result('c1', null, text('x'))] })],
    [
      'with a result before its call',
      messages({ role: 'tool', parts: [result('c1', null)] }, { role: 'assistant', parts: [call('c1', 'now')] }),
    ],
    ['with arguments that are no object', messages({ role: 'assistant', parts: [call('c1', 'now', '[1]')] })],
    ['with arguments that are no JSON', messages({ role: 'assistant', parts: [call('c1', 'now', '{"a')] })],
    ['without any content, which would load the model', messages(user(text('')))],
    ['without messages', messages()],
  ])('%s', (_what, change) => expect(refusal(change)).toEqual({ code: 'invalid_request', param: 'messages' }));
});
