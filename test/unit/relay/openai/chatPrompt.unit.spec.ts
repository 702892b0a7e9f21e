import { describe, expect, it } from 'vitest';
import { chatPrompt } from '../../../../services/relay/dialects/openai/chatPrompt.ts';
import { chatRequest } from '../chatFixtures.ts';

function prompt(change: Readonly<Record<string, unknown>> = {}) {
  return chatPrompt(chatRequest(change).body);
}

function messages(...given: readonly object[]) {
  return prompt({ messages: given });
}

/** The parts of one user message with these parts. */
function parts(...content: readonly object[]) {
  return messages({ role: 'user', content }).messages[0]?.parts;
}

function refusal(code: 'invalid_request' | 'unsupported_parameter', param: string): Error {
  return expect.objectContaining({ name: 'ApiError', code, param }) as Error;
}

const call = (id: string, json: unknown, name = 'f') => ({ id, type: 'function', function: { name, arguments: json } });
const URL_OF_IMAGE = 'https://x.test/a.png';

describe('A chat in canonical form', () => {
  it('has nothing that the client did not say', () => {
    expect(prompt()).toEqual({
      system: [],
      messages: [{ role: 'user', parts: [{ type: 'text', text: 'hi' }] }],
      tools: [],
      toolChoice: null,
      parallelTools: null,
      sampling: {
        temperature: null,
        topP: null,
        topK: null,
        presencePenalty: null,
        frequencyPenalty: null,
        seed: null,
        stop: [],
      },
      format: null,
      reasoning: null,
      maxOutput: null,
      choices: 1,
      streamed: false,
      session: null,
    });
  });

  it('carries every control', () => {
    const body = {
      ...{ temperature: 2, top_p: 0.5, top_k: 40, presence_penalty: -2, frequency_penalty: 2, seed: 7 },
      ...{ max_tokens: 5, max_completion_tokens: 6, n: 2, stream: true, parallel_tool_calls: false },
      ...{ stop: ['a', 'b'], user: 'u', store: true, metadata: { a: 'b' }, logit_bias: { 1: 2 }, logprobs: false },
    };
    expect(prompt(body)).toMatchObject({
      sampling: {
        temperature: 2,
        topP: 0.5,
        topK: 40,
        presencePenalty: -2,
        frequencyPenalty: 2,
        seed: 7,
        stop: ['a', 'b'],
      },
      ...{ maxOutput: 6, choices: 2, streamed: true, parallelTools: false },
    });
    expect(prompt({ stop: 'a', max_tokens: 5 })).toMatchObject({ sampling: { stop: ['a'] }, maxOutput: 5 });
  });

  it.each([
    [{ reasoning_effort: 'high' }, { effort: 'high', budgetTokens: null, shown: true }],
    [{ reasoning: { max_tokens: 2_000, exclude: true } }, { effort: null, budgetTokens: 2_000, shown: false }],
    [{ reasoning: { enabled: false } }, { effort: 'none', budgetTokens: null, shown: true }],
    [{ reasoning: { effort: 'low' } }, { effort: 'low', budgetTokens: null, shown: true }],
  ])('reads the reasoning of %j', (body, reasoning) => {
    expect(prompt(body).reasoning).toEqual(reasoning);
  });

  it.each([
    [{ type: 'text' }, null],
    [{ type: 'json_object' }, { kind: 'json' }],
    [
      { type: 'json_schema', json_schema: { name: 'n', schema: { type: 'object' }, strict: true } },
      { kind: 'schema', name: 'n', schema: { type: 'object' }, strict: true },
    ],
  ])('reads the format %j', (response_format, format) => {
    expect(prompt({ response_format }).format).toEqual(format);
  });

  it.each([
    [{ modalities: ['text', 'audio'] }, 'modalities'],
    [{ audio: { voice: 'alloy', format: 'wav' } }, 'audio'],
    [{ logprobs: true }, 'logprobs'],
    [{ top_logprobs: 2 }, 'top_logprobs'],
    [{ web_search_options: {} }, 'web_search_options'],
    [{ response_format: { type: 'grammar' } }, 'response_format.type'],
    [{ tools: [{ type: 'custom', custom: { name: 'c' } }] }, 'tools.0.type'],
    [{ tool_choice: { type: 'allowed_tools', allowed_tools: {} } }, 'tool_choice.type'],
  ])('cannot be made of %j', (body, param) => {
    expect(() => prompt(body)).toThrow(refusal('unsupported_parameter', param));
  });

  it.each([
    [{ stop: 7 }, 'stop'],
    [{ reasoning_effort: 'much' }, 'reasoning_effort'],
    [{ response_format: { type: 'json_schema' } }, 'response_format.json_schema'],
    [{ response_format: { type: 'json_schema', json_schema: { name: 'n' } } }, 'response_format.json_schema.schema'],
    [{ tools: [{ type: 'function' }] }, 'tools.0.function'],
    [{ tools: [{ type: 'function', function: { name: '' } }] }, 'tools.0.function.name'],
    [{ tools: [{ type: 'function', function: { name: 'f', parameters: [] } }] }, 'tools.0.function.parameters'],
    [{ functions: {} }, 'functions'],
    [{ tool_choice: 'often' }, 'tool_choice'],
    [{ tool_choice: { type: 'function' } }, 'tool_choice.name'],
  ])('is refused when it has %j', (body, param) => {
    expect(() => prompt(body)).toThrow(refusal('invalid_request', param));
  });
});

describe('Tools in canonical form', () => {
  it('are functions, with or without parameters', () => {
    const tools = [
      { type: 'function', function: { name: 'f', description: 'd', parameters: { type: 'object' }, strict: true } },
      { type: 'function', function: { name: 'g' } },
    ];
    const tool_choice = { type: 'function', function: { name: 'g' } };
    expect(prompt({ tools, tool_choice })).toMatchObject({
      tools: [
        { name: 'f', description: 'd', parameters: { type: 'object' }, strict: true },
        { name: 'g', description: null, parameters: null, strict: null },
      ],
      toolChoice: { kind: 'tool', name: 'g' },
    });
  });

  it('may be the functions of old, of which one is called at a time', () => {
    const read = prompt({ functions: [{ name: 'f' }], function_call: { name: 'f' } });
    expect(read).toMatchObject({
      tools: [{ name: 'f' }],
      toolChoice: { kind: 'tool', name: 'f' },
      parallelTools: false,
    });
    expect(prompt({ function_call: 'none' }).toolChoice).toEqual({ kind: 'none' });
  });
});

describe('Messages in canonical form', () => {
  it('have their instructions apart, wherever they stood', () => {
    const marked = { type: 'text', text: 'b', cache_control: { type: 'ephemeral', ttl: '1h' } };
    const read = messages(
      { role: 'system', content: 'a' },
      { role: 'user', content: 'hi' },
      { role: 'developer', content: [marked, { type: 'text', text: 'c', cache_control: { type: 'ephemeral' } }] },
    );
    expect(read.system).toEqual([
      { type: 'text', text: 'a' },
      { type: 'text', text: 'b', cache: '1h' },
      { type: 'text', text: 'c', cache: '5m' },
    ]);
    expect(read.messages).toEqual([{ role: 'user', parts: [{ type: 'text', text: 'hi' }] }]);
  });

  it.each([
    [
      { type: 'image_url', image_url: { url: URL_OF_IMAGE, detail: 'low' } },
      { type: 'image', source: { kind: 'url', url: URL_OF_IMAGE, mime: null }, detail: 'low' },
    ],
    [
      { type: 'image_url', image_url: 'data:image/PNG;charset=x;base64,QUJD' },
      { type: 'image', source: { kind: 'inline', mime: 'image/png', data: 'QUJD' }, detail: null },
    ],
    [
      { type: 'input_audio', input_audio: { data: 'QUJD', format: 'mp3' } },
      { type: 'audio', source: { kind: 'inline', mime: 'audio/mpeg', data: 'QUJD' } },
    ],
    [
      { type: 'file', file: { file_data: 'data:application/pdf;base64,QUJD', filename: 'a.pdf' } },
      { type: 'file', source: { kind: 'inline', mime: 'application/pdf', data: 'QUJD' }, name: 'a.pdf' },
    ],
    [
      { type: 'file', file: { file_id: 'file-1' } },
      { type: 'file', source: { kind: 'providerFile', id: 'file-1' }, name: null },
    ],
  ])('have the part %j', (stated, part) => {
    expect(parts(stated)).toEqual([part]);
  });

  it('carry calls and their results, with the name that was called', () => {
    const signed = { ...call('a', '{"x":1}'), extra_content: { google: { thought_signature: 'sig' } } };
    const read = messages(
      { role: 'assistant', content: null, reasoning_content: 'hm', tool_calls: [signed, call('b', '', 'g')] },
      { role: 'tool', tool_call_id: 'b', content: [{ type: 'text', text: 'done' }] },
      { role: 'tool', tool_call_id: 'z', content: 'lost' },
    );
    const result = { type: 'toolResult', isError: false };
    expect(read.messages).toEqual([
      {
        role: 'assistant',
        parts: [
          { type: 'thinking', text: 'hm', signature: null },
          { type: 'toolCall', id: 'a', name: 'f', arguments: '{"x":1}', signature: 'sig' },
          { type: 'toolCall', id: 'b', name: 'g', arguments: '{}' },
        ],
      },
      { role: 'tool', parts: [{ ...result, callId: 'b', name: 'g', parts: [{ type: 'text', text: 'done' }] }] },
      { role: 'tool', parts: [{ ...result, callId: 'z', name: null, parts: [{ type: 'text', text: 'lost' }] }] },
    ]);
  });

  it('carry the calls of old, which have no ids', () => {
    const read = messages(
      { role: 'assistant', content: '', function_call: { name: 'f', arguments: '{}' } },
      { role: 'function', name: 'f', content: 'one' },
      { role: 'assistant', content: 'so', function_call: { name: 'f', arguments: '{}' } },
      { role: 'function', name: 'f', content: 'two' },
    );
    const ids = read.messages
      .flatMap((message) => message.parts)
      .flatMap((part) => {
        if (part.type === 'toolCall') return [part.id];
        return part.type === 'toolResult' ? [part.callId] : [];
      });
    expect(ids).toEqual(['call_0', 'call_0', 'call_1', 'call_1']);
  });

  it('carry a refusal, as a part or beside the content', () => {
    const part = { type: 'refusal', text: 'No.' };
    expect(messages({ role: 'assistant', content: [{ type: 'refusal', refusal: 'No.' }] }).messages[0]?.parts).toEqual([
      part,
    ]);
    expect(messages({ role: 'assistant', content: null, refusal: 'No.' }).messages[0]?.parts).toEqual([part]);
  });

  it('carry images of earlier answers', () => {
    const images = [{ type: 'image_url', image_url: { url: 'data:image/png;base64,QUJD' } }];
    expect(messages({ role: 'assistant', content: 'here', images }).messages[0]?.parts).toEqual([
      { type: 'text', text: 'here' },
      { type: 'image', source: { kind: 'inline', mime: 'image/png', data: 'QUJD' }, detail: null },
    ]);
  });

  it.each([
    [{ role: 'user', content: [{ type: 'video_url', video_url: {} }] }, 'messages.0.content.0.type'],
    [{ role: 'assistant', audio: { id: 'audio_1' } }, 'messages.0.audio'],
    [{ role: 'assistant', tool_calls: [{ id: 'a', type: 'custom', custom: {} }] }, 'messages.0.tool_calls.0.type'],
  ])('cannot be made of %j', (message, param) => {
    expect(() => messages(message)).toThrow(refusal('unsupported_parameter', param));
  });

  it.each([
    [{ role: 'system', content: [{ type: 'image_url' }] }, 'messages.0.content.0.type'],
    [{ role: 'user', content: [{ type: 'text' }] }, 'messages.0.content.0.text'],
    [
      { role: 'user', content: [{ type: 'image_url', image_url: { url: 'ftp://x' } }] },
      'messages.0.content.0.image_url.url',
    ],
    [
      { role: 'user', content: [{ type: 'image_url', image_url: { url: 'data:image/png,x' } }] },
      'messages.0.content.0.image_url.url',
    ],
    [{ role: 'user', content: [{ type: 'image_url' }] }, 'messages.0.content.0.image_url.url'],
    [
      { role: 'user', content: [{ type: 'input_audio', input_audio: { data: 'x' } }] },
      'messages.0.content.0.input_audio.format',
    ],
    [
      { role: 'user', content: [{ type: 'input_audio', input_audio: { format: 'wav' } }] },
      'messages.0.content.0.input_audio.data',
    ],
    [{ role: 'user', content: [{ type: 'file', file: {} }] }, 'messages.0.content.0.file.file_data'],
    [{ role: 'assistant', tool_calls: [call('', '{}')] }, 'messages.0.tool_calls.0.id'],
    [{ role: 'assistant', tool_calls: [call('a', '{}', '')] }, 'messages.0.tool_calls.0.function.name'],
    [{ role: 'assistant', tool_calls: [call('a', '{"x"')] }, 'messages.0.tool_calls.0.function.arguments'],
    [{ role: 'assistant', tool_calls: [call('a', '[1]')] }, 'messages.0.tool_calls.0.function.arguments'],
    [{ role: 'assistant', tool_calls: [call('a', 7)] }, 'messages.0.tool_calls.0.function.arguments'],
    [{ role: 'assistant', function_call: { name: 'f', arguments: '{' } }, 'messages.0.function_call.arguments'],
    [{ role: 'tool', content: 'x' }, 'messages.0.tool_call_id'],
    [{ role: 'function', name: 'f', content: 'x' }, 'messages.0.name'],
  ])('are refused when one is %j', (message, param) => {
    expect(() => messages(message)).toThrow(refusal('invalid_request', param));
  });
});
