import { describe, expect, it } from 'vitest';
import { geminiPrompt } from '../../../../services/relay/dialects/gemini/prompt.ts';
import { parseGeminiRequest } from '../../../../services/relay/dialects/gemini/request.ts';
import { ARRAY, BODY, json, refusal, STREAM, WHOLE } from './geminiFixtures.ts';

const read = (body: object | string, target = WHOLE) =>
  parseGeminiRequest(typeof body === 'string' ? Buffer.from(body) : json(body), 64, target);
const promptOf = (body: object) => geminiPrompt(read({ ...BODY, ...body }));
const configured = (generationConfig: object) => promptOf({ generationConfig });

describe('A generateContent body', () => {
  it('is read in either spelling', () => {
    const snake = {
      contents: [{ parts: [{ inline_data: { mime_type: 'image/png', data: 'aGk=' } }] }],
      system_instruction: { parts: { text: 'Be brief.' } },
      generation_config: { max_output_tokens: 9, candidate_count: 2, thinking_config: { include_thoughts: true } },
    };
    const request = read(snake);
    expect(request).toMatchObject({ maxOutput: 9, choices: 2, thoughtsShown: true, model: 'gemini-2.5-flash' });
    const prompt = geminiPrompt(request);
    expect(prompt.system).toEqual([{ type: 'text', text: 'Be brief.' }]);
    expect(prompt.messages[0]?.parts).toEqual([
      { type: 'image', source: { kind: 'inline', mime: 'image/png', data: 'aGk=' }, detail: null },
    ]);
  });

  it('says by its method and query how the answer is framed', () => {
    expect([WHOLE, STREAM, ARRAY].map((target) => read(BODY, target).framing)).toEqual(['whole', 'sse', 'array']);
  });

  it('leaves the names in the client’s own JSON alone', () => {
    const args = { my_key: { inner_key: 1 } };
    const contents = [{ role: 'model', parts: [{ function_call: { name: 'f', args } }] }];
    expect(read({ contents }).body.contents[0]?.parts?.[0]?.functionCall?.args).toEqual(args);
  });

  it('may have a single element where a list stands', () => {
    expect(read({ contents: { parts: { text: 'Hi' } } }).body.contents).toEqual([{ parts: [{ text: 'Hi' }] }]);
  });

  it.each([
    ['both spellings of a limit', '{"maxOutputTokens":1,"max_output_tokens":900}', 'maxOutputTokens'],
    ['a limit in other letters', '{"MaxOutputTokens":900}', 'maxOutputTokens'],
    ['a limit of 0', '{"maxOutputTokens":0}', 'generationConfig.maxOutputTokens'],
    ['a temperature above 2', '{"temperature":2.1}', 'generationConfig.temperature'],
  ])('is refused with %s', (_, config, param) => {
    const source = `{"contents":[{"parts":[]}],"generationConfig":${config}}`;
    expect(refusal(() => read(source))).toEqual({ code: 'invalid_request', param });
  });

  it.each([
    ['no contents', {}, 'invalid_request', 'contents'],
    ['empty contents', { contents: [] }, 'invalid_request', 'contents'],
    ['contents of strings', { contents: ['Hi'] }, 'invalid_request', 'contents.0'],
    [
      'a blob without data',
      { contents: [{ parts: [{ inlineData: { mimeType: 'a/b' } }] }] },
      'invalid_request',
      'contents.0.parts.0.inlineData.data',
    ],
    ['cached contents', { ...BODY, cachedContent: 'cachedContents/1' }, 'unsupported_parameter', 'cachedContent'],
    [
      'both spellings of the instructions',
      { ...BODY, systemInstruction: 'a', system_instruction: 'b' },
      'invalid_request',
      'systemInstruction',
    ],
  ])('is refused with %s', (_, body, code, param) => {
    expect(refusal(() => read(body))).toEqual({ code, param });
  });

  it('is refused when it is no JSON, nested too deeply or has prototype keys', () => {
    expect(refusal(() => read('{'))).toEqual({ code: 'invalid_json', param: null });
    expect(refusal(() => read('['.repeat(100)))).toEqual({ code: 'invalid_request', param: null });
    expect(refusal(() => read('{"contents":[{"parts":[{"__proto__":{}}]}]}'))).toMatchObject({
      code: 'invalid_request',
    });
  });
});

describe('A conversation of a Gemini client', () => {
  it('has roles, thoughts and calls with ids by name and order', () => {
    const contents = [
      { parts: [{ text: 'Hi' }] },
      {
        role: 'model',
        parts: [
          { text: 'Hm.', thought: true },
          { functionCall: { name: 'f', args: { a: 1 } }, thoughtSignature: 'c2ln' },
          { functionCall: { name: 'f', args: { a: 2 } } },
          { functionCall: { id: 'own', name: 'g' } },
        ],
      },
      {
        role: 'function',
        parts: [
          { functionResponse: { name: 'g', id: 'own', response: { error: 'no' } } },
          { functionResponse: { name: 'f', response: { r: 1 } } },
          { functionResponse: { name: 'f', response: { r: 2 } } },
          { text: 'Go on.' },
        ],
      },
    ];
    const resultOf = (callId: string, name: string, text: string, isError = false) => ({
      type: 'toolResult',
      callId,
      name,
      parts: [{ type: 'text', text }],
      isError,
    });
    expect(promptOf({ contents }).messages).toEqual([
      { role: 'user', parts: [{ type: 'text', text: 'Hi' }] },
      {
        role: 'assistant',
        parts: [
          { type: 'thinking', text: 'Hm.', signature: null },
          { type: 'toolCall', id: 'call_f_0', name: 'f', arguments: '{"a":1}', signature: 'c2ln' },
          { type: 'toolCall', id: 'call_f_1', name: 'f', arguments: '{"a":2}' },
          { type: 'toolCall', id: 'own', name: 'g', arguments: '{}' },
        ],
      },
      {
        role: 'tool',
        parts: [
          resultOf('own', 'g', '{"error":"no"}', true),
          resultOf('call_f_0', 'f', '{"r":1}'),
          resultOf('call_f_1', 'f', '{"r":2}'),
        ],
      },
      { role: 'user', parts: [{ type: 'text', text: 'Go on.' }] },
    ]);
  });

  it.each(['function', 'tool'])('has responses of functions under the role %s too', (role) => {
    const contents = [
      { role: 'model', parts: [{ functionCall: { name: 'f' } }] },
      { role, parts: [{ functionResponse: { name: 'f', response: {} } }] },
    ];
    expect(promptOf({ contents }).messages.map((message) => message.role)).toEqual(['assistant', 'tool']);
  });

  it('tells images, audio and other files apart, inline or at a public URL', () => {
    const inlineData = (mimeType: string) => ({ inlineData: { mimeType, data: 'aGk=' } });
    const fileData = { fileUri: 'https://example.com/a.png', mimeType: 'image/png' };
    const contents = [{ parts: [inlineData('Audio/WAV'), inlineData('application/pdf'), { fileData }] }];
    expect(promptOf({ contents }).messages[0]?.parts).toEqual([
      { type: 'audio', source: { kind: 'inline', mime: 'audio/wav', data: 'aGk=' } },
      { type: 'file', source: { kind: 'inline', mime: 'application/pdf', data: 'aGk=' }, name: null },
      { type: 'image', source: { kind: 'url', url: 'https://example.com/a.png', mime: 'image/png' }, detail: null },
    ]);
  });

  it.each([
    ['a role that nobody knows', { role: 'system', parts: [] }, 'invalid_request'],
    ['a response without its call', { parts: [{ functionResponse: { name: 'f' } }] }, 'invalid_request'],
    [
      'a file of Google’s',
      { parts: [{ fileData: { fileUri: 'https://generativelanguage.googleapis.com/v1beta/files/1' } }] },
      'unsupported_parameter',
    ],
    ['a file in Cloud Storage', { parts: [{ fileData: { fileUri: 'gs://bucket/a' } }] }, 'unsupported_parameter'],
    ['a video', { parts: [{ fileData: { fileUri: 'https://www.youtube.com/watch?v=1' } }] }, 'unsupported_parameter'],
    ['executed code', { role: 'model', parts: [{ executableCode: { code: '1' } }] }, 'unsupported_parameter'],
    ['a call of the user', { parts: [{ functionCall: { name: 'f' } }] }, 'unsupported_parameter'],
  ])('is refused with %s', (_, content, code) => {
    expect(refusal(() => promptOf({ contents: [content] }))).toMatchObject({ code });
  });
});

describe('Tools of a Gemini client', () => {
  const declared = (parameters: object) =>
    promptOf({ tools: [{ function_declarations: [{ name: 'f', parameters }] }] }).tools[0]?.parameters;

  it('have JSON Schemas in lower case', () => {
    const parameters = {
      type: 'OBJECT',
      properties: {
        any_of: { type: 'STRING', nullable: true, format: 'enum', enum: ['a'] },
        list: { type: 'ARRAY', items: { type: 'INTEGER' }, min_items: '1', maxItems: 3 },
        either: { anyOf: [{ type: 'NUMBER' }, { type: 'TYPE_UNSPECIFIED' }] },
      },
      required: ['list'],
      propertyOrdering: ['list'],
    };
    expect(declared(parameters)).toEqual({
      type: 'object',
      properties: {
        any_of: { type: ['string', 'null'], enum: ['a', null] },
        list: { type: 'array', items: { type: 'integer' }, minItems: 1, maxItems: 3 },
        either: { anyOf: [{ type: 'number' }, {}] },
      },
      required: ['list'],
    });
  });

  it.each([
    [{ mode: 'AUTO' }, { kind: 'auto' }, ['f', 'g']],
    [{ mode: 'NONE' }, { kind: 'none' }, ['f', 'g']],
    [{ mode: 'any' }, { kind: 'required' }, ['f', 'g']],
    [{ mode: 'ANY', allowedFunctionNames: ['g'] }, { kind: 'tool', name: 'g' }, ['g']],
    [{ mode: 'ANY', allowed_function_names: ['f', 'g'] }, { kind: 'required' }, ['f', 'g']],
    [{}, null, ['f', 'g']],
  ])('are chosen as %j says', (functionCallingConfig, toolChoice, names) => {
    const tools = [{ functionDeclarations: [{ name: 'f' }, { name: 'g' }] }];
    const prompt = promptOf({ tools, toolConfig: { functionCallingConfig } });
    expect(prompt.toolChoice).toEqual(toolChoice);
    expect(prompt.tools.map(({ name }) => name)).toEqual(names);
  });

  it.each(['googleSearch', 'code_execution', 'urlContext'])('are refused when Google runs them: %s', (name) => {
    expect(refusal(() => promptOf({ tools: [{ [name]: {} }] }))).toMatchObject({ code: 'unsupported_parameter' });
  });
});

describe('A generationConfig', () => {
  it('becomes sampling, limit and choices', () => {
    const config = {
      temperature: 1,
      topP: 0.5,
      topK: 3,
      seed: 4,
      stopSequences: ['x'],
      maxOutputTokens: 5,
      candidateCount: 2,
    };
    expect(configured(config)).toMatchObject({
      sampling: { temperature: 1, topP: 0.5, topK: 3, seed: 4, stop: ['x'], presencePenalty: null },
      maxOutput: 5,
      choices: 2,
    });
  });

  it.each([
    [{ responseMimeType: 'application/json' }, { kind: 'json' }],
    [{ responseMimeType: 'text/plain' }, null],
    [
      { responseMimeType: 'application/json', responseSchema: { type: 'STRING' } },
      { kind: 'schema', name: 'answer', schema: { type: 'string' }, strict: null },
    ],
  ])('with %j wants that format', (config, format) => {
    expect(configured(config).format).toEqual(format);
  });

  it.each([
    [
      { thinkingBudget: -1, includeThoughts: true },
      { effort: null, budgetTokens: null, shown: true },
    ],
    [{ thinkingBudget: 0 }, { effort: 'none', budgetTokens: null, shown: false }],
    [{ thinkingBudget: 512 }, { effort: null, budgetTokens: 512, shown: false }],
    [{ thinkingLevel: 'high' }, { effort: 'high', budgetTokens: null, shown: false }],
    [{ thinkingBudget: -1 }, { effort: null, budgetTokens: null, shown: false }],
    [{ includeThoughts: false }, null],
    [{}, null],
  ])('with %j thinks so much', (thinkingConfig, reasoning) => {
    expect(configured({ thinkingConfig }).reasoning).toEqual(reasoning);
  });

  it.each([
    { responseMimeType: 'text/x.enum' },
    { responseLogprobs: true },
    { responseModalities: ['TEXT', 'IMAGE'] },
    { speechConfig: {} },
    { thinkingConfig: { thinkingLevel: 'COSMIC' } },
  ])('is refused with %j', (config) => {
    expect(refusal(() => configured(config))).toMatchObject({ code: 'unsupported_parameter' });
  });
});
