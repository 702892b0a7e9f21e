import { describe, expect, it } from 'vitest';
import type { AskedPrompt } from '../../../../services/relay/canonical/crossing.ts';
import type { Message, Part } from '../../../../services/relay/canonical/prompt.ts';
import { geminiProtocol } from '../../../../services/relay/dialects/gemini/upstream.ts';
import { clientToolName, geminiToolName } from '../../../../services/relay/dialects/gemini/toolNames.ts';
import type { UpstreamRequest } from '../../../../services/relay/call.ts';
import { CHANNEL, PROMPT, refusal } from './geminiFixtures.ts';

const GEMINI_3 = { ...CHANNEL, upstreamModel: 'gemini-3-pro' };

function asked(change: Partial<AskedPrompt>, channel = CHANNEL): UpstreamRequest {
  return geminiProtocol.ask({ ...PROMPT, ...change }, channel) as UpstreamRequest;
}

function bodyOf(change: Partial<AskedPrompt>, channel = CHANNEL): Record<string, unknown> {
  return JSON.parse((asked(change, channel).body ?? '').toString()) as Record<string, unknown>;
}

function configOf(change: Partial<AskedPrompt>, channel = CHANNEL): unknown {
  return bodyOf(change, channel)['generationConfig'];
}

const user = (...parts: Part[]): Message => ({ role: 'user', parts });
const text = (value: string): Part => ({ type: 'text', text: value });
const call = (id: string, name: string, json: string, signature?: string): Part => ({
  type: 'toolCall',
  id,
  name,
  arguments: json,
  ...(signature !== undefined && { signature }),
});
const result = (callId: string, value: string, more: object = {}): Part => ({
  type: 'toolResult',
  callId,
  name: null,
  parts: [{ type: 'text', text: value }],
  isError: false,
  ...more,
});

describe('A request to Gemini', () => {
  it('is a POST for the whole answer, or for server-sent events', () => {
    expect(asked({})).toMatchObject({ method: 'POST', path: '/models/gemini-2.5-flash:generateContent' });
    expect(asked({ streamed: true }).path).toBe('/models/gemini-2.5-flash:streamGenerateContent?alt=sse');
    const tuned = { ...CHANNEL, upstreamModel: 'tunedModels/my model?' };
    expect(asked({}, tuned).path).toBe('/tunedModels/my%20model%3F:generateContent');
  });

  it('says nothing that was not said, but the limit of its answer', () => {
    expect(bodyOf({})).toEqual({
      contents: [{ role: 'user', parts: [{ text: 'Hi' }] }],
      generationConfig: { maxOutputTokens: 500 },
    });
  });

  it('carries sampling, stops, candidates and formats', () => {
    const sampling = { temperature: 0.5, topP: 0.9, topK: 40, presencePenalty: 1, frequencyPenalty: -1, seed: 7 };
    const schema = { type: 'object', properties: { a: { type: 'string' } } };
    const format = { kind: 'schema', name: 'n', schema, strict: true } as const;
    expect(configOf({ sampling: { ...sampling, stop: ['a'] }, choices: 2, format })).toEqual({
      ...sampling,
      stopSequences: ['a'],
      candidateCount: 2,
      maxOutputTokens: 500,
      responseMimeType: 'application/json',
      responseJsonSchema: schema,
    });
    expect(configOf({ format: { kind: 'json' } })).toEqual({
      maxOutputTokens: 500,
      responseMimeType: 'application/json',
    });
  });

  it('is refused with more than five stops', () => {
    const sampling = { ...PROMPT.sampling, stop: ['1', '2', '3', '4', '5', '6'] };
    expect(refusal(() => asked({ sampling }))).toEqual({ code: 'unsupported_parameter', param: 'stop' });
  });

  it.each([
    ['low', CHANNEL, { thinkingBudget: 1_024 }],
    ['xhigh', CHANNEL, { thinkingBudget: 24_576 }],
    ['none', CHANNEL, { thinkingBudget: 0 }],
    ['minimal', GEMINI_3, { thinkingLevel: 'MINIMAL' }],
    ['max', GEMINI_3, { thinkingLevel: 'HIGH' }],
    ['none', GEMINI_3, { thinkingBudget: 0 }],
  ] as const)('says the effort %s as the model takes it', (effort, channel, thinkingConfig) => {
    const reasoning = { effort, budgetTokens: null, shown: false };
    expect(configOf({ reasoning }, channel)).toEqual({ maxOutputTokens: 500, thinkingConfig });
  });

  it('says either budget or level, and asks for thoughts that are wanted', () => {
    expect(configOf({ reasoning: { effort: 'high', budgetTokens: 99, shown: true } }, GEMINI_3)).toMatchObject({
      thinkingConfig: { includeThoughts: true, thinkingBudget: 99 },
    });
    expect(configOf({ reasoning: { effort: null, budgetTokens: 64_000, shown: false } })).toMatchObject({
      thinkingConfig: { thinkingBudget: 24_576 },
    });
    const pro = { ...CHANNEL, upstreamModel: 'gemini-2.5-pro' };
    expect(configOf({ reasoning: { effort: null, budgetTokens: 64_000, shown: false } }, pro)).toMatchObject({
      thinkingConfig: { thinkingBudget: 32_768 },
    });
    expect(configOf({ reasoning: { effort: null, budgetTokens: null, shown: false } })).toEqual({
      maxOutputTokens: 500,
    });
  });
});

describe('The conversation', () => {
  it('has its instructions apart, neighbours of a role in one turn, and no empty texts', () => {
    const messages: Message[] = [
      user(text('a')),
      user(text(''), text('b')),
      { role: 'assistant', parts: [text('c'), { type: 'thinking', text: 'hm', signature: 's' }] },
      { role: 'assistant', parts: [{ type: 'refusal', text: 'No.' }] },
    ];
    expect(bodyOf({ system: [{ type: 'text', text: 'Be brief.' }], messages })).toMatchObject({
      systemInstruction: { parts: [{ text: 'Be brief.' }] },
      contents: [
        { role: 'user', parts: [{ text: 'a' }, { text: 'b' }] },
        { role: 'model', parts: [{ text: 'c' }, { text: 'No.' }] },
      ],
    });
  });

  it('begins with the user', () => {
    const contents = bodyOf({ messages: [{ role: 'assistant', parts: [text('Hi')] }] })['contents'];
    expect(contents).toEqual([
      { role: 'user', parts: [{ text: '…' }] },
      { role: 'model', parts: [{ text: 'Hi' }] },
    ]);
  });

  it('of nothing but instructions is a turn of the user, and of nothing at all is refused', () => {
    const body = bodyOf({ system: [{ type: 'text', text: 'Write.' }], messages: [] });
    expect(body['contents']).toEqual([{ role: 'user', parts: [{ text: 'Write.' }] }]);
    expect(body).not.toHaveProperty('systemInstruction');
    expect(refusal(() => asked({ messages: [] }))).toEqual({ code: 'invalid_request', param: 'messages' });
  });

  it.each([
    ['image/jpg', 'aGk=', 'image/jpeg'],
    ['image/png; charset=binary', '/9j/4AAQSkZJRgABAQ==', 'image/jpeg'],
    ['audio/wav', 'aGk=', 'audio/wav'],
  ])('has media under the type that Google knows: %s', (mime, data, mimeType) => {
    const image: Part = { type: 'image', source: { kind: 'inline', mime, data }, detail: null };
    expect(bodyOf({ messages: [user(image)] })['contents']).toEqual([
      { role: 'user', parts: [{ inlineData: { mimeType, data } }] },
    ]);
  });

  it('has images, audio and files inline', () => {
    const source = { kind: 'inline', mime: 'image/png', data: 'aGk=' } as const;
    const parts: Part[] = [
      { type: 'image', source, detail: 'high' },
      { type: 'file', source: { ...source, mime: 'application/pdf' }, name: 'a.pdf' },
    ];
    expect(bodyOf({ messages: [user(...parts)] })['contents']).toEqual([
      {
        role: 'user',
        parts: [
          { inlineData: { mimeType: 'image/png', data: 'aGk=' } },
          { inlineData: { mimeType: 'application/pdf', data: 'aGk=' } },
        ],
      },
    ]);
  });

  it.each([
    { kind: 'url', url: 'https://example.com/a.png', mime: null },
    { kind: 'providerFile', id: 'file-1' },
  ] as const)('is refused with media that lie elsewhere', (source) => {
    const messages = [user({ type: 'image', source, detail: null })];
    expect(refusal(() => asked({ messages }))).toEqual({ code: 'unsupported_parameter', param: 'messages' });
  });
});

describe('Tool calls of a conversation', () => {
  const calls: Message = {
    role: 'assistant',
    parts: [text('Let me see.'), call('c1', 'weather', '{"city":"X"}'), call('c2', 'now', '')],
  };
  const results: Message = { role: 'tool', parts: [result('c2', 'noon'), result('c1', '{"degrees":7}')] };

  it('carry the dummy signature on the first of a turn, and results their names', () => {
    const { contents } = bodyOf({ messages: [user(text('Hi')), calls, results, user(text('And?'))] }, GEMINI_3);
    expect((contents as unknown[]).slice(1)).toEqual([
      {
        role: 'model',
        parts: [
          { text: 'Let me see.' },
          {
            thoughtSignature: 'skip_thought_signature_validator',
            functionCall: { id: 'c1', name: 'weather', args: { city: 'X' } },
          },
          { functionCall: { id: 'c2', name: 'now', args: {} } },
        ],
      },
      {
        role: 'user',
        parts: [
          { functionResponse: { id: 'c2', name: 'now', response: { result: 'noon' } } },
          { functionResponse: { id: 'c1', name: 'weather', response: { degrees: 7 } } },
          { text: 'And?' },
        ],
      },
    ]);
  });

  it('keep the signature that the client gave back, and need none before Gemini 3', () => {
    const signed: Message = { role: 'assistant', parts: [call('c1', 'now', '{}', 'c2ln')] };
    const functionCall = { id: 'c1', name: 'now', args: {} };
    const parts = (message: Message, channel = GEMINI_3) =>
      (bodyOf({ messages: [user(text('Hi')), message] }, channel)['contents'] as { parts: unknown }[])[1]?.parts;
    expect(parts(signed)).toEqual([{ functionCall, thoughtSignature: 'c2ln' }]);
    expect(parts({ role: 'assistant', parts: [call('c1', 'now', '{}')] }, CHANNEL)).toEqual([{ functionCall }]);
  });

  it('say that a result is an error, and have its images behind the results', () => {
    const image: Part = { type: 'image', source: { kind: 'inline', mime: 'image/png', data: 'aGk=' }, detail: null };
    const broken = result('c1', '', { isError: true, parts: [text('cold'), image] });
    const { contents } = bodyOf({ messages: [calls, { role: 'tool', parts: [broken, result('c2', '[1]')] }] });
    expect((contents as { parts: unknown }[])[2]?.parts).toEqual([
      { functionResponse: { id: 'c1', name: 'weather', response: { error: 'cold' } } },
      { functionResponse: { id: 'c2', name: 'now', response: { result: '[1]' } } },
      { inlineData: { mimeType: 'image/png', data: 'aGk=' } },
    ]);
  });

  it.each([
    ['a result without its call', [{ role: 'tool', parts: [result('c9', 'x')] }]],
    ['arguments that are no object', [{ role: 'assistant', parts: [call('c1', 'now', '[1]')] }]],
    ['arguments that are no JSON', [{ role: 'assistant', parts: [call('c1', 'now', '{"a":')] }]],
  ] as [string, Message[]][])('are refused with %s', (_, messages) => {
    expect(refusal(() => asked({ messages }))).toEqual({ code: 'invalid_request', param: 'messages' });
  });
});

describe('Tools', () => {
  const tool = { name: 'weather', description: 'Tells it.', parameters: null, strict: true };

  it('are declared with their JSON Schema, and without one where they take nothing', () => {
    const parameters = { type: 'object', properties: { city: { type: 'string' } }, additionalProperties: false };
    const none = { type: 'object', properties: {}, additionalProperties: false };
    const tools = [{ ...tool, parameters }, { ...tool, description: null, parameters: none }, tool];
    expect(bodyOf({ tools })['tools']).toEqual([
      {
        functionDeclarations: [
          { name: 'weather', description: 'Tells it.', parametersJsonSchema: parameters },
          { name: 'weather' },
          { name: 'weather', description: 'Tells it.' },
        ],
      },
    ]);
  });

  it.each([
    [{ kind: 'auto' }, { mode: 'AUTO' }],
    [{ kind: 'none' }, { mode: 'NONE' }],
    [{ kind: 'required' }, { mode: 'ANY' }],
    [
      { kind: 'tool', name: 'weather' },
      { mode: 'ANY', allowedFunctionNames: ['weather'] },
    ],
  ] as const)('are chosen by %j', (toolChoice, functionCallingConfig) => {
    expect(bodyOf({ tools: [tool], toolChoice })['toolConfig']).toEqual({ functionCallingConfig });
    expect(bodyOf({ toolChoice })).not.toHaveProperty('toolConfig');
  });

  it.each(['get_weather', 'mcp.server:tool-1', '1st tool', '-x', 'wetter für.morgen', '_x.trick', '天気'])(
    'named %j are found again by the name that Gemini gets',
    (name) => {
      expect(geminiToolName(name)).toMatch(/^[A-Za-z_][\w.:-]{0,127}$/);
      expect(clientToolName(geminiToolName(name))).toBe(name);
    },
  );

  it('are refused with a name that cannot be rewritten', () => {
    const tools = [{ ...tool, name: '天'.repeat(40) }];
    expect(refusal(() => asked({ tools }))).toEqual({ code: 'unsupported_parameter', param: 'tools' });
  });
});
