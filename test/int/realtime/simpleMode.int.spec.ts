import { describe, expect, it } from 'vitest';
import { done, MODEL, usageOf } from './realtimeHarness.ts';
import { cleanUp, over, relayTo, session, upstreamOf } from './stage.ts';

cleanUp();

describe('The simple form', () => {
  it('is spoken with clients that ask for it, in six events', async () => {
    const { relay, client, upstream } = await session({}, `?model=${MODEL}&compat=simple`);
    client.send({ type: 'message', message: 'hello' });
    expect(await upstream.next()).toEqual({
      type: 'conversation.item.create',
      item: { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'hello' }] },
    });
    expect(await upstream.next()).toEqual({ type: 'response.create' });
    const place = { response_id: 'r', item_id: 'i' };
    upstream.send(
      { type: 'session.created', session: { id: 'sess_1' } },
      { type: 'response.created', response: { id: 'r' } },
      { type: 'response.output_item.added', response_id: 'r', item: { type: 'message', id: 'i' } },
      { type: 'response.content_part.added', ...place, part: { type: 'output_text', text: '' } },
      { type: 'response.output_text.delta', ...place, delta: 'Hi' },
      { type: 'response.output_text.delta', ...place, delta: ' you' },
      { type: 'response.output_text.done', ...place, text: 'Hi you' },
      { type: 'response.content_part.done', ...place, part: { type: 'output_text', text: 'Hi you' } },
      done('r', { usage: usageOf(4, 2) }),
    );
    await client.until('message.completed');
    const ids = { message_id: 'i', response_id: 'r' };
    expect(client.frames.map((frame) => JSON.parse(frame) as unknown)).toEqual([
      { type: 'conversation.created', message: 'sess_1' },
      { type: 'message.created', message: 'i', ...ids },
      { type: 'content.start', message: '', ...ids },
      { type: 'content.delta', message: 'Hi', ...ids },
      { type: 'content.delta', message: ' you', ...ids },
      { type: 'content.stop', message: 'Hi you', ...ids },
      {
        type: 'message.completed',
        message: 'Hi you',
        ...ids,
        usage: { input_tokens: 4, output_tokens: 2, total_tokens: 6 },
        finish_reason: 'stop',
      },
    ]);
    client.socket.close();
    await over(relay);
    expect((await relay.settled())[0]?.usage).toEqual({ uncachedInput: 4, outputText: 2 });
  });

  it('is spoken with clients that name their model in their first event, upon which the upstream is dialled', async () => {
    const upstream = await upstreamOf();
    const relay = await relayTo(upstream);
    const client = await relay.client('');
    expect(relay.holds.taken).toEqual([]);
    client.send({ type: 'session.update', session: { model: MODEL, instructions: 'Be brief.' } });
    const opened = await upstream.session();
    expect(opened.url).toBe(`/v1/realtime?model=${MODEL}`);
    expect(await opened.next()).toEqual({
      type: 'session.update',
      session: { type: 'realtime', output_modalities: ['text'], instructions: 'Be brief.' },
    });
    opened.send({ type: 'session.created', session: { id: 'sess_1' } });
    expect(await client.next()).toEqual({ type: 'conversation.created', message: 'sess_1' });
  });

  it.each([
    ['another event', { type: 'response.create' }],
    ['an event without a model', { type: 'session.update', session: {} }],
  ])('ends when %s comes before the model is known', async (_name, event) => {
    const relay = await relayTo(await upstreamOf());
    const client = await relay.client('');
    client.send(event);
    expect((await client.next())['error']).toMatchObject({ code: 'invalid_request', param: 'model' });
    expect((await client.closed).code).toBe(1008);
    expect(relay.holds.taken).toEqual([]);
  });

  it('ends when no model is named in time', async () => {
    const relay = await relayTo(await upstreamOf(), { parts: { times: { firstFrameMs: 20 } } });
    const client = await relay.client('');
    expect((await client.next())['error']).toMatchObject({ param: 'model' });
    expect((await client.closed).code).toBe(1008);
  });

  it('ends with the refusal of a model that the key may not use', async () => {
    const relay = await relayTo(await upstreamOf());
    relay.setKey({ models: new Set(['other']) });
    const client = await relay.client('');
    client.send({ type: 'session.update', session: { model: MODEL } });
    expect(await client.next()).toEqual({
      type: 'error',
      message: 'This API key may not use this model.',
      error: {
        message: 'This API key may not use this model.',
        type: 'permission_error',
        param: 'model',
        code: 'model_not_allowed',
      },
    });
    expect((await client.closed).code).toBe(1008);
  });

  it('tells what is wrong with a message that has no text', async () => {
    const { client } = await session({}, `?model=${MODEL}&compat=simple`);
    client.send({ type: 'message.create', message: '' });
    expect((await client.next())['error']).toMatchObject({ param: 'message', code: 'invalid_request' });
  });
});
