import { describe, expect, it } from 'vitest';
import { classifyAnswer } from '../../../../services/relay/routing/classify.ts';
import { fastgptProtocol } from '../../../../services/relay/dialects/fastgpt/upstream.ts';
import {
  asked,
  assistant,
  decoded,
  END_USER,
  expectSameInEveryCut,
  imageAt,
  INLINE_IMAGE,
  named,
  nameless,
  only,
  read,
  readWhole,
  said,
  typesOf,
  user,
} from './agentFixtures.ts';

const chunk = (delta: object, finish_reason: string | null = null) => ({
  id: '',
  object: '',
  created: 0,
  model: '',
  choices: [{ delta, index: 0, finish_reason }],
});

const NODES = [
  { moduleType: 'chatNode', inputTokens: 20, outputTokens: 5, totalPoints: 0.3 },
  {
    moduleType: 'pluginModule',
    totalPoints: 1,
    pluginDetail: [
      { inputTokens: 7, outputTokens: 1, childDetails: [{ inputTokens: 3, outputTokens: 2 }] },
      { moduleType: 'datasetSearchNode', queryExtensionResult: { inputTokens: 4, outputTokens: 1 } },
    ],
  },
  { moduleType: 'tools', toolCallInputTokens: 10, toolCallOutputTokens: 4, toolDetail: [{ outputTokens: 'many' }] },
];

const GOLDEN = named([
  ['flowNodeStatus', { status: 'running', name: 'AI' }],
  ['answer', chunk({ role: 'assistant', content: '' })],
  ['answer', chunk({ reasoning_content: '想一想' })],
  ['answer', chunk({ content: '你好，' })],
  ['toolCall', { tool: { id: '1', toolName: 't', functionName: 'f' } }],
  ['toolResponse', { tool: { id: '1', response: 'secret' } }],
  ['fastAnswer', chunk({ content: '世界 🌍' })],
  ['answer', chunk({}, 'stop')],
  ['answer', '[DONE]'],
  ['flowResponses', NODES],
]);

const failureOf = (stream: string) => only(read(fastgptProtocol, stream), 'failed')?.error ?? '';

describe('A FastGPT stream', () => {
  it('is text and thinking, a finish, the tokens of all its nodes, and an end when it closes', () => {
    expect(read(fastgptProtocol, GOLDEN)).toEqual([
      { type: 'start', id: null, model: null },
      { type: 'thinking', choice: 0, text: '想一想' },
      { type: 'text', choice: 0, text: '你好，' },
      { type: 'text', choice: 0, text: '世界 🌍' },
      { type: 'finish', choice: 0, reason: 'stop', stopSequence: null },
      { type: 'usage', usage: { input: { uncachedInput: 44 }, output: { outputText: 13 } } },
      { type: 'end' },
    ]);
  });

  it('means the same however it is cut', () => {
    expectSameInEveryCut(fastgptProtocol, GOLDEN);
  });

  it('is not over at its [DONE], which comes before the tokens', () => {
    const [before = ''] = GOLDEN.split('event: flowResponses');
    expect(typesOf(decoded(fastgptProtocol, [before], true).events)).toEqual([
      'start',
      'thinking',
      'text',
      'text',
      'finish',
    ]);
  });

  it('without details is nameless chunks and its [DONE]', () => {
    const stream = nameless(chunk({ content: 'a' }), chunk({ content: 'b' }), chunk({}, 'length'), '"[DONE]"');
    const events = read(fastgptProtocol, stream);
    expect(said(events)).toBe('ab');
    expect(only(events, 'finish')?.reason).toBe('length');
    expect(typesOf(events).at(-1)).toBe('end');
    expect(only(events, 'usage')).toBeUndefined();
  });

  it('that closes without [DONE] but after a finish is whole', () => {
    expect(typesOf(read(fastgptProtocol, nameless(chunk({ content: 'a' }), chunk({}, 'stop'))))).toEqual([
      'start',
      'text',
      'finish',
      'end',
    ]);
  });

  it('that closes in the middle neither finishes nor ends', () => {
    expect(typesOf(read(fastgptProtocol, named([['answer', chunk({ content: 'a' })]])))).toEqual(['start', 'text']);
  });

  it('joins the texts of a list of entries', () => {
    const content = [
      { type: 'text', text: { content: 'a' } },
      { type: 'tool', tools: [] },
      { type: 'text', text: 'b' },
      7,
    ];
    expect(said(read(fastgptProtocol, nameless(chunk({ content }))))).toBe('ab');
  });

  it('finishes once although each part of a flow states a finish', () => {
    const stream = nameless(
      chunk({ content: 'a' }, 'length'),
      chunk({ content: 'b' }),
      chunk({}, 'stop'),
      '[DONE]',
      '[DONE]',
    );
    const events = read(fastgptProtocol, stream);
    expect(said(events)).toBe('ab');
    expect(only(events, 'finish')?.reason).toBe('stop');
  });

  it('tolerates what it does not know and what is missing', () => {
    const odd = [null, 7, [], {}, { choices: null }, { choices: [null, 7] }, { choices: [{ delta: null }] }];
    const stream = named([
      ...odd.map((data) => ['answer', data] as const),
      ['news', { text: 'x' }],
      ['answer', '[DONE]'],
    ]);
    expect(typesOf(read(fastgptProtocol, stream)).filter((type) => type !== 'start')).toEqual(['finish', 'end']);
  });
});

describe('The usage of a FastGPT answer', () => {
  const usageOf = (nodes: unknown) =>
    only(
      read(
        fastgptProtocol,
        named([
          ['answer', '[DONE]'],
          ['flowResponses', nodes],
        ]),
      ),
      'usage',
    )?.usage;

  it('is never the 1, 1, 1 that FastGPT states whatever was used', () => {
    const stated = {
      ...chunk({ content: 'a' }, 'stop'),
      usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 1 },
    };
    expect(only(read(fastgptProtocol, nameless(stated, '[DONE]')), 'usage')).toBeUndefined();
  });

  it('is not reported when no node states tokens, or only nonsense', () => {
    const nonsense = { inputTokens: -3, outputTokens: 1.5, tokens: '9' };
    expect(usageOf([{ moduleType: 'workflowStart' }, nonsense, null, 'x'])).toBeUndefined();
  });

  it('is undivided when a node of an older release states only its tokens', () => {
    expect(usageOf([{ tokens: 30 }, { inputTokens: 5, outputTokens: 2, tokens: 7 }])).toEqual({
      input: null,
      output: null,
      total: 37,
    });
  });

  it('is not looked for in what a client or a tool has said', () => {
    expect(usageOf([{ inputTokens: 5, outputTokens: 1, pluginOutput: [{ inputTokens: 9e9 }] }])).toEqual({
      input: { uncachedInput: 5 },
      output: { outputText: 1 },
    });
  });

  it('is read from nodes that are nested without end without harm', () => {
    let node: object = { inputTokens: 1, outputTokens: 1 };
    for (let level = 0; level < 200; level += 1) node = { inputTokens: 1, outputTokens: 1, toolDetail: [node] };
    expect(usageOf([node])).toEqual({ input: { uncachedInput: 32 }, output: { outputText: 32 } });
  });
});

describe('A FastGPT failure', () => {
  it('inside a stream of status 200 ends the answer', () => {
    const stream = named([
      ['answer', chunk({ content: 'a' })],
      ['error', { code: 514, statusText: 'unAuthApiKey', message: 'Key is error' }],
      ['answer', chunk({ content: 'b' })],
      ['answer', '[DONE]'],
    ]);
    const events = read(fastgptProtocol, stream);
    expect(typesOf(events)).toEqual(['start', 'text', 'failed']);
    expect(JSON.parse(only(events, 'failed')?.error ?? '')).toEqual({
      error: { message: 'Key is error', code: 401, status: 'unAuthApiKey' },
    });
  });

  it.each([
    [{ statusText: 'insufficientQuota', code: 510, message: 'x' }, 'service_unavailable'],
    [{ statusText: 'unAuthApiKey', code: 514 }, 'bad_gateway'],
    [{ code: 429, message: 'slow down' }, 'upstream_rate_limited'],
    [{ message: 'model is broken' }, 'bad_gateway'],
    [{ error: { message: 'broken' } }, 'bad_gateway'],
  ])('%j is judged by its own words', (error, code) => {
    expect(classifyAnswer(200, {}, failureOf(named([['error', error]]))).code).toBe(code);
  });

  it('is also an error after [DONE], and a chunk that is one', () => {
    expect(
      failureOf(
        named([
          ['answer', '[DONE]'],
          ['error', { message: 'late' }],
        ]),
      ),
    ).toContain('late');
    expect(failureOf(nameless({ choices: [], error: { message: 'within' } }))).toContain('within');
  });

  it('is a flow that asks its user something, told to the client', () => {
    const verdict = classifyAnswer(
      200,
      {},
      failureOf(named([['interactive', { interactive: { type: 'userSelect' } }]])),
    );
    expect(verdict).toMatchObject({ code: 'upstream_invalid_request', failOver: false });
    expect(verdict.message).toContain('cannot be carried');
  });

  it('is an event that cannot be read before the finish; after it, only the tokens are lost', () => {
    expect(failureOf('event: answer\ndata: {"choi\n\n')).not.toBe('');
    const late = `${named([
      ['answer', chunk({ content: 'a' }, 'stop')],
      ['answer', '[DONE]'],
    ])}data: [{"inputTo\n\n`;
    expect(typesOf(read(fastgptProtocol, late))).toEqual(['start', 'text', 'finish', 'end']);
  });
});

describe('A FastGPT answer that is not streamed', () => {
  const body = {
    id: 'chat-1',
    model: '',
    usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 1 },
    choices: [
      { message: { role: 'assistant', content: 'hello', reasoning_content: 'hm' }, finish_reason: 'stop', index: 0 },
    ],
  };

  it('has its tokens from its nodes', () => {
    expect(readWhole(fastgptProtocol, JSON.stringify({ ...body, responseData: NODES }))).toEqual([
      { type: 'start', id: 'chat-1', model: null },
      { type: 'thinking', choice: 0, text: 'hm' },
      { type: 'text', choice: 0, text: 'hello' },
      { type: 'finish', choice: 0, reason: 'stop', stopSequence: null },
      { type: 'usage', usage: { input: { uncachedInput: 44 }, output: { outputText: 13 } } },
      { type: 'end' },
    ]);
  });

  it.each([
    ['an error', '{"code":514,"statusText":"unAuthApiKey","message":"x","data":null}', 'unAuthApiKey'],
    ['an answer with an error', JSON.stringify({ ...body, error: { message: 'flow broke' } }), 'flow broke'],
    ['a page', '<html>502</html>', '<html>502</html>'],
    ['nothing', '', 'empty'],
    ['no choices', '{"choices":[]}', 'FastGPT stated an error'],
  ])('fails for %s', (_, text, excerpt) => {
    const events = readWhole(fastgptProtocol, text);
    expect(typesOf(events)).toEqual(['failed']);
    expect(only(events, 'failed')?.error).toContain(excerpt);
  });
});

describe('A request to FastGPT', () => {
  it('streams with details, whatever the client wants', async () => {
    const { request, body } = await asked(fastgptProtocol, { streamed: false });
    expect(request).toMatchObject({ method: 'POST', path: '/v1/chat/completions' });
    expect(body).toEqual({
      stream: true,
      detail: true,
      customUid: END_USER,
      variables: { uid: END_USER },
      messages: [{ role: 'user', content: 'hi' }],
    });
  });

  it('names its chat by our session, so that FastGPT keeps the history', async () => {
    const messages = [user('one'), assistant('two'), user('three')];
    const { body } = await asked(fastgptProtocol, { messages, session: { id: 'session-1', platformId: null } });
    expect(body).toMatchObject({ chatId: 'session-1', messages: [{ role: 'user', content: 'three' }] });
  });

  it('has images, and files by their address and name', async () => {
    const file = {
      type: 'file',
      source: { kind: 'url', url: 'https://a.example/d/r%201.pdf?x=/y', mime: null },
    } as const;
    const parts = [
      imageAt('https://a.example/1.png'),
      INLINE_IMAGE,
      { ...file, name: null },
      { ...file, name: 'R.pdf' },
    ];
    const { body } = await asked(fastgptProtocol, { messages: [user('see', ...parts)] });
    expect(body['messages']).toEqual([
      {
        role: 'user',
        content: [
          { type: 'text', text: 'see' },
          { type: 'image_url', image_url: { url: 'https://a.example/1.png' } },
          { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0K' } },
          { type: 'file_url', name: 'r%201.pdf', url: 'https://a.example/d/r%201.pdf?x=/y' },
          { type: 'file_url', name: 'R.pdf', url: 'https://a.example/d/r%201.pdf?x=/y' },
        ],
      },
    ]);
  });

  it('has no audio, inline files or uploads', async () => {
    const inline = { kind: 'inline', mime: 'audio/wav', data: 'UklG' } as const;
    const session = { id: 's', platformId: null };
    for (const part of [
      { type: 'audio', source: inline },
      { type: 'file', source: inline, name: null },
      { type: 'file', source: { kind: 'providerFile', id: 'u' }, name: null },
    ] as const) {
      await expect(asked(fastgptProtocol, { messages: [user(part)], session })).rejects.toMatchObject({
        code: 'unsupported_parameter',
      });
    }
  });
});
