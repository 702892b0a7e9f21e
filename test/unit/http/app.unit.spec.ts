import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { StoreUnavailable } from '../../../events/eventStore.ts';
import { createApp } from '../../../services/http/app.ts';
import { ApiError } from '../../../services/http/errors.ts';
import type { Call, RelayRoute, Route } from '../../../services/http/route.ts';
import { createHttpServer } from '../../../services/http/server.ts';
import { OPENAI_FACE } from '../../../services/relay/dialects/openai/face.ts';
import { ClientConnection } from '../../../services/relay/http/clientConnection.ts';
import { readBody } from '../../../services/relay/http/readBody.ts';
import type { CallerKey } from '../../../services/relay/ports.ts';
import type { Runtime } from '../../../services/runtime.ts';
import { ManualTimers } from '../relay/manualTimers.ts';
import { httpAnswer, RawClient } from '../relay/rawClient.ts';

const KEY: CallerKey = {
  keyId: 'key_1',
  accountId: 'acct_1',
  mode: 'test',
  status: 'active',
  models: null,
  requestsPerMinute: null,
  tokensPerMinute: null,
  concurrency: null,
};
const ADMIN = { userId: 'user_admin', accounts: { live: 'acct_live9', test: 'acct_test9' } };
const USER = { userId: 'user_1', accounts: { live: 'acct_live1', test: 'acct_test1' } };
const MAX_RELAY_BODY = 1_000_000;

let minted = 0;
let logged: object[] = [];
const timers = new ManualTimers();
const runtime: Runtime = {
  clock: { now: () => 0, monotonic: () => 0 },
  ids: { uuid: () => `request-${String((minted += 1))}` },
  random: { bytes: (length) => Buffer.alloc(length), fraction: () => 0 },
  timers,
  log: {
    info: () => undefined,
    warn: () => undefined,
    error: (fields) => logged.push(fields),
  },
};

const calls: Call[] = [];
const echo = (call: Call) => {
  calls.push(call);
  return Promise.resolve({ status: 200, body: { params: call.params, body: call.body ?? null } });
};
const failing = (error: unknown) => () => {
  throw error;
};
const place = (method: Route['method'], path: string, dialect: Route['dialect']) => ({ method, path, dialect });
const routes: readonly Route[] = [
  { ...place('GET', '/v1/models/:id', 'openai'), policy: 'apiKey', handle: (call) => echo(call) },
  { ...place('GET', '/api/v1/things', 'aihub'), policy: 'user', handle: (call) => echo(call) },
  { ...place('GET', '/api/ai-api/admin/things', 'ollama'), policy: 'admin', handle: (call) => echo(call) },
  { ...place('POST', '/api/v1/things', 'aihub'), policy: 'public', handle: (call) => echo(call) },
  {
    ...place('DELETE', '/api/v1/things/:id', 'aihub'),
    policy: 'user',
    handle: () => Promise.resolve({ status: 204, body: undefined, headers: { 'x-extra': '1' } }),
  },
  {
    ...place('GET', '/livez', 'plain'),
    policy: 'public',
    handle: () => Promise.resolve({ status: 200, body: 'ok\n', headers: { 'content-type': 'text/plain' } }),
  },
  { ...place('GET', '/broken', 'openai'), policy: 'public', handle: failing(new Error('secret detail')) },
  { ...place('GET', '/store', 'openai'), policy: 'public', handle: failing(new StoreUnavailable('down')) },
  {
    ...place('POST', '/api/v1/names', 'aihub'),
    policy: 'public',
    handle: (call) => Promise.resolve({ status: 200, body: Object.keys(call.body as object) }),
  },
  { ...place('GET', '/thrown', 'openai'), policy: 'public', handle: () => Promise.reject(thrown) },
];
/** A value that is no Error, as careless code may throw. */
const thrown: Error = JSON.parse('null') as Error;

const relayRoutes: readonly RelayRoute[] = [
  {
    method: 'POST',
    path: '/v1/chat/completions',
    dialect: 'openai',
    policy: 'apiKey',
    handle(request, response) {
      const limits = { maxBufferBytes: 65_536, stallMs: 1_000, keepAliveMs: 10_000 };
      const client = new ClientConnection(response, OPENAI_FACE, limits, timers);
      new Promise<Buffer>((resolve) => resolve(readBody(request, MAX_RELAY_BODY))).then(
        (body) => client.sendJson(200, ['x-request-id', 'relay'], JSON.stringify({ bytes: body.length })),
        (error: unknown) => client.fail(error as ApiError, 'relay'),
      );
    },
  },
];

let server: Server;
let port: number;

beforeAll(async () => {
  const app = createApp({
    routes,
    relayRoutes,
    runtime,
    authenticateKey(headers) {
      if (headers.authorization !== 'Bearer key') throw new ApiError('invalid_api_key');
      return KEY;
    },
    isAdmin: ({ userId }) => Promise.resolve(userId === ADMIN.userId),
    authenticateUser({ authorization }) {
      if (authorization === 'Bearer admin') return Promise.resolve(ADMIN);
      return authorization === 'Bearer token' ? Promise.resolve(USER) : Promise.reject(new ApiError('invalid_token'));
    },
  });
  server = createHttpServer(app, relayRoutes, 100, runtime.ids);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  port = (server.address() as AddressInfo).port;
});

afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});

beforeEach(() => {
  logged = [];
  calls.length = 0;
});

interface Ask {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
}

/** Sends a target as it stands, which libraries would repair. */
async function ask(target: string, { method = 'GET', headers = {}, body = '' }: Ask = {}) {
  const client = await RawClient.to(port);
  const all = { host: 'relay', connection: 'close', 'content-length': String(Buffer.byteLength(body)), ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  client.send(`${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n`);
  client.send(body);
  const text = await client.closed();
  client.socket.destroy();
  const answer = httpAnswer(text);
  return { ...answer, text, json: () => JSON.parse(answer.body) as Record<string, Record<string, unknown>> };
}

const JSON_TYPE = { 'content-type': 'application/json' };
const TOKEN = { authorization: 'Bearer token' };

describe('A route', () => {
  it('answers who may call it, with the id of the request', async () => {
    const { status, headers, json } = await ask('/v1/models/gpt%2F4o?x=1&y=%zz&x=2?3', {
      headers: { authorization: 'Bearer key' },
    });
    expect(status).toBe(200);
    expect(json()).toEqual({ params: { id: 'gpt/4o' }, body: null });
    expect(headers['x-request-id']).toBe(calls[0]?.requestId);
    expect(calls[0]?.query.getAll('x')).toEqual(['1', '2?3']);
    expect(calls[0]?.remoteAddress).toBe('127.0.0.1');
    expect(headers).not.toHaveProperty('x-powered-by');
    expect(headers['x-content-type-options']).toBe('nosniff');
  });

  it.each([
    ['/v1/models/a', {}, 401, 'invalid_api_key'],
    ['/v1/models/a', TOKEN, 401, 'invalid_api_key'],
    ['/api/v1/things', {}, 401, 'invalid_token'],
    ['/api/v1/things', { authorization: 'Bearer key' }, 401, 'invalid_token'],
  ])('refuses others: %s with %j', async (path, headers, status, code) => {
    const answer = await ask(path, { headers });
    expect(answer.status).toBe(status);
    expect(answer.json()['error']).toMatchObject({ code });
    expect(calls).toEqual([]);
  });

  it('for administrators answers them alone', async () => {
    const path = '/api/ai-api/admin/things';
    expect((await ask(path, { headers: { authorization: 'Bearer admin' } })).status).toBe(200);
    calls.length = 0;
    const user = await ask(path, { headers: TOKEN });
    expect(user.status).toBe(403);
    expect(user.json()).toMatchObject({ error: 'Only administrators may do this.', code: 'ADMIN_REQUIRED' });
    for (const authorization of ['Bearer key', 'Bearer x', '']) {
      const stranger = await ask(path, { headers: { authorization } });
      expect([stranger.status, stranger.json()['code']]).toEqual([401, 'AUTHENTICATION_ERROR']);
    }
    expect(calls).toEqual([]);
  });

  it('may answer without a body, or with text', async () => {
    const gone = await ask('/api/v1/things/7', { method: 'DELETE', headers: TOKEN });
    expect(gone).toMatchObject({ status: 204, body: '' });
    expect(gone.headers['x-extra']).toBe('1');
    expect(await ask('/livez')).toMatchObject({ status: 200, body: 'ok\n' });
  });

  it('answers HEAD as GET without the body', async () => {
    const { status, body, headers } = await ask('/livez', { method: 'HEAD' });
    expect({ status, body }).toEqual({ status: 200, body: '' });
    expect(headers['content-length']).toBe('3');
  });
});

describe('What is not there', () => {
  it.each([
    ['/v1/nothing', 'openai'],
    ['/', 'openai'],
    ['//v1/models/a', 'openai'],
    ['/api/v1/nothing', 'aihub'],
    ['/api/v1/things/7/parts', 'aihub'],
  ])('is refused in the shape of its path: %s', async (path, dialect) => {
    const { status, headers, json } = await ask(path);
    expect(status).toBe(404);
    expect(json()).toMatchObject(dialect === 'aihub' ? { success: false } : { error: { param: null } });
    expect(json()['error']).toMatchObject({ code: 'not_found', type: 'invalid_request_error' });
    expect(headers['x-should-retry']).toBe('false');
    expect(json()['error']?.['request_id'] ?? json()['error']?.['details']).toBeDefined();
  });

  it.each([
    ['PUT', '/v1/models/a', 'GET, HEAD'],
    ['OPTIONS', '/v1/chat/completions', 'POST'],
    ['GET', '/v1/chat/completions', 'POST'],
    ['PATCH', '/api/v1/things', 'GET, HEAD, POST'],
    ['TRACE', '/api/v1/things/7', 'DELETE'],
  ])('includes the method %s of %s, which allows %s', async (method, path, allowed) => {
    const { status, headers, json } = await ask(path, { method });
    expect(status).toBe(405);
    expect(headers['allow']).toBe(allowed);
    expect(json()['error']).toMatchObject({ code: 'method_not_allowed' });
    expect('success' in json()).toBe(path.startsWith('/api/'));
  });

  it('is refused in the shape of the route where only the method is wrong', async () => {
    const { status, json } = await ask('/livez', { method: 'POST' });
    expect(status).toBe(405);
    expect(json()).toEqual({
      code: 'method_not_allowed',
      message: 'This method is not supported here.',
      request_id: expect.any(String) as string,
    });
  });

  it('is refused without a body for HEAD', async () => {
    expect(await ask('/v1/nothing', { method: 'HEAD' })).toMatchObject({ status: 404, body: '' });
  });
});

describe('A target or body that is broken', () => {
  it.each(['/v1/models/%', '/v1/models/%E0%A4%A', '/v1/models/%ff'])('is a bad request: %s', async (path) => {
    const { status, json } = await ask(path, { headers: { authorization: 'Bearer key' } });
    expect(status).toBe(400);
    expect(json()['error']).toMatchObject({ code: 'invalid_request', message: 'The path is not valid.' });
    expect(logged).toEqual([]);
  });

  it.each(['http://relay/livez', 'http://[bad/livez', 'http://relay:99999999/livez', '*', '//', '/%00', '/livez?%'])(
    'never makes the server fail: %s',
    async (target) => {
      const { status } = await ask(target);
      expect(status).toBeLessThan(500);
      expect(logged).toEqual([]);
    },
  );

  it.each([
    ['{"a":', JSON_TYPE],
    ['"text"', JSON_TYPE],
    ['null', JSON_TYPE],
    ['{}', { 'content-type': 'application/json; charset=iso-8859-1' }],
    ['{}', { ...JSON_TYPE, 'content-encoding': 'zip' }],
  ])('is not JSON: %j with %j', async (body, headers) => {
    const { status, json } = await ask('/api/v1/things', { method: 'POST', headers, body });
    expect(status).toBe(400);
    expect(json()).toMatchObject({ success: false, error: { code: 'invalid_json' } });
    expect(logged).toEqual([]);
  });

  it('is a bad request when it says gzip and is not', async () => {
    const headers = { ...JSON_TYPE, 'content-encoding': 'gzip' };
    const { status, json } = await ask('/api/v1/things', { method: 'POST', headers, body: 'no gzip' });
    expect(status).toBe(400);
    expect(json()['error']).toMatchObject({ code: 'invalid_request', message: 'The request is not valid.' });
    expect(logged).toEqual([]);
  });

  it.each([
    ['as it is', `{"a":"${'x'.repeat(70_000)}"}`, JSON_TYPE],
    ['after gzip', gzipSync(`{"a":"${'x'.repeat(10_000_000)}"}`), { ...JSON_TYPE, 'content-encoding': 'gzip' }],
  ])('is too large %s', async (_name, body, headers) => {
    const { status, json } = await ask('/api/v1/things', { method: 'POST', headers, body });
    expect(status).toBe(413);
    expect(json()).toMatchObject({ success: false, error: { code: 'request_too_large' } });
  });

  it('does not reach a prototype and may be deep', async () => {
    const body = `{"__proto__":{"polluted":1},"deep":${'['.repeat(20_000)}${']'.repeat(20_000)}}`;
    const { status, json } = await ask('/api/v1/names', { method: 'POST', headers: JSON_TYPE, body });
    expect(status).toBe(200);
    expect(json()).toEqual(['__proto__', 'deep']);
    expect(({} as { polluted?: number }).polluted).toBeUndefined();
    expect((await ask('/livez')).status).toBe(200);
  });

  it('of another type is no body', async () => {
    const { json } = await ask('/api/v1/things', {
      method: 'POST',
      headers: { 'content-type': 'text/plain' },
      body: '{"a":1}',
    });
    expect(json()).toEqual({ params: {}, body: null });
  });
});

describe('A failure inside', () => {
  it('tells the id of the request and nothing else, and is logged', async () => {
    const { status, headers, body, json } = await ask('/broken');
    expect(status).toBe(500);
    expect(json()['error']).toMatchObject({ code: 'internal_error', message: 'Something failed on our side.' });
    expect(body).not.toContain('secret detail');
    expect(body).not.toContain('.ts');
    expect(logged).toMatchObject([{ requestId: headers['x-request-id'] }]);
  });

  it('that is not even an Error is answered too', async () => {
    expect((await ask('/thrown')).status).toBe(500);
    expect(logged).toHaveLength(1);
  });

  it('of the store says when to try again', async () => {
    const { status, headers } = await ask('/store');
    expect(status).toBe(503);
    expect(headers).toMatchObject({ 'retry-after': '1', 'x-should-retry': 'true' });
    expect(logged).toEqual([]);
  });
});

describe('A relay route', () => {
  it.each(['/v1/chat/completions', '/v1/chat/completions/', '/v1/chat/completions?x=1', '/V1/Chat/Completions'])(
    'is reached as %s, with one request id',
    async (target) => {
      const { status, headers, json, body, text } = await ask(target, {
        method: 'POST',
        headers: JSON_TYPE,
        body: '{}',
      });
      expect(status).toBe(200);
      expect(json()).toEqual({ bytes: 2 });
      expect(body).toBe('{"bytes":2}');
      expect(headers['x-request-id']).toBe('relay');
      expect(text.match(/x-request-id/gi)).toHaveLength(1);
    },
  );

  it('refuses a body of 100 MB readably, announced or not, and the process lives', async () => {
    const piece = Buffer.alloc(1_048_576, 'x');
    const before = process.memoryUsage.rss();
    for (const framing of [`content-length: ${String(100 * piece.length)}`, 'transfer-encoding: chunked']) {
      const chunked = framing.startsWith('transfer');
      const client = await RawClient.to(port);
      client.send(`POST /v1/chat/completions HTTP/1.1\r\nhost: relay\r\n${framing}\r\n\r\n`);
      for (let sent = 0; sent < 100; sent += 1) {
        if (chunked) client.send(`${piece.length.toString(16)}\r\n`);
        if (!client.socket.write(piece)) await once(client.socket, 'drain');
        if (chunked) client.send('\r\n');
      }
      const { status, body } = httpAnswer(await client.until('}}'));
      expect(status).toBe(413);
      expect(JSON.parse(body)).toMatchObject({ error: { code: 'request_too_large' } });
      client.socket.destroy();
    }
    expect(process.memoryUsage.rss() - before).toBeLessThan(150_000_000);
    expect((await ask('/livez')).status).toBe(200);
  });
});
