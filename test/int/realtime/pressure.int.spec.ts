import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { done, MODEL, usageOf } from './realtimeHarness.ts';
import { aWhile, cleanUp, over, relayTo, session, upstreamOf } from './stage.ts';

cleanUp();

const QUARTER_MEGABYTE = 'A'.repeat(262_144);
const CREATED = { type: 'response.created', response: { id: 'r' } };

function audio(number: number) {
  return { type: 'response.output_audio.delta', response_id: 'r', number, delta: QUARTER_MEGABYTE };
}

describe('A session under pressure', () => {
  it('lets the upstream wait for a slow client, and loses nothing', async () => {
    const { client, upstream } = await session();
    upstream.send(CREATED);
    await client.until('response.created');
    client.socket.pause();
    for (let number = 0; number < 100; number += 1) upstream.send(audio(number));
    await aWhile(300);
    expect(upstream.socket.bufferedAmount).toBeGreaterThan(0);
    client.socket.resume();
    for (let number = 0; number < 100; number += 1) expect((await client.next())['number']).toBe(number);
  });

  it('ends when the client reads nothing for too long, and bills what came', async () => {
    const { relay, client, upstream } = await session({ parts: { times: { stallMs: 50, cancelMs: 50 } } });
    upstream.send(CREATED);
    await client.until('response.created');
    client.socket.pause();
    for (let number = 0; number < 100; number += 1) upstream.send(audio(number));
    await over(relay);
    const [settled] = await relay.settled();
    expect(settled).toMatchObject({ source: 'estimated', ended: ['RequestAborted', 'client_stalled'] });
    expect(settled?.usage.audioOutput).toBeGreaterThan(0);
  });

  it('lets the client wait while its upstream is dialled', async () => {
    let open: () => void = () => undefined;
    const upstream = await upstreamOf((_request, answer) => (open = () => answer(true)));
    const relay = await relayTo(upstream);
    const client = await relay.client();
    for (let number = 0; number < 100; number += 1) {
      client.send({ type: 'input_audio_buffer.append', number, audio: QUARTER_MEGABYTE });
    }
    await aWhile(300);
    expect(client.socket.bufferedAmount).toBeGreaterThan(0);
    open();
    const opened = await upstream.session();
    for (let number = 0; number < 100; number += 1) expect((await opened.next())['number']).toBe(number);
  });

  it('ends when its client shows no life, and not while it does', async () => {
    const relay = await relayTo(await upstreamOf(), { frames: { heartbeatMs: 30 } });
    const live = await relay.client();
    const headers = { authorization: `Bearer ${relay.secret}` };
    const dead = new WebSocket(`${relay.url}?model=${MODEL}`, { headers, autoPong: false });
    dead.on('error', () => undefined);
    await once(dead, 'close');
    expect(live.socket.readyState).toBe(live.socket.OPEN);
    live.socket.close();
    await over(relay);
    expect((await relay.settled()).map(({ ended }) => ended[1])).toEqual(['client_gone', 'client_gone']);
  });

  it('takes a frame of 15 megabytes', async () => {
    const { client, upstream } = await session();
    client.send({ type: 'input_audio_buffer.append', audio: 'A'.repeat(15_000_000) });
    expect((await upstream.next())['audio']).toHaveLength(15_000_000);
  });

  it('settles the hold of a client that has left before its handshake was answered', async () => {
    const relay = await relayTo(await upstreamOf());
    const gate = Promise.withResolvers<undefined>();
    relay.holds.before = () => gate.promise;
    const socket = connectTcp(relay.port, '127.0.0.1');
    socket.write(
      [
        `GET /v1/realtime?model=${MODEL} HTTP/1.1`,
        'host: relay',
        'connection: upgrade',
        'upgrade: websocket',
        'sec-websocket-version: 13',
        'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==',
        `authorization: Bearer ${relay.secret}`,
        '\r\n',
      ].join('\r\n'),
    );
    while (relay.realtime.sessions === 0) await new Promise((resolve) => setImmediate(resolve));
    socket.resetAndDestroy();
    await once(socket, 'close');
    await aWhile(50);
    gate.resolve(undefined);
    await over(relay);
    expect(await relay.settled()).toMatchObject([{ source: 'none', ended: ['RequestAborted', 'client_gone'] }]);
  });

  it('names itself in the answer to its handshake', async () => {
    const relay = await relayTo(await upstreamOf());
    const socket = new WebSocket(`${relay.url}?model=${MODEL}`, { headers: { 'api-key': relay.secret } });
    const [answer] = (await once(socket, 'upgrade')) as [{ headers: Record<string, string> }];
    expect(answer.headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/);
    expect(answer.headers['sec-websocket-extensions']).toBeUndefined();
    socket.terminate();
  });

  it('waits for its hold before a response that was not asked for is shown', async () => {
    const { relay, client, upstream } = await session();
    const gate = Promise.withResolvers<undefined>();
    upstream.send(CREATED);
    await client.until('response.created');
    relay.holds.before = () => gate.promise;
    upstream.send(done('r', { usage: usageOf(1, 1) }), { type: 'response.created', response: { id: 's' } });
    await client.until('response.done');
    await aWhile(50);
    expect(client.types).toEqual(['response.created', 'response.done']);
    gate.resolve(undefined);
    await client.until('response.created');
    expect(relay.holds.taken).toHaveLength(2);
  });
});
