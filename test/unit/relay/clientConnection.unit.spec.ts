import { once } from 'node:events';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiError } from '../../../services/http/errors.ts';
import { OPENAI_FACE } from '../../../services/relay/dialects/openai/face.ts';
import { ClientConnection, type GoneReason } from '../../../services/relay/http/clientConnection.ts';
import { ManualTimers } from './manualTimers.ts';
import { httpAnswer, RawClient } from './rawClient.ts';

/** The time of a stall is real, for it is the socket's; comments come by the timers of the test. */
const SSE = 'text/event-stream; charset=utf-8';
const LIMITS = { maxBufferBytes: 65_536, stallMs: 500, keepAliveMs: 10_000 };
const PIECE = `data: ${'x'.repeat(65_528)}\n\n`;

let server: Server;
let timers: ManualTimers;
let calls: { connection: ClientConnection; response: ServerResponse }[];

beforeEach(async () => {
  timers = new ManualTimers();
  calls = [];
  server = createServer((request, response) => {
    request.resume();
    calls.push({ connection: new ClientConnection(response, OPENAI_FACE, LIMITS, timers), response });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});

afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});

/** A client with one call that has reached the server. */
async function call(options: { readonly reading?: boolean } = {}) {
  const client = await RawClient.to((server.address() as AddressInfo).port, options);
  return { client, ...(await callOf(client)) };
}

async function callOf(client: RawClient) {
  const before = calls.length;
  client.send('GET / HTTP/1.1\r\nhost: relay\r\n\r\n');
  await vi.waitFor(() => expect(calls).toHaveLength(before + 1), { interval: 2 });
  const latest = calls.at(-1);
  if (!latest) throw new Error('no call');
  const gone: GoneReason[] = [];
  latest.connection.whenGone((reason) => gone.push(reason));
  return { ...latest, gone };
}

/** Writes until the connection asks for a pause, and neither socket nor kernel takes more. */
async function fill({ connection, response }: Pick<Awaited<ReturnType<typeof callOf>>, 'connection' | 'response'>) {
  for (let piece = 0; piece < 2_000; piece += 1) {
    const mayContinue = connection.write(PIECE);
    await new Promise((resolve) => setImmediate(resolve));
    if (!mayContinue && response.writableLength > LIMITS.maxBufferBytes) return;
  }
  throw new Error('128 MB were taken without a pause');
}

describe('A whole answer', () => {
  it('is sent with its length in bytes and leaves no timer behind', async () => {
    const { client, connection } = await call();
    connection.sendJson(200, ['x-request-id', 'r1'], '{"text":"你好"}');
    const { status, headers, body } = httpAnswer(await client.until('}'));
    expect(status).toBe(200);
    expect(headers).toMatchObject({
      'content-type': 'application/json; charset=utf-8',
      'content-length': '17',
      'x-request-id': 'r1',
    });
    expect(body).toBe('{"text":"你好"}');
    expect(timers.pending).toBe(0);
  });

  it('is sent once, and the connection serves the next call', async () => {
    const { client, connection, gone } = await call();
    connection.sendJson(200, [], '{"a":1}');
    connection.sendJson(200, [], '{"b":2}');
    connection.fail(new ApiError('internal_error'), 'r1');
    connection.end('data: late\n\n');
    expect(connection.write('data: later\n\n')).toBe(true);
    await client.until('{"a":1}');
    const next = await callOf(client);
    next.connection.sendJson(200, [], '{"c":3}');
    expect(await client.until('{"c":3}')).not.toContain('{"b":2}');
    expect(gone).toEqual([]);
  });

  it('that the client does not read is given up after the time of a stall', async () => {
    const { client, connection, response, gone } = await call({ reading: false });
    connection.sendJson(200, [], `"${'x'.repeat(32 * 1_048_576)}"`);
    expect(response.writableLength).toBeGreaterThan(0);
    await vi.waitFor(() => expect(response.destroyed).toBe(true), { timeout: 5_000 });
    expect(gone).toEqual([]);
    client.socket.destroy();
  });

  it('that the client reads slowly is not given up', async () => {
    const { client, connection, response } = await call({ reading: false });
    connection.sendJson(200, [], `"${'x'.repeat(32 * 1_048_576)}"`);
    await sip(client, 3 * LIMITS.stallMs);
    expect(response.destroyed).toBe(false);
    client.read();
    await vi.waitFor(() => expect(response.writableFinished).toBe(true), { timeout: 5_000 });
  });
});

describe('An answer that has no place for errors', () => {
  it('is cut when it fails, so that nobody takes it for whole', async () => {
    const { client, connection, response } = await call();
    connection.face = { ...OPENAI_FACE, streamType: null, keepAlive: null, errorEvent: () => null };
    connection.beginStream([], 'audio/mpeg');
    connection.write(Buffer.from('sound'));
    await client.until('sound');
    connection.fail(new ApiError('bad_gateway'), 'r1');
    await vi.waitFor(() => expect(response.destroyed).toBe(true));
    expect(response.writableEnded).toBe(false);
  });
});

describe('A streamed answer', () => {
  it('begins once, carries whole events and ends', async () => {
    const { client, connection } = await call();
    connection.beginStream(['x-request-id', 'r1'], SSE);
    connection.beginStream(['x-request-id', 'r2'], SSE);
    expect(connection.write('data: {"a":1}\n\n')).toBe(true);
    await client.until('data: {"a":1}\n\n');
    connection.end('data: [DONE]\n\n');
    const { status, headers, body } = httpAnswer(await client.until('0\r\n\r\n'));
    expect(status).toBe(200);
    expect(headers).toMatchObject({
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
      'x-request-id': 'r1',
    });
    expect(headers).not.toHaveProperty('content-length');
    expect(body).toBe('f\r\ndata: {"a":1}\n\n\r\ne\r\ndata: [DONE]\n\n\r\n0\r\n\r\n');
    expect(timers.pending).toBe(0);
  });

  it('sends its head at once where nothing else may follow for long', async () => {
    const { client, connection } = await call();
    connection.promiseStream([]);
    expect(httpAnswer(await client.until('\r\n\r\n')).status).toBe(200);
    connection.beginStream(['x-request-id', 'r2'], SSE);
    connection.promiseStream(['x-request-id', 'r3']);
    connection.end('data: [DONE]\n\n');
    expect(httpAnswer(await client.until('0\r\n\r\n')).headers).not.toHaveProperty('x-request-id');
  });

  it('gets a comment when it has been silent, and only then', async () => {
    const { client, connection } = await call();
    connection.beginStream([], SSE);
    timers.advance(LIMITS.keepAliveMs);
    await client.until(': ping\n\n');
    connection.write('data: 1\n\n');
    timers.advance(LIMITS.keepAliveMs);
    timers.advance(LIMITS.keepAliveMs - 1);
    connection.write('data: 2\n\n');
    const pings = (await client.until('data: 2')).split(': ping\n\n').length - 1;
    expect(pings).toBe(1);
    connection.end('');
    timers.advance(LIMITS.keepAliveMs * 3);
    expect((await client.until('0\r\n\r\n')).split(': ping').length - 1).toBe(1);
  });
});

describe('A failure', () => {
  it('is the whole answer when nothing was sent', async () => {
    const { client, connection } = await call();
    connection.fail(new ApiError('upstream_rate_limited', { retryAfterMs: 1_500 }), 'r1');
    const { status, headers, body } = httpAnswer(await client.until('}}'));
    expect(status).toBe(429);
    expect(headers).toMatchObject({
      'x-request-id': 'r1',
      'x-should-retry': 'true',
      'retry-after': '2',
      'retry-after-ms': '1500',
    });
    expect(JSON.parse(body)).toEqual({
      error: {
        message: 'The provider is limiting requests.',
        type: 'rate_limit_error',
        param: null,
        code: 'upstream_rate_limited',
        request_id: 'r1',
      },
    });
  });

  it('is an event of a stream that has begun, which ends properly and without [DONE]', async () => {
    const { client, connection } = await call();
    connection.beginStream([], SSE);
    connection.write('data: 1\n\n');
    connection.fail(new ApiError('bad_gateway'), 'r1');
    const text = await client.until('0\r\n\r\n');
    expect(text).toContain('data: {"error":{"message":"The provider answered with an error."');
    expect(text).not.toContain('[DONE]');
    expect(timers.pending).toBe(0);
  });

  it('of a shutdown reaches the client, in whichever form', async () => {
    const whole = await call();
    whole.connection.leave('shutdown');
    whole.connection.fail(new ApiError('service_unavailable'), 'r1');
    expect(httpAnswer(await whole.client.until('}}')).status).toBe(503);

    const streamed = await call();
    streamed.connection.beginStream([], SSE);
    streamed.connection.leave('shutdown');
    streamed.connection.fail(new ApiError('service_unavailable'), 'r2');
    expect(await streamed.client.until('0\r\n\r\n')).toContain('"code":"service_unavailable"');
    expect(whole.gone).toEqual(['shutdown']);
  });
});

describe('A client that leaves', () => {
  it.each([
    ['closing its side', (client: RawClient) => void client.socket.end()],
    ['closing both sides', (client: RawClient) => void client.socket.destroy()],
    ['a reset', (client: RawClient) => void client.socket.resetAndDestroy()],
  ])('by %s is noticed once, in a stream and before it', async (_name, leave) => {
    for (const begins of [true, false]) {
      const { client, connection, gone, response } = await call();
      if (begins) connection.beginStream([], SSE);
      leave(client);
      await vi.waitFor(() => expect(gone).toEqual(['client_gone']), { timeout: 3_000 });
      expect(connection.gone).toBe('client_gone');
      expect(timers.pending).toBe(0);

      expect(connection.write('data: late\n\n')).toBe(true);
      connection.beginStream([], SSE);
      connection.leave('client_stalled');
      connection.fail(new ApiError('internal_error'), 'r1');
      connection.end('data: [DONE]\n\n');
      connection.sendJson(200, [], '{}');
      expect(gone).toEqual(['client_gone']);
      expect(response.writableLength).toBe(0);
      expect(timers.pending).toBe(0);
    }
  });

  it('is told once more when the relay stops, and remains the reason', async () => {
    const { connection, gone } = await call();
    for (const reason of ['client_stalled', 'client_gone', 'shutdown', 'shutdown'] as const) connection.leave(reason);
    expect(gone).toEqual(['client_stalled', 'shutdown']);
    expect(connection.gone).toBe('client_stalled');
  });

  it('is told to a listener that comes later', async () => {
    const { client, connection } = await call();
    client.socket.resetAndDestroy();
    await vi.waitFor(() => expect(connection.gone).toBe('client_gone'));
    const late: GoneReason[] = [];
    connection.whenGone((reason) => late.push(reason));
    expect(late).toEqual(['client_gone']);
  });

  it('after the whole answer is no concern of the call', async () => {
    const { client, connection, gone } = await call();
    connection.sendJson(200, [], '{}');
    await client.until('{}');
    client.socket.resetAndDestroy();
    await vi.waitFor(async () => expect(await connections(server)).toBe(0));
    expect(gone).toEqual([]);
  });
});

describe('A client that stops reading', () => {
  it('pauses the upstream, then counts as stalled, and its connection is closed with the call', async () => {
    const { client, connection, gone, response } = await call({ reading: false });
    connection.beginStream([], SSE);
    await fill({ connection, response });
    expect(connection.write(PIECE)).toBe(false);
    expect(gone).toEqual([]);
    await vi.waitFor(() => expect(gone).toEqual(['client_stalled']), { timeout: 3_000 });
    expect(timers.pending).toBe(0);
    expect(connection.write(PIECE)).toBe(true);
    connection.fail(new ApiError('service_unavailable'), 'r1');
    expect(response.destroyed).toBe(true);
    client.read();
    await client.closed();
  });

  it('gets no comments, which nobody would read and which would hide the stall', async () => {
    const { client, connection, response } = await call({ reading: false });
    connection.beginStream([], SSE);
    await fill({ connection, response });
    const unread = response.writableLength;
    timers.advance(LIMITS.keepAliveMs * 2.5);
    expect(response.writableLength).toBe(unread);
    client.socket.destroy();
  });

  it('and reads again lets the upstream go on, and may be idle afterwards', async () => {
    const { client, connection, gone, response } = await call({ reading: false });
    let drained = 0;
    connection.whenDrained(() => (drained += 1));
    connection.beginStream([], SSE);
    await fill({ connection, response });
    drained = 0;
    client.read();
    await vi.waitFor(() => expect(drained).toBe(1), { timeout: 5_000 });
    expect(response.socket?.timeout).toBe(0);
    expect(connection.write('data: more\n\n')).toBe(true);
    connection.end('data: [DONE]\n\n');
    await client.until('[DONE]');
    expect(gone).toEqual([]);
    expect(timers.pending).toBe(0);
  });

  it('is not stalled while it reads some in time', async () => {
    const { client, connection, gone, response } = await call({ reading: false });
    connection.beginStream([], SSE);
    await fill({ connection, response });
    for (let piece = 0; piece < 400; piece += 1) connection.write(PIECE);
    await sip(client, 3 * LIMITS.stallMs);
    expect(gone).toEqual([]);
    await vi.waitFor(() => expect(gone).toEqual(['client_stalled']), { timeout: 3_000 });
    client.socket.destroy();
  });

  it('of the end of a stream is given up after the time of a stall', async () => {
    const { client, connection, gone, response } = await call({ reading: false });
    connection.beginStream([], SSE);
    await fill({ connection, response });
    connection.end('data: [DONE]\n\n');
    expect(response.destroyed).toBe(false);
    await vi.waitFor(() => expect(response.destroyed).toBe(true), { timeout: 3_000 });
    expect(gone).toEqual([]);
    client.socket.destroy();
  });
});

function connections(of: Server): Promise<number> {
  return new Promise((resolve, reject) =>
    of.getConnections((error, count) => (error ? reject(error) : resolve(count))),
  );
}

/** Reads a little at a time for as long as that. */
async function sip(client: RawClient, forMs: number): Promise<void> {
  const until = performance.now() + forMs;
  while (performance.now() < until) {
    client.socket.read();
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
