import { describe, expect, it } from 'vitest';
import type { Part } from '../../../../services/relay/canonical/prompt.ts';
import { classifyAnswer } from '../../../../services/relay/routing/classify.ts';
import { difyProtocol } from '../../../../services/relay/dialects/dify/upstream.ts';
import {
  asked,
  assistant,
  CHANNEL,
  decoded,
  END_USER,
  expectSameInEveryCut,
  imageAt,
  INLINE_IMAGE,
  nameless,
  only,
  read,
  readWhole,
  said,
  typesOf,
  user,
} from './agentFixtures.ts';

const IDS = { task_id: 'task-1', message_id: 'message-1', conversation_id: 'conversation-1' };
const event = (name: string, rest: object = {}) => ({ event: name, ...IDS, ...rest });
const message = (answer: string) => event('message', { answer });
const end = (usage: object | null = { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7, total_price: '0.1' }) =>
  event('message_end', { metadata: { usage, retriever_resources: [] } });
const PING = 'event: ping\n\n';

const GOLDEN =
  nameless(event('workflow_started', { data: {} }), message('你好，')) +
  PING +
  nameless(message('世界 🌍'), event('node_finished', { data: {} }), end(), event('tts_message', { audio: 'x' })) +
  nameless(event('tts_message_end', { audio: '' }));

const failureOf = (stream: string) => only(read(difyProtocol, stream), 'failed')?.error ?? '';

describe('A Dify stream', () => {
  it('is a session, text, a finish, its usage and an end, with speech after it left out', () => {
    expect(read(difyProtocol, GOLDEN)).toEqual([
      { type: 'start', id: 'message-1', model: null },
      { type: 'session', platformId: 'conversation-1' },
      { type: 'text', choice: 0, text: '你好，' },
      { type: 'text', choice: 0, text: '世界 🌍' },
      { type: 'finish', choice: 0, reason: 'stop', stopSequence: null },
      { type: 'usage', usage: { input: { uncachedInput: 3 }, output: { outputText: 4 } } },
      { type: 'end' },
    ]);
  });

  it('means the same however it is cut', () => {
    expectSameInEveryCut(difyProtocol, GOLDEN);
  });

  it('is over with its usage, without waiting for speech', () => {
    expect(typesOf(decoded(difyProtocol, [nameless(message('a'), end())], true).events).at(-1)).toBe('end');
  });

  it('of an agent or a workflow says the same', () => {
    const stream = nameless(
      event('agent_message', { answer: 'a' }),
      event('text_chunk', { data: { text: 'b' } }),
      end(),
    );
    expect(said(read(difyProtocol, stream))).toBe('ab');
  });

  it('of a workflow, which has no message to end, is whole when the workflow succeeded', () => {
    const flow = event('workflow_finished', { data: { status: 'succeeded', total_tokens: 9 } });
    const events = read(difyProtocol, nameless(event('text_chunk', { data: { text: 'b' } }), flow));
    expect(typesOf(events)).toEqual(['start', 'session', 'text', 'finish', 'usage', 'end']);
    expect(only(events, 'usage')?.usage).toEqual({ input: null, output: null, total: 9 });
  });

  it('that closes in the middle, or was stopped there, is not whole', () => {
    const stopped = event('workflow_finished', { data: { status: 'stopped' } });
    expect(typesOf(read(difyProtocol, nameless(message('a'), stopped)))).toEqual(['start', 'session', 'text']);
  });

  it('keeps the tags of thinking in its text', () => {
    expect(said(read(difyProtocol, nameless(message('<think>a</think>b'), end())))).toBe('<think>a</think>b');
  });

  it('makes links of what the agent drew or wrote, not of what the user sent', () => {
    const file = (url: string, rest: object) => event('message_file', { url, belongs_to: 'assistant', ...rest });
    const stream = nameless(
      file('https://a.example/u.png', { type: 'image', belongs_to: 'user' }),
      file('javascript:alert(1)', { type: 'image' }),
      message('Look:'),
      file('https://a.example/1.png', { type: 'image' }),
      file('https://a.example/1.pdf', { type: 'document' }),
      end(),
    );
    expect(said(read(difyProtocol, stream))).toBe(
      'Look:\n\n![image](https://a.example/1.png)\n\n\n\n[file](https://a.example/1.pdf)\n\n',
    );
  });

  it('tolerates what it does not know and what is missing', () => {
    const odd = [{}, { event: 7 }, event('news'), event('message', { answer: null }), event('workflow_finished')];
    const stream = nameless(
      ...odd,
      event('agent_thought'),
      event('message_file'),
      event('message_end', { metadata: 7 }),
    );
    expect(typesOf(read(difyProtocol, stream))).toEqual(['start', 'session', 'finish', 'end']);
  });
});

describe('The thoughts of a Dify agent', () => {
  const thought = (text: string, id: string) => event('agent_thought', { id, thought: text, tool: 'search' });

  it('are thinking, once, though they are stated again with each step', () => {
    const stream = nameless(
      thought('', 't1'),
      thought('I search.', 't1'),
      thought('I search.', 't1'),
      message('ok'),
      end(),
    );
    const events = read(difyProtocol, stream);
    expect(only(events, 'thinking')?.text).toBe('I search.');
    expect(said(events)).toBe('ok');
  });

  it('are left out when their text was a part of the answer', () => {
    const stream = nameless(
      event('agent_message', { answer: 'I search.' }),
      thought('I search.', 't1'),
      thought('I found it.', 't2'),
      end(),
    );
    expect(only(read(difyProtocol, stream), 'thinking')?.text).toBe('I found it.');
  });
});

describe('The usage of a Dify answer', () => {
  const ZEROS = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 };
  const flow = (total_tokens: unknown) => event('workflow_finished', { data: { status: 'succeeded', total_tokens } });
  const usageOf = (...values: unknown[]) => {
    const events = read(difyProtocol, nameless(message('a'), ...values));
    expect(typesOf(events).at(-1)).toBe('end');
    return only(events, 'usage')?.usage;
  };

  it('is the total of the workflow where the message reports zeros', () => {
    expect(usageOf(flow(31), end(ZEROS))).toEqual({ input: null, output: null, total: 31 });
    expect(usageOf(end(ZEROS), flow(31))).toEqual({ input: null, output: null, total: 31 });
    expect(usageOf(flow(31), end(null))).toEqual({ input: null, output: null, total: 31 });
  });

  it('is that of the message where it reports one', () => {
    expect(usageOf(flow(31), end())).toEqual({ input: { uncachedInput: 3 }, output: { outputText: 4 } });
  });

  it('has only the half that is stated in a usable way', () => {
    expect(usageOf(end({ prompt_tokens: '3', completion_tokens: 4 }))).toEqual({
      input: null,
      output: { outputText: 4 },
    });
  });

  it.each([null, 7, {}, { prompt_tokens: -1, completion_tokens: 0.5 }, ZEROS])('is not reported as %j', (usage) => {
    expect(usageOf(end(usage as object | null))).toBeUndefined();
    expect(usageOf(flow('31'), end(usage as object | null))).toBeUndefined();
  });
});

describe('A replaced Dify answer', () => {
  const replacement = event('message_replace', { answer: 'I cannot say.', reason: 'output_moderation' });

  it('goes on behind a separator line when some of it was shown', () => {
    const events = read(difyProtocol, nameless(message('bad'), replacement, end()));
    expect(said(events)).toBe('bad\n\n---\n\nI cannot say.');
    expect(only(events, 'finish')?.reason).toBe('content_filter');
  });

  it('is the replacement alone when nothing was shown', () => {
    expect(said(read(difyProtocol, nameless(replacement, end())))).toBe('I cannot say.');
  });
});

describe('A Dify failure', () => {
  const error = { status: 400, code: 'invalid_param', message: 'Bad input' };

  it('inside a stream of status 200 ends the answer', () => {
    const events = read(difyProtocol, nameless(message('a'), event('error', error), message('b'), end()));
    expect(typesOf(events)).toEqual(['start', 'session', 'text', 'failed']);
    expect(JSON.parse(only(events, 'failed')?.error ?? '')).toEqual({
      error: { message: 'Bad input', code: 400, status: 'invalid_param' },
    });
  });

  it.each([
    [error, 'upstream_invalid_request'],
    [{ status: 400, code: 'provider_quota_exceeded', message: 'x' }, 'service_unavailable'],
    [{ status: 400, code: 'provider_not_initialize', message: 'x' }, 'service_unavailable'],
    [{ status: 429, code: 'too_many_requests', message: 'x' }, 'upstream_rate_limited'],
    [{ status: 401, code: 'unauthorized', message: 'x' }, 'bad_gateway'],
    [{}, 'bad_gateway'],
  ])('%j is judged by its own status and word', (stated, code) => {
    expect(classifyAnswer(200, {}, failureOf(nameless(event('error', stated)))).code).toBe(code);
    expect(classifyAnswer(200, {}, failureOf(nameless({ code: 'x', ...stated }))).code).toBe(code);
  });

  it('is a workflow that failed', () => {
    const flow = event('workflow_finished', { data: { status: 'failed', error: 'node 3 broke' } });
    expect(failureOf(nameless(flow, end()))).toContain('node 3 broke');
  });

  it.each(['workflow_paused', 'human_input_required'])('is a flow that waits for a human: %s', (name) => {
    expect(failureOf(nameless(message('a'), event(name)))).toContain('waits for the input of a human');
  });

  it('is an event that cannot be read before the finish, and nothing after it', () => {
    expect(failureOf('data: {"event":\n\n')).not.toBe('');
    expect(failureOf(`${nameless(message('a'), end(null))}data: {"event":\n\n`)).toBe('');
  });
});

describe('A Dify answer that is not streamed', () => {
  it('is read when Dify did not follow the wish for a stream', () => {
    const body = { ...message('hello'), mode: 'chat', metadata: { usage: { prompt_tokens: 3, completion_tokens: 4 } } };
    expect(readWhole(difyProtocol, JSON.stringify(body))).toEqual([
      { type: 'start', id: 'message-1', model: null },
      { type: 'session', platformId: 'conversation-1' },
      { type: 'text', choice: 0, text: 'hello' },
      { type: 'finish', choice: 0, reason: 'stop', stopSequence: null },
      { type: 'usage', usage: { input: { uncachedInput: 3 }, output: { outputText: 4 } } },
      { type: 'end' },
    ]);
  });

  it.each([
    [
      '{"code":"invalid_param","message":"Agent Chat App does not support blocking mode","status":400}',
      'blocking mode',
    ],
    ['<html></html>', '<html></html>'],
    ['[]', '[]'],
    ['', 'empty'],
  ])('fails for %j', (text, excerpt) => {
    const events = readWhole(difyProtocol, text);
    expect(typesOf(events)).toEqual(['failed']);
    expect(only(events, 'failed')?.error).toContain(excerpt);
  });
});

describe('A request to Dify', () => {
  it('streams without a generated name, whatever the client wants', async () => {
    const { request, body } = await asked(difyProtocol, { streamed: false });
    expect(request).toMatchObject({ method: 'POST', path: '/chat-messages' });
    expect(body).toEqual({
      query: 'hi',
      inputs: {},
      user: END_USER,
      response_mode: 'streaming',
      auto_generate_name: false,
    });
  });

  it('goes on with the conversation of its session, and begins one without', async () => {
    const messages = [user('one'), assistant('two'), user('three')];
    const going = await asked(difyProtocol, { messages, session: { id: 's', platformId: 'conversation-1' } });
    expect(going.body).toMatchObject({ query: 'three', conversation_id: 'conversation-1' });
    const begun = await asked(difyProtocol, { messages, session: { id: 's', platformId: null } });
    expect(begun.body).not.toHaveProperty('conversation_id');
  });

  it('has attachments by their address, and uploads of its session', async () => {
    const parts: Part[] = [
      imageAt('https://a.example/1.png'),
      { type: 'audio', source: { kind: 'url', url: 'https://a.example/1.wav', mime: null } },
      { type: 'file', source: { kind: 'url', url: 'https://a.example/1.mp4', mime: 'video/mp4' }, name: null },
      { type: 'file', source: { kind: 'url', url: 'https://a.example/1.pdf', mime: null }, name: null },
      { type: 'image', source: { kind: 'providerFile', id: 'upload-1' }, detail: null },
    ];
    const { body } = await asked(difyProtocol, { messages: [user(...parts)], session: { id: 's', platformId: null } });
    expect(body['files']).toEqual([
      { type: 'image', transfer_method: 'remote_url', url: 'https://a.example/1.png' },
      { type: 'audio', transfer_method: 'remote_url', url: 'https://a.example/1.wav' },
      { type: 'video', transfer_method: 'remote_url', url: 'https://a.example/1.mp4' },
      { type: 'document', transfer_method: 'remote_url', url: 'https://a.example/1.pdf' },
      { type: 'image', transfer_method: 'local_file', upload_file_id: 'upload-1' },
    ]);
  });

  it('has nothing inline', async () => {
    await expect(asked(difyProtocol, { messages: [user(INLINE_IMAGE)] })).rejects.toMatchObject({
      code: 'unsupported_parameter',
      message: expect.stringContaining('not inline') as string,
    });
  });
});

describe('Stopping a Dify answer', () => {
  it('asks for its task as the user that began it', () => {
    const { decoder } = decoded(difyProtocol, [nameless(message('a'))], true);
    const stop = decoder.stopRequest?.();
    expect(stop).toMatchObject({ method: 'POST', path: '/chat-messages/task-1/stop' });
    expect(JSON.parse(stop?.body?.toString() ?? '')).toEqual({ user: END_USER });
  });

  it('is not needed before it began and after it ended, nor possible without its user', () => {
    expect(decoded(difyProtocol, [], true).decoder.stopRequest?.()).toBeNull();
    expect(decoded(difyProtocol, [GOLDEN], true).decoder.stopRequest?.()).toBeNull();
    const anonymous = difyProtocol.decoder(() => undefined, CHANNEL);
    anonymous.feed(Buffer.from(nameless(message('a'))));
    expect(anonymous.stopRequest?.()).toBeNull();
  });
});
