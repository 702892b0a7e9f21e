import { describe, expect, it } from 'vitest';
import type { Part } from '../../../../services/relay/canonical/prompt.ts';
import { platformUser } from '../../../../services/relay/dialects/gateway/sessions.ts';
import { named, nameless } from '../agents/agentFixtures.ts';
import { eventsOf } from '../chatFixtures.ts';
import { answerTo, called, channelOf, CONTEXT, readingOf, sentTo } from './gatewayFixtures.ts';

const IDS = { task_id: 'task-1', message_id: 'm1', conversation_id: 'conversation-1' };
const DIFY = nameless(
  { event: 'message', ...IDS, answer: '你' },
  { event: 'message', ...IDS, answer: '好' },
  { event: 'message_end', ...IDS, metadata: { usage: { prompt_tokens: 3, completion_tokens: 4 } } },
);
const OPENAI = nameless(
  { id: 'chatcmpl-1', choices: [{ index: 0, delta: { role: 'assistant', content: '你好' }, finish_reason: null }] },
  { id: 'chatcmpl-1', choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] },
  '[DONE]',
);
const USAGE = { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 };

const PLACE = { channel: channelOf('dify').name, platformId: 'conversation-1' };

describe('A gateway call', () => {
  it('is a call of its agent, recorded under its route', () => {
    const { call } = called({ stream: true }, { agent: 'coze' });
    expect(call).toMatchObject({ route: '/api/v1/chat', model: 'coze', streamed: true });
    expect(call.raw.toString()).toBe('{"query":"你好","user":"test_user","stream":true}');
  });

  it('goes to Dify, FastGPT and Coze as its query, for a user of its account', async () => {
    const user = platformUser(CONTEXT.endUser, 'test_user');
    expect(await sentTo('dify', called())).toMatchObject({ query: '你好', user });
    expect(await sentTo('fastgpt', called())).toMatchObject({
      chatId: 'session-1',
      customUid: user,
      messages: [{ role: 'user', content: '你好' }],
    });
    expect(await sentTo('coze', called())).toMatchObject({
      bot_id: 'bot-7',
      user_id: user,
      auto_save_history: true,
      additional_messages: [{ content: '你好', content_type: 'text' }],
    });
  });

  it('goes to a protocol without sessions as its query alone', async () => {
    const body = await sentTo('openai', called({}, { session: { id: 'session-1', place: PLACE } }));
    expect(body['messages']).toEqual([{ role: 'user', content: '你好' }]);
    expect(JSON.stringify(body)).not.toMatch(/session-1|conversation-1/);
  });

  it('goes on with the conversation that its platform keeps', async () => {
    const made = called({}, { session: { id: 'session-1', place: PLACE } });
    expect(await sentTo('dify', made)).toMatchObject({ conversation_id: 'conversation-1' });
  });

  it('begins anew on another channel, whose account does not know that conversation', async () => {
    const made = called({}, { session: { id: 'session-1', place: { ...PLACE, channel: 'another' } } });
    expect(await sentTo('dify', made)).not.toHaveProperty('conversation_id');
  });

  it('tells which conversation the platform has begun, once, whether or not it is streamed', async () => {
    for (const stream of [true, false]) {
      const made = called({ stream });
      await answerTo('dify', made, DIFY);
      expect(made.sessions).toEqual(['conversation-1']);
    }
    const whole = called();
    const reading = await readingOf('dify', whole, 'application/json');
    reading.feed(Buffer.from(JSON.stringify({ event: 'message', ...IDS, answer: 'x' })));
    reading.end();
    expect(whole.sessions).toEqual(['conversation-1']);
  });

  it('stops its answer as the user for whom it asked', async () => {
    const reading = await readingOf('dify', called(), 'text/event-stream');
    reading.feed(Buffer.from(nameless({ event: 'message', ...IDS, answer: 'a' })));
    expect(JSON.parse(reading.stopRequest?.body?.toString() ?? '')).toEqual({
      user: platformUser(CONTEXT.endUser, 'test_user'),
    });
  });

  it('holds for what it can see, and for what only the platform does', () => {
    const { call } = called();
    const { inputTokens, outputTokens } = call.bounds(4_096);
    expect(outputTokens).toBe(4_096);
    expect(inputTokens).toBeGreaterThanOrEqual(Buffer.byteLength('你好'));
    expect(call.promptToCount().texts).toEqual(['你好']);
  });
});

describe('The files of a gateway call', () => {
  const url = 'https://a.example/1';

  it('go by their address', async () => {
    const files = (['image', 'document', 'audio'] as const).map((type) => ({ url, type }));
    expect((await sentTo('dify', called({ files })))['files']).toEqual(
      files.map(({ type }) => ({ type, transfer_method: 'remote_url', url })),
    );
  });

  it('go as uploads by our id for them, which is not the platform’s', async () => {
    const part: Part = { type: 'file', source: { kind: 'providerFile', id: 'theirs' }, name: 'a.pdf' };
    const uploads = new Map([['ours', part]]);
    expect((await sentTo('dify', called({ files: [{ id: 'ours' }] }, { uploads })))['files']).toEqual([
      { type: 'document', transfer_method: 'local_file', upload_file_id: 'theirs' },
    ]);
    const replied = { id: 'ours', url: 'https://a.example/1', type: 'image', name: 'a.pdf' };
    expect((await sentTo('dify', called({ files: [replied] }, { uploads })))['files']).toMatchObject([
      { upload_file_id: 'theirs' },
    ]);
    expect(() => called({ files: [{ id: 'theirs' }] }, { uploads })).toThrow(
      expect.objectContaining({ code: 'not_found', param: 'files' }),
    );
  });

  it('are held by their kind, which an upload has too: what is heard is written down', () => {
    const added = (file: object, part?: Part) => {
      const uploads = new Map(part ? [['ours', part]] : []);
      const bound = (made: ReturnType<typeof called>) => made.call.bounds(1).inputTokens;
      return bound(called({ files: [file] }, { uploads })) - bound(called());
    };
    expect(added({ url, type: 'image' })).toBe(6_000);
    expect(added({ url, type: 'document' })).toBe(200_000);
    expect(added({ url, type: 'audio' })).toBe(200_000);
    const source = { kind: 'url', url, mime: null } as const;
    expect(added({ id: 'ours' }, { type: 'image', source, detail: null })).toBe(6_000);
    expect(added({ id: 'ours' }, { type: 'file', source, name: null })).toBe(200_000);
  });

  it('that a protocol cannot carry refuse the call', async () => {
    await expect(sentTo('fastgpt', called({ files: [{ url, type: 'audio' }] }))).rejects.toMatchObject({
      code: 'unsupported_parameter',
    });
  });
});

describe('A streamed gateway answer', () => {
  const head = { id: 'session-1', object: 'chat.completion.chunk', created: 1_763_640_000, model: 'dify' };
  const chunk = (delta: object, finish_reason: string | null = null, rest: object = {}) => ({
    ...head,
    choices: [{ index: 0, delta, finish_reason }],
    ...rest,
  });

  it('is OpenAI’s chunks under the session’s id, whose finish waits for the settlement', async () => {
    const [before, ending] = await answerTo('dify', called({ stream: true }), DIFY);
    expect(eventsOf(before)).toEqual([chunk({ role: 'assistant', content: '你' }), chunk({ content: '好' })]);
    const [finish = '', done] = ending.split('data: [DONE]\n\n');
    expect(done).toBe('');
    expect(eventsOf(finish)).toEqual([chunk({}, 'stop', { usage: USAGE })]);
  });

  it('is the same from an upstream that speaks OpenAI', async () => {
    const [before, ending] = await answerTo('openai', called({ stream: true }), OPENAI);
    expect(eventsOf(before)).toEqual([chunk({ role: 'assistant', content: '你好' })]);
    expect(ending).toMatch(/"finish_reason":"stop".*"total_tokens":7.*data: \[DONE\]\n\n$/s);
  });

  it('gives nothing before its first content, so that another channel may take over', async () => {
    const reading = await readingOf('dify', called({ stream: true }), 'text/event-stream');
    expect(reading.contentType).toBe('text/event-stream; charset=utf-8');
    expect(reading.feed(Buffer.from(nameless({ event: 'workflow_started', ...IDS })))).toBe('');
  });
});

describe('A whole gateway answer', () => {
  const whole = {
    id: 'session-1',
    object: 'chat.completion',
    created: 1_763_640_000,
    model: 'dify',
    usage: USAGE,
    choices: [{ message: { role: 'assistant', content: '你好' }, finish_reason: 'stop', index: 0 }],
  };

  it.each([
    ['dify', DIFY],
    ['openai', OPENAI],
  ] as const)('is bare, and collected from the stream of %s', async (protocol, stream) => {
    const [before, ending] = await answerTo(protocol, called(), stream);
    expect(before).toBe('');
    expect(JSON.parse(ending)).toEqual(whole);
  });

  it('is collected from FastGPT with the tokens of its nodes reported', async () => {
    const reading = await readingOf('fastgpt', called(), 'text/event-stream;charset=utf-8');
    const chunk = { id: '', choices: [{ delta: { content: 'a' }, index: 0, finish_reason: 'stop' }] };
    const nodes = [{ inputTokens: 20, outputTokens: 5 }];
    reading.feed(
      Buffer.from(
        named([
          ['answer', chunk],
          ['answer', '[DONE]'],
          ['flowResponses', nodes],
        ]),
      ),
    );
    expect(reading.done).toBe(false);
    reading.end();
    expect(reading.done).toBe(true);
    expect(reading.reported).toEqual({ input: { uncachedInput: 20 }, output: { outputText: 5 } });
    expect(reading.received.isEmpty).toBe(false);
  });

  it('fails for an error that Coze states under status 200', async () => {
    const reading = await readingOf('coze', called(), 'application/json; charset=utf-8');
    reading.feed(Buffer.from('{"code":4101,"msg":"no permission","detail":{"logid":"1"}}'));
    reading.end();
    expect(reading.failure).toContain('no permission');
    expect(reading.received.isEmpty).toBe(true);
  });
});
