import { describe, expect, it } from 'vitest';
import { StoreUnavailable } from '../../../events/eventStore.ts';
import { Peer } from './peers.ts';
import { done, MODEL, usageOf } from './realtimeHarness.ts';
import { cleanUp, over, relayTo, session, upstreamOf } from './stage.ts';

cleanUp();

const UNUSED = { model: MODEL, usage: {}, source: 'none', amountPicos: '0' };

describe('A realtime session', () => {
  it('passes frames through as they are and settles each response by its own usage', async () => {
    const { relay, client, upstream } = await session();
    expect(upstream.url).toBe(`/v1/realtime?model=${MODEL}`);
    expect(upstream.headers['openai-beta']).toBeUndefined();
    const odd = '{ "type" : "conversation.item.create", "item":{"n": 1.0,"text":"你"} }';
    client.send(odd, { type: 'response.create' });
    await upstream.until('response.create');
    expect(upstream.frames).toEqual([odd, '{"type":"response.create"}']);

    const delta = '{"delta":"h\\u0069","type":"response.output_text.delta", "response_id":"resp_1"}';
    const ended = done('resp_1', {
      usage: usageOf(100, 20, { input_token_details: { cached_tokens: 40, text_tokens: 100 } }),
    });
    upstream.send({ type: 'response.created', response: { id: 'resp_1' } }, delta, ended);
    await client.until('response.done');
    expect(client.frames[1]).toBe(delta);
    expect(client.frames[2]).toBe(JSON.stringify(ended));
    expect(client.frames).toHaveLength(3);

    upstream.send({ type: 'response.created', response: { id: 'resp_2' } }, done('resp_2', { usage: usageOf(7, 3) }));
    await client.until('response.done');
    client.socket.close();
    await over(relay);
    const first = { model: MODEL, usage: { uncachedInput: 60, cacheRead: 40, outputText: 20 }, source: 'reported' };
    expect(await relay.settled()).toEqual([
      { ...first, amountPicos: '576000000', channel: 'channel-1', ended: ['RequestCompleted', 'completed'] },
      {
        ...{ model: MODEL, usage: { uncachedInput: 7, outputText: 3 }, source: 'reported', amountPicos: '76000000' },
        ...{ channel: 'channel-1', ended: ['RequestCompleted', 'completed'] },
      },
      { ...UNUSED, channel: null, ended: ['RequestAborted', 'client_gone'] },
    ]);
    expect(relay.holds.open.size).toBe(0);
  });

  it('keeps what a client sends before the upstream is open, in order', async () => {
    let open: () => void = () => undefined;
    const asked = Promise.withResolvers<undefined>();
    const upstream = await upstreamOf((_request, answer) => {
      open = () => answer(true);
      asked.resolve(undefined);
    });
    const relay = await relayTo(upstream);
    const client = await relay.client();
    for (let number = 0; number < 50; number += 1) client.send({ type: 'input_audio_buffer.append', number });
    await asked.promise;
    open();
    const session = await upstream.session();
    for (let number = 0; number < 50; number += 1) expect((await session.next())['number']).toBe(number);
  });

  it('shows a response as done only after its settlement, and takes the next hold', async () => {
    const { relay, client, upstream } = await session();
    upstream.send({ type: 'response.created', response: { id: 'r' } }, done('r', { usage: usageOf(1, 1) }));
    await client.until('response.done');
    const [first] = relay.holds.taken;
    expect(relay.holds.open.has(first?.requestId ?? '')).toBe(false);
  });

  it('gives each of two responses that run at once a hold of its own', async () => {
    const { relay, client, upstream } = await session();
    client.send({ type: 'response.create' }, { type: 'response.create' });
    await upstream.until('response.create');
    await upstream.until('response.create');
    expect(relay.holds.open.size).toBe(2);
    for (const id of ['a', 'b']) upstream.send({ type: 'response.created', response: { id } });
    upstream.send(done('b', { usage: usageOf(2, 2) }), done('a', { usage: usageOf(1, 1) }));
    await client.until('response.done');
    await client.until('response.done');
    client.socket.close();
    await over(relay);
    expect((await relay.settled()).map(({ usage }) => usage)).toEqual([
      { uncachedInput: 1, outputText: 1 },
      { uncachedInput: 2, outputText: 2 },
      {},
    ]);
  });

  it('bills a response once, however often it is called done', async () => {
    const { relay, client, upstream } = await session();
    const ended = done('r', { usage: usageOf(5, 5) });
    upstream.send({ type: 'response.created', response: { id: 'r' } }, ended, ended);
    await client.until('response.done');
    await client.until('response.done');
    client.socket.close();
    await over(relay);
    expect((await relay.settled()).map(({ source }) => source)).toEqual(['reported', 'none']);
  });

  it('estimates a response whose usage is not reported, text by its words and audio by its length', async () => {
    const { relay, client, upstream } = await session();
    const second = Buffer.alloc(48_000).toString('base64');
    client.send({ type: 'input_audio_buffer.append', audio: second });
    await upstream.next();
    upstream.send(
      { type: 'response.created', response: { id: 'r' } },
      { type: 'response.output_audio_transcript.delta', response_id: 'r', delta: 'two words' },
      { type: 'response.output_audio.delta', response_id: 'r', delta: second },
      done('r'),
    );
    await client.until('response.done');
    client.socket.close();
    await over(relay);
    expect((await relay.settled())[0]).toMatchObject({
      usage: { audioInput: 10, outputText: 2, audioOutput: 20 },
      source: 'estimated',
      ended: ['RequestCompleted', 'completed'],
    });
  });

  it('charges nothing for a response that failed without output', async () => {
    const { relay, client, upstream } = await session();
    const failed = { status: 'failed', status_details: { error: { type: 'server_error', code: 'x', message: 'y' } } };
    upstream.send({ type: 'response.created', response: { id: 'r' } }, done('r', failed));
    await client.until('response.done');
    client.socket.close();
    await over(relay);
    expect((await relay.settled())[0]).toMatchObject({ ...UNUSED, ended: ['RequestFailed', 'bad_gateway'] });
  });

  it('names the model as the client did, and refuses to change it', async () => {
    const upstream = await upstreamOf();
    const relay = await relayTo(upstream, {
      channels: [{ baseUrl: upstream.baseUrl, models: { [MODEL]: 'provider-name' }, apiKey: 'upstream-secret-key' }],
    });
    const client = await relay.client();
    const session = await upstream.session();
    expect(session.url).toBe('/v1/realtime?model=provider-name');
    expect(session.headers.authorization).toBe('Bearer upstream-secret-key');
    expect(session.url + JSON.stringify(session.headers)).not.toContain(relay.secret);
    session.send({ type: 'session.created', session: { id: 's', model: 'provider-name' } });
    expect(await client.next()).toEqual({ type: 'session.created', session: { id: 's', model: MODEL } });

    client.send({ type: 'session.update', event_id: 'mine', session: { model: 'gpt-other' } });
    expect((await client.next())['error']).toMatchObject({ param: 'session.model', event_id: 'mine' });
    client.send({ type: 'session.update', session: { type: 'realtime', model: MODEL } });
    expect(await session.next()).toEqual({ type: 'session.update', session: { type: 'realtime' } });
  });

  it('does not forward an event whose type stands twice', async () => {
    const { client, upstream } = await session();
    client.send('{"type":"input_audio_buffer.append","type":"response.create"}', { type: 'input_audio_buffer.clear' });
    expect((await client.next())['error']).toMatchObject({ param: 'type' });
    expect(await upstream.next()).toEqual({ type: 'input_audio_buffer.clear' });
  });

  it('tells nothing of the operator’s own limits, balance or credential', async () => {
    const { client, upstream } = await session();
    upstream.send(
      { type: 'rate_limits.updated', rate_limits: [] },
      {
        type: 'error',
        error: { type: 'insufficient_quota', code: 'insufficient_quota', message: 'org-42 has no money' },
      },
      { type: 'input_audio_buffer.cleared' },
    );
    expect((await client.next())['error']).toMatchObject({ code: 'service_unavailable' });
    expect(await client.next()).toEqual({ type: 'input_audio_buffer.cleared' });
  });

  it('repeats to the client what the upstream says of the client’s own events', async () => {
    const { client, upstream } = await session();
    const error = { type: 'error', error: { type: 'invalid_request_error', code: 'x', message: 'no such item' } };
    upstream.send(error);
    expect(await client.next()).toEqual(error);
  });
});

describe('A realtime session whose quota ends', () => {
  it('is told so and closed when the hold for the next response is refused', async () => {
    const { relay, client, upstream } = await session();
    relay.holds.quota = 1;
    upstream.send({ type: 'response.created', response: { id: 'r' } }, done('r', { usage: usageOf(5, 5) }));
    await client.until('response.done');
    expect((await client.until('error'))['error']).toMatchObject({ code: 'insufficient_quota' });
    expect(await client.closed).toEqual({ code: 1008, reason: 'insufficient_quota' });
    await upstream.closed;
    expect(await relay.settled()).toHaveLength(1);
  });

  it('is told to come again when no hold can be taken just now', async () => {
    const { relay, client, upstream } = await session();
    relay.holds.before = () => Promise.reject(new StoreUnavailable('as told by the test'));
    upstream.send({ type: 'response.created', response: { id: 'r' } }, done('r', { usage: usageOf(5, 5) }));
    await client.until('response.done');
    expect((await client.until('error'))['error']).toMatchObject({ code: 'service_unavailable' });
    expect((await client.closed).code).toBe(1013);
    await over(relay);
    expect(await relay.settled()).toHaveLength(1);
  });

  it('shows nothing of a response that begins without a hold, and leaves its upstream', async () => {
    const { relay, client, upstream } = await session();
    relay.holds.quota = 1;
    upstream.send(
      { type: 'response.created', response: { id: 'a' } },
      { type: 'response.created', response: { id: 'b' } },
    );
    expect((await client.until('error'))['error']).toMatchObject({ code: 'insufficient_quota' });
    expect((await client.closed).code).toBe(1008);
    expect(client.types).toEqual(['response.created', 'error']);
    expect(await upstream.until('response.cancel')).toMatchObject({ response_id: 'a' });
    upstream.socket.close();
    await over(relay);
    expect(await relay.settled()).toMatchObject([{ ended: ['RequestAborted', 'shutdown'] }]);
  });

  it('lets a running response end before it closes', async () => {
    const { relay, client, upstream } = await session();
    upstream.send({ type: 'response.created', response: { id: 'r' } });
    await client.until('response.created');
    relay.holds.quota = 1;
    client.send({ type: 'response.create', event_id: 'second' });
    expect((await client.until('error'))['error']).toMatchObject({ code: 'insufficient_quota', event_id: 'second' });
    upstream.send(done('r', { usage: usageOf(5, 5) }));
    await client.until('response.done');
    expect((await client.closed).code).toBe(1008);
    expect(upstream.types).toEqual([]);
  });

  it('gives back the hold of a response that its upstream has refused', async () => {
    const { relay, client, upstream } = await session();
    upstream.send({ type: 'response.created', response: { id: 'r' } });
    await client.until('response.created');
    client.send({ type: 'response.create' }, { type: 'response.create' });
    await upstream.until('response.create');
    await upstream.until('response.create');
    expect(relay.holds.open.size).toBe(3);
    const error = { type: 'invalid_request_error', code: 'conversation_already_has_active_response', message: 'm' };
    upstream.send({ type: 'error', error }, { type: 'error', error }, done('r', { usage: usageOf(5, 5) }));
    await client.until('response.done');
    client.socket.close();
    await over(relay);
    expect((await relay.settled()).map(({ ended }) => ended[1])).toEqual(['completed', 'client_gone', 'unused']);
  });

  it('goes on when a further response is refused for its concurrency alone', async () => {
    const { relay, client, upstream } = await session();
    relay.holds.concurrency = 1;
    upstream.send({ type: 'response.created', response: { id: 'r' } });
    await client.until('response.created');
    client.send({ type: 'response.create' });
    expect((await client.until('error'))['error']).toMatchObject({ code: 'concurrency_exceeded' });
    upstream.send(done('r', { usage: usageOf(5, 5) }));
    await client.until('response.done');
    client.send({ type: 'response.create' });
    await upstream.until('response.create');
    expect(client).toBeInstanceOf(Peer);
  });
});
