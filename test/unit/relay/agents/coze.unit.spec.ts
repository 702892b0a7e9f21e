import { describe, expect, it } from 'vitest';
import type { Part } from '../../../../services/relay/canonical/prompt.ts';
import { classifyAnswer } from '../../../../services/relay/routing/classify.ts';
import { cozeProtocol } from '../../../../services/relay/dialects/coze/upstream.ts';
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

type Event = readonly [string, unknown];

const chat = (status: string, rest: object = {}): Event => [
  `conversation.chat.${status}`,
  {
    id: 'chat-1',
    conversation_id: 'conversation-1',
    bot_id: 'bot-7',
    last_error: { code: 0, msg: '' },
    status,
    ...rest,
  },
];
const message = (kind: 'delta' | 'completed', content: string, rest: object = {}): Event => [
  `conversation.message.${kind}`,
  {
    id: 'm1',
    conversation_id: 'conversation-1',
    chat_id: 'chat-1',
    role: 'assistant',
    type: 'answer',
    content,
    ...rest,
  },
];
const ZEROS = { token_count: 0, input_count: 0, output_count: 0 };
const completed = (usage: unknown = { token_count: 7, input_count: 3, output_count: 4 }) =>
  chat('completed', { usage });
const stream = (...events: Event[]) => named(events, '');

const GOLDEN = stream(
  chat('created'),
  chat('in_progress', { usage: ZEROS }),
  message('completed', '{"name":"search"}', { id: 'm0', type: 'function_call' }),
  message('delta', '{"city":', { id: 'm0', type: 'function_call' }),
  message('delta', '', { reasoning_content: '想一想' }),
  message('delta', '你好，'),
  message('delta', '世界 🌍'),
  message('completed', '你好，世界 🌍', { reasoning_content: '想一想' }),
  message('completed', '{"msg_type":"generate_answer_finish"}', { id: 'm2', type: 'verbose' }),
  message('completed', 'What else?', { id: 'm3', type: 'follow_up' }),
  completed(),
  ['done', '"[DONE]"'],
);

const failureOf = (text: string) => only(read(cozeProtocol, text), 'failed')?.error ?? '';

describe('A Coze stream', () => {
  it('is a session, the deltas of its answer once, a finish, its usage and an end', () => {
    expect(read(cozeProtocol, GOLDEN)).toEqual([
      { type: 'start', id: 'chat-1', model: null },
      { type: 'session', platformId: 'conversation-1' },
      { type: 'thinking', choice: 0, text: '想一想' },
      { type: 'text', choice: 0, text: '你好，' },
      { type: 'text', choice: 0, text: '世界 🌍' },
      { type: 'finish', choice: 0, reason: 'stop', stopSequence: null },
      { type: 'usage', usage: { input: { uncachedInput: 3 }, output: { outputText: 4 } } },
      { type: 'end' },
    ]);
  });

  it('means the same however it is cut', () => {
    expectSameInEveryCut(cozeProtocol, GOLDEN);
  });

  it('says the whole of a message that had no deltas', () => {
    const whole = message('completed', 'all', { reasoning_content: 'hm' });
    const events = read(cozeProtocol, stream(chat('created'), whole, completed(), ['done', '[DONE]']));
    expect(said(events)).toBe('all');
    expect(only(events, 'thinking')?.text).toBe('hm');
  });

  it('parts the messages of a bot that sends several', () => {
    const second = message('completed', 'two', { id: 'm9' });
    expect(said(read(cozeProtocol, stream(message('delta', 'one'), message('completed', 'one'), second)))).toBe(
      'one\n\ntwo',
    );
  });

  it.each<[string, Event]>([
    ['bare', ['done', '[DONE]']],
    ['as a JSON string', ['done', '"[DONE]"']],
    ['as debug JSON', ['done', { debug_url: 'https://a.example' }]],
  ])('ends with its done %s', (_, done) => {
    const { events } = decoded(cozeProtocol, [stream(message('delta', 'a'), completed(), done)], true);
    expect(typesOf(events).at(-1)).toBe('end');
  });

  it('does not fail for a done that is no JSON', () => {
    const events = read(cozeProtocol, stream(message('delta', 'a'), completed(), ['done', 'https://a.example']));
    expect(typesOf(events).at(-1)).toBe('end');
  });

  it('ends when it closes after its chat was completed, and not before its done otherwise', () => {
    const open = decoded(cozeProtocol, [stream(message('delta', 'a'), completed())], true);
    expect(typesOf(open.events).at(-1)).toBe('usage');
    open.decoder.end();
    expect(typesOf(open.events).at(-1)).toBe('end');
  });

  it('that closes in the middle is not whole, with a done or without', () => {
    for (const rest of [[], [['done', '[DONE]'] as const]]) {
      expect(typesOf(read(cozeProtocol, stream(chat('created'), message('delta', 'a'), ...rest)))).toEqual([
        'start',
        'session',
        'text',
      ]);
    }
  });

  it('tolerates what it does not know and what is missing', () => {
    const odd: Event[] = [
      ['conversation.chat.created', {}],
      ['conversation.message.delta', {}],
      ['conversation.message.delta', { type: 'answer', content: 7 }],
      ['conversation.audio.delta', { content: 'UklG' }],
      ['news', { code: 9 }],
      ['conversation.chat.completed', { usage: 'much' }],
    ];
    expect(typesOf(read(cozeProtocol, stream(...odd)))).toEqual(['start', 'finish', 'end']);
  });
});

describe('The usage of a Coze answer', () => {
  const usageOf = (usage: unknown) =>
    only(read(cozeProtocol, stream(message('delta', 'a'), completed(usage))), 'usage')?.usage;

  it('is its total where the halves are not stated in a usable way', () => {
    expect(usageOf({ token_count: 7, input_count: -3, output_count: null })).toEqual({
      input: null,
      output: null,
      total: 7,
    });
  });

  it.each([undefined, null, ZEROS, { token_count: '7', input_count: 1.5 }])('is not reported as %j', (usage) => {
    expect(usageOf(usage ?? null)).toBeUndefined();
  });
});

describe('A Coze failure', () => {
  it('of a chat ends the answer with its own words', () => {
    const failed = chat('failed', { last_error: { code: 5000, msg: 'event interval error' } });
    const events = read(cozeProtocol, stream(message('delta', 'a'), failed, ['done', '[DONE]']));
    expect(typesOf(events)).toEqual(['start', 'session', 'text', 'failed']);
    expect(JSON.parse(only(events, 'failed')?.error ?? '')).toEqual({
      error: { message: 'event interval error', code: 500, status: 'coze_5000' },
    });
  });

  it.each([
    [4000, 'upstream_invalid_request'],
    [4013, 'upstream_rate_limited'],
    [4016, 'bad_gateway'],
    [4028, 'service_unavailable'],
    [4100, 'bad_gateway'],
    [4101, 'bad_gateway'],
    [4200, 'model_not_found'],
    [4999, 'bad_gateway'],
    ['odd', 'bad_gateway'],
  ])('with the code %s is judged by it, in a stream or instead of one', (code, verdict) => {
    const error = { code, msg: 'x', detail: { logid: '1' } };
    const whole = only(readWhole(cozeProtocol, JSON.stringify(error)), 'failed')?.error ?? '';
    for (const stated of [failureOf(stream(['error', error])), failureOf(nameless(error)), whole]) {
      expect(classifyAnswer(200, {}, stated).code).toBe(verdict);
    }
  });

  it('is a bot that wants the outputs of tools, told to the client', () => {
    const verdict = classifyAnswer(200, {}, failureOf(stream(chat('requires_action', { required_action: {} }))));
    expect(verdict).toMatchObject({ code: 'upstream_invalid_request', failOver: false });
    expect(verdict.message).toContain('outputs of tools');
  });

  it('is a chat that was cancelled, and one that failed without words', () => {
    expect(failureOf(stream(chat('canceled')))).toContain('cancelled');
    expect(failureOf(stream(['conversation.chat.failed', { last_error: null }]))).toContain('Coze stated the error');
  });

  it('is an event that cannot be read', () => {
    expect(failureOf('event:conversation.message.delta\ndata:{"id\n\n')).not.toBe('');
  });

  it.each([
    ['<html>busy</html>', '<html>busy</html>'],
    ['{"code":0,"data":{"status":"in_progress"}}', 'in_progress'],
    ['', 'empty'],
  ])('is whatever comes instead of a stream: %j', (text, excerpt) => {
    const events = readWhole(cozeProtocol, text);
    expect(typesOf(events)).toEqual(['failed']);
    expect(only(events, 'failed')?.error).toContain(excerpt);
  });

  it('is told from a stream by its content type', () => {
    expect(cozeProtocol.streams({ 'content-type': 'application/json; charset=utf-8' })).toBe(false);
    expect(cozeProtocol.streams({ 'content-type': 'text/event-stream; charset=utf-8' })).toBe(true);
  });
});

describe('A request to Coze', () => {
  const SESSION = { id: 's', platformId: null };

  it('streams from the bot of its channel, and keeps nothing without a session', async () => {
    const { request, body } = await asked(cozeProtocol, { streamed: false });
    expect(request).toMatchObject({ method: 'POST', path: '/v3/chat' });
    expect(body).toEqual({
      bot_id: 'bot-7',
      user_id: END_USER,
      stream: true,
      auto_save_history: false,
      additional_messages: [{ role: 'user', type: 'question', content_type: 'text', content: 'hi' }],
    });
  });

  it('goes on with the conversation of its session', async () => {
    const messages = [user('one'), assistant('two'), user('three')];
    const { request, body } = await asked(cozeProtocol, { messages, session: { id: 's', platformId: 'a&b' } });
    expect(request.path).toBe('/v3/chat?conversation_id=a%26b');
    expect(body).toMatchObject({ auto_save_history: true, additional_messages: [{ content: 'three' }] });
  });

  it('has attachments by their address, and uploads of its session', async () => {
    const parts: Part[] = [
      imageAt('https://a.example/1.png'),
      { type: 'file', source: { kind: 'url', url: 'https://a.example/1.pdf', mime: null }, name: null },
      { type: 'audio', source: { kind: 'providerFile', id: 'upload-1' } },
    ];
    const { body } = await asked(cozeProtocol, { messages: [user('see', ...parts)], session: SESSION });
    const [sent] = body['additional_messages'] as { content_type: string; content: string }[];
    expect(sent?.content_type).toBe('object_string');
    expect(JSON.parse(sent?.content ?? '')).toEqual([
      { type: 'text', text: 'see' },
      { type: 'image', file_url: 'https://a.example/1.png' },
      { type: 'file', file_url: 'https://a.example/1.pdf' },
      { type: 'audio', file_id: 'upload-1' },
    ]);
  });

  it('has nothing inline, and audio only as an upload', async () => {
    const audio: Part = { type: 'audio', source: { kind: 'url', url: 'https://a.example/1.wav', mime: null } };
    for (const part of [INLINE_IMAGE, audio]) {
      await expect(asked(cozeProtocol, { messages: [user(part)] })).rejects.toMatchObject({
        code: 'unsupported_parameter',
        param: 'messages',
      });
    }
  });
});

describe('Stopping a Coze answer', () => {
  const stopOf = (...events: Event[]) => decoded(cozeProtocol, [stream(...events)], true).decoder.stopRequest?.();

  it('cancels its chat', () => {
    const stop = stopOf(chat('created'), message('delta', 'a'));
    expect(stop).toMatchObject({ method: 'POST', path: '/v3/chat/cancel' });
    expect(JSON.parse(stop?.body?.toString() ?? '')).toEqual({ conversation_id: 'conversation-1', chat_id: 'chat-1' });
  });

  it('cancels a chat that waits for the outputs of tools', () => {
    expect(stopOf(chat('created'), chat('requires_action'))).toMatchObject({ path: '/v3/chat/cancel' });
  });

  it('is not needed before it began, and after it ended by itself', () => {
    expect(stopOf()).toBeNull();
    expect(stopOf(chat('created'), completed())).toBeNull();
    expect(stopOf(chat('created'), chat('failed'))).toBeNull();
  });
});
