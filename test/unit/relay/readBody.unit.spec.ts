import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { ApiError } from '../../../services/http/errors.ts';
import { Intake } from '../../../services/relay/http/intake.ts';
import { readBody } from '../../../services/relay/http/readBody.ts';
import { httpAnswer, RawClient } from './rawClient.ts';

const MAX_BYTES = 1_000;

/** More 1-byte pieces than are kept apart. */
const MANY_PIECES = 3_000;

let intake: Intake;
let server: Server;
let outcomes: unknown[];

beforeEach(async () => {
  outcomes = [];
  intake = new Intake(200 * MAX_BYTES, MAX_BYTES);
  server = createServer((request, response) => {
    const place = intake.enter({ keyId: 'key_1', accountId: 'acct_1', concurrency: null });
    const maxBytes = request.url === '/large' ? Infinity : MAX_BYTES;
    const reading = new Promise<Buffer>((resolve) => resolve(readBody(request, maxBytes, undefined, 'json', place)));
    reading
      .finally(() => place.leave())
      .then(
        (body) => ({ status: 200, told: body.toString() }),
        (error: unknown) =>
          error instanceof ApiError ? { status: error.status, told: error.code } : { status: 500, told: String(error) },
      )
      .then(({ status, told }) => {
        outcomes.push(told);
        response.writeHead(status).end(told);
      }, outcomes.push.bind(outcomes));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});

afterEach(async () => {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});

const client = () => RawClient.to((server.address() as AddressInfo).port);
const HEAD = 'POST / HTTP/1.1\r\nhost: relay\r\n';

describe('A body', () => {
  it('is read whole, also from pieces that cut a character', async () => {
    const caller = await client();
    const body = Buffer.from('{"text":"你好"}');
    caller.send(`${HEAD}content-type: application/json; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n`);
    for (const piece of [body.subarray(0, 10), body.subarray(10)]) {
      caller.send(Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')]));
      await new Promise((resolve) => setImmediate(resolve));
    }
    caller.send('0\r\n\r\n');
    expect(httpAnswer(await caller.until('0\r\n\r\n')).body).toContain('{"text":"你好"}');
  });

  it('is read whole from pieces of one byte, which are put together', async () => {
    const caller = await client();
    const digits = Array.from({ length: MANY_PIECES }, (_, index) => String(index % 10));
    caller.send(HEAD.replace('/', '/large') + 'transfer-encoding: chunked\r\n\r\n');
    caller.send(`${digits.map((digit) => `1\r\n${digit}\r\n`).join('')}0\r\n\r\n`);
    await caller.until('0\r\n\r\n');
    expect(outcomes).toEqual([digits.join('')]);
  });

  it('is counted while it is read, and no longer', async () => {
    const caller = await client();
    caller.send(`${HEAD}content-length: 10\r\n\r\n{"a"`);
    await vi.waitFor(() => expect(intake.heldBytes).toBe(4));
    caller.send(':true}');
    await caller.until('true');
    expect(intake.heldBytes).toBe(0);
  });

  it('for which there is no room is refused while it comes, and its caller can read that', async () => {
    const caller = await client();
    const length = 100 * MAX_BYTES + 1;
    caller.send(`POST /large HTTP/1.1\r\nhost: relay\r\ncontent-length: ${String(length)}\r\n\r\n`);
    caller.send('x'.repeat(length));
    expect(httpAnswer(await caller.until('concurrency_exceeded')).status).toBe(429);
    expect(intake.heldBytes).toBe(0);
    caller.post('/', '{}');
    expect(await caller.until('{}')).toContain('200 OK');
  });

  it('may be as long as allowed', async () => {
    const caller = await client();
    caller.post('/', 'x'.repeat(MAX_BYTES));
    expect(httpAnswer(await caller.until('0\r\n\r\n')).status).toBe(200);
  });

  it.each(['application/json', 'APPLICATION/JSON', 'application/vnd.api+json;q=1', ''])(
    'may be of type %j',
    async (type) => {
      const caller = await client();
      caller.post('/', '{}', type === '' ? '' : `content-type: ${type}\r\n`);
      expect(httpAnswer(await caller.until('0\r\n\r\n')).status).toBe(200);
    },
  );

  it.each(['text/plain', 'application/x-www-form-urlencoded', 'application/jsonp', 'x/application/json'])(
    'may not be of type %j',
    async (type) => {
      const caller = await client();
      caller.post('/', '{}', `content-type: ${type}\r\n`);
      expect(httpAnswer(await caller.until('0\r\n\r\n')).status).toBe(415);
    },
  );

  it('that says it is too long is refused before it is read', async () => {
    const caller = await client();
    caller.send(`${HEAD}content-length: ${String(MAX_BYTES + 1)}\r\n\r\n`);
    expect(httpAnswer(await caller.until('request_too_large')).status).toBe(413);
  });

  it('that turns out to be too long is refused, and the caller can read it', async () => {
    const caller = await client();
    caller.send(`${HEAD}transfer-encoding: chunked\r\n\r\n`);
    const piece = `10000\r\n${'x'.repeat(65_536)}\r\n`;
    for (let sent = 0; sent < 400; sent += 1) caller.send(piece);
    expect(httpAnswer(await caller.until('request_too_large')).status).toBe(413);
    caller.send('0\r\n\r\n');
    caller.post('/', '{}');
    expect(await caller.until('{}')).toContain('200 OK');
    expect(outcomes).toEqual(['request_too_large', '{}']);
  });

  it.each([
    ['ends its side', (caller: RawClient) => void caller.socket.end()],
    ['resets', (caller: RawClient) => void caller.socket.resetAndDestroy()],
  ])('of a caller that %s in the middle is refused', async (_name, leave) => {
    const caller = await client();
    caller.send(`${HEAD}content-length: 10\r\n\r\n{"a"`);
    await new Promise((resolve) => setImmediate(resolve));
    leave(caller);
    await vi.waitFor(() => expect(outcomes).toEqual(['invalid_request']), { timeout: 3_000 });
  });
});
