import { describe, expect, it } from 'vitest';
import { StoreUnavailable } from '../../../events/eventStore.ts';
import { done, usageOf } from './realtimeHarness.ts';
import { cleanUp, over, relayTo, session, upstreamOf } from './stage.ts';

cleanUp();

const CREATED = { type: 'response.created', response: { id: 'r' } };
const DELTA = { type: 'response.output_text.delta', response_id: 'r', delta: 'three words here' };

describe('A session whose client leaves', () => {
  it('cancels the running response and bills the usage that its upstream states', async () => {
    const { relay, client, upstream } = await session();
    upstream.send(CREATED, DELTA);
    await client.until('response.output_text.delta');
    client.socket.terminate();
    expect(await upstream.until('response.cancel')).toEqual({ type: 'response.cancel', response_id: 'r' });
    const cancelled = { status: 'cancelled', status_details: { type: 'cancelled', reason: 'client_cancelled' } };
    upstream.send(done('r', { ...cancelled, usage: usageOf(50, 3) }));
    await over(relay);
    expect(await relay.settled()).toMatchObject([
      { usage: { uncachedInput: 50, outputText: 3 }, source: 'reported', ended: ['RequestAborted', 'client_gone'] },
    ]);
    await upstream.closed;
  });

  it('bills an estimate when the upstream states nothing in time', async () => {
    const { relay, client, upstream } = await session({ parts: { times: { cancelMs: 20 } } });
    const said = { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'a question of five words' }] };
    client.send({ type: 'conversation.item.create', item: said });
    await upstream.next();
    upstream.send(CREATED, DELTA);
    await client.until('response.output_text.delta');
    client.socket.terminate();
    await over(relay);
    const [settled] = await relay.settled();
    expect(settled).toMatchObject({ source: 'estimated', channel: 'channel-1' });
    expect(settled?.ended).toEqual(['RequestAborted', 'client_gone']);
    expect(settled?.usage.outputText).toBe(3);
    expect(settled?.usage.uncachedInput).toBeGreaterThanOrEqual(5);
  });

  it('reads on where the channel wants that, and does not cancel', async () => {
    const { relay, client, upstream } = await session({ channel: { clientGone: 'drain' } });
    upstream.send(CREATED, DELTA);
    await client.until('response.output_text.delta');
    client.socket.terminate();
    await client.closed;
    upstream.send(done('r', { usage: usageOf(9, 4) }));
    await over(relay);
    expect((await relay.settled())[0]?.usage).toEqual({ uncachedInput: 9, outputText: 4 });
    expect(upstream.types).toEqual([]);
  });

  it('costs nothing when no response had begun', async () => {
    const { relay, client } = await session();
    client.socket.close();
    await over(relay);
    expect(await relay.settled()).toMatchObject([{ source: 'none', ended: ['RequestAborted', 'client_gone'] }]);
    expect(relay.holds.open.size).toBe(0);
  });

  it('settles its hold when the client leaves while the upstream is dialled', async () => {
    const upstream = await upstreamOf(() => undefined);
    const relay = await relayTo(upstream);
    const client = await relay.client();
    client.socket.terminate();
    await over(relay);
    expect(await relay.settled()).toMatchObject([{ source: 'none', ended: ['RequestAborted', 'client_gone'] }]);
  });
});

describe('A session whose upstream leaves', () => {
  it('bills what was received of a running response and tells the client', async () => {
    const { relay, client, upstream } = await session();
    upstream.send(CREATED, DELTA);
    await client.until('response.output_text.delta');
    upstream.socket.terminate();
    expect((await client.until('error'))['error']).toMatchObject({ code: 'bad_gateway' });
    expect((await client.closed).code).toBe(1011);
    await over(relay);
    expect(await relay.settled()).toMatchObject([
      { usage: { outputText: 3 }, source: 'estimated', ended: ['RequestFailed', 'bad_gateway'] },
    ]);
  });

  it('costs nothing when the response had brought nothing', async () => {
    const { relay, client, upstream } = await session();
    upstream.send(CREATED);
    await client.until('response.created');
    upstream.socket.terminate();
    await over(relay);
    expect(await relay.settled()).toMatchObject([{ source: 'none', ended: ['RequestFailed', 'bad_gateway'] }]);
  });

  it('in good order ends in good order', async () => {
    const { relay, client, upstream } = await session();
    upstream.socket.close(1000);
    expect((await client.closed).code).toBe(1000);
    await over(relay);
    expect(await relay.settled()).toMatchObject([{ source: 'none', ended: ['RequestCompleted', 'unused'] }]);
  });
});

describe('A session that no upstream opens', () => {
  it('goes to the next channel', async () => {
    const down = await upstreamOf((_request, answer) => answer(false, 503));
    const up = await upstreamOf();
    const relay = await relayTo(up, { channels: [{ baseUrl: down.baseUrl }, { baseUrl: up.baseUrl }] });
    const client = await relay.client();
    const opened = await up.session();
    opened.send(CREATED, done('r', { usage: usageOf(1, 1) }));
    await client.until('response.done');
    client.socket.close();
    await over(relay);
    expect((await relay.settled())[0]?.channel).toBe('channel-2');
  });

  it('is told why and closed', async () => {
    const down = await upstreamOf((_request, answer) => answer(false, 503, 'sk-upstream'));
    const relay = await relayTo(down);
    const client = await relay.client();
    expect((await client.until('error'))['error']).toMatchObject({ code: 'service_unavailable' });
    expect((await client.closed).code).toBe(1013);
    await over(relay);
    expect(await relay.settled()).toMatchObject([{ source: 'none', ended: ['RequestFailed', 'service_unavailable'] }]);
  });

  it('is told so when the upstream does not answer in time', async () => {
    const silent = await upstreamOf(() => undefined);
    const relay = await relayTo(silent, { channel: { timeouts: { connectMs: 50 } } });
    const client = await relay.client();
    expect((await client.until('error'))['error']).toMatchObject({ code: 'gateway_timeout' });
    expect((await client.closed).code).toBe(1013);
  });
});

describe('A session that the relay ends', () => {
  it('is closed within a second when its key is revoked', async () => {
    const { relay, client, upstream } = await session();
    upstream.send(CREATED, DELTA);
    await client.until('response.output_text.delta');
    const revokedAt = performance.now();
    relay.setKey(null);
    expect((await client.until('error'))['error']).toMatchObject({ code: 'invalid_api_key' });
    expect((await client.closed).code).toBe(1008);
    expect(performance.now() - revokedAt).toBeLessThan(1_000);
    await upstream.until('response.cancel');
    upstream.send(done('r', { status: 'cancelled', usage: usageOf(6, 3) }));
    await over(relay);
    expect(await relay.settled()).toMatchObject([
      { usage: { uncachedInput: 6, outputText: 3 }, ended: ['RequestAborted', 'shutdown'] },
    ]);
  });

  it('is closed when its key is disabled', async () => {
    const { relay, client } = await session({ parts: { times: { recheckMs: 10 } } });
    relay.setKey({ status: 'disabled' });
    expect((await client.until('error'))['error']).toMatchObject({ code: 'key_disabled' });
    expect((await client.closed).code).toBe(1008);
  });

  it('is told and closed at once when the process stops and nothing runs', async () => {
    const { relay, client } = await session();
    await relay.realtime.drain(60_000);
    expect((await client.until('error'))['error']).toMatchObject({ code: 'service_unavailable' });
    expect((await client.closed).code).toBe(1012);
    expect(await relay.settled()).toMatchObject([{ source: 'none', ended: ['RequestAborted', 'shutdown'] }]);
  });

  it('may end its response while the process stops', async () => {
    const { relay, client, upstream } = await session();
    upstream.send(CREATED, DELTA);
    await client.until('response.output_text.delta');
    const drained = relay.realtime.drain(60_000);
    await client.until('error');
    client.send({ type: 'response.create' });
    expect((await client.until('error'))['error']).toMatchObject({ code: 'service_unavailable' });
    upstream.send(done('r', { usage: usageOf(6, 3) }));
    await client.until('response.done');
    await drained;
    expect((await client.closed).code).toBe(1012);
    expect(await relay.settled()).toMatchObject([{ source: 'reported', ended: ['RequestCompleted', 'completed'] }]);
  });

  it('is cut and settled when the process waits no longer', async () => {
    const { relay, client, upstream } = await session();
    upstream.send(CREATED, DELTA);
    await client.until('response.output_text.delta');
    await relay.realtime.drain(20);
    expect((await client.closed).code).toBe(1012);
    expect(await relay.settled()).toMatchObject([
      { usage: { outputText: 3 }, source: 'estimated', ended: ['RequestAborted', 'shutdown'] },
    ]);
  });

  it('costs nothing when the process waits no longer and the response has brought nothing', async () => {
    const { relay, client, upstream } = await session();
    const said = { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'a question of five words' }] };
    client.send({ type: 'conversation.item.create', item: said }, { type: 'response.create' });
    await upstream.until('response.create');
    upstream.send(CREATED);
    await client.until('response.created');
    await relay.realtime.drain(20);
    expect((await client.closed).code).toBe(1012);
    expect(await relay.settled()).toMatchObject([
      { usage: {}, source: 'none', amountPicos: '0', ended: ['RequestAborted', 'shutdown'] },
    ]);
  });

  it('costs nothing when the relay fails before the response has brought anything, whatever its upstream states', async () => {
    const { relay, client, upstream } = await session();
    upstream.send(CREATED);
    await client.until('response.created');
    relay.holds.before = () => Promise.reject(new StoreUnavailable('as told by the test'));
    upstream.send({ type: 'response.created', response: { id: 'without a hold' } });
    expect((await client.until('error'))['error']).toMatchObject({ code: 'service_unavailable' });
    await upstream.until('response.cancel');
    upstream.send(done('r', { status: 'cancelled', usage: usageOf(50, 0) }));
    await over(relay);
    expect(await relay.settled()).toMatchObject([{ usage: {}, source: 'none', ended: ['RequestAborted', 'shutdown'] }]);
  });

  it('bills the prompt of a response that was cut because the client had its key revoked', async () => {
    const { relay, client, upstream } = await session({ parts: { times: { recheckMs: 10, cancelMs: 20 } } });
    const said = { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'a question of five words' }] };
    client.send({ type: 'conversation.item.create', item: said }, { type: 'response.create' });
    await upstream.until('response.create');
    upstream.send(CREATED);
    await client.until('response.created');
    relay.setKey(null);
    await over(relay);
    const [settled] = await relay.settled();
    expect(settled).toMatchObject({ source: 'estimated', ended: ['RequestAborted', 'shutdown'] });
    expect(settled?.usage.uncachedInput).toBeGreaterThanOrEqual(5);
  });

  it('is closed for a frame that is too large', async () => {
    const { relay, client } = await session({ frames: { maxFrameBytes: 1_000 } });
    client.send({ type: 'input_audio_buffer.append', audio: 'A'.repeat(2_000) });
    expect((await client.closed).code).toBe(1009);
    await over(relay);
    expect(relay.holds.open.size).toBe(0);
  });

  it('is closed for a binary frame', async () => {
    const { client } = await session();
    client.send(Buffer.from([1, 2, 3]));
    expect((await client.until('error'))['error']).toMatchObject({ code: 'invalid_request' });
    expect((await client.closed).code).toBe(1003);
  });

  it('replaces a hold that nobody used before it expires', async () => {
    const { relay, client, upstream } = await session({ parts: { times: { renewMs: 20 } } });
    while (relay.holds.taken.length < 3) await new Promise((resolve) => setImmediate(resolve));
    upstream.send(CREATED, done('r', { usage: usageOf(6, 3) }));
    await client.until('response.done');
    client.socket.close();
    await over(relay);
    const ends = (await relay.settled()).map(({ ended }) => ended[1]);
    expect(ends.slice(0, 2)).toEqual(['unused', 'unused']);
    expect(ends).toContain('completed');
    expect(relay.holds.open.size).toBe(0);
  });
});
