import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Route } from '../../../services/http/route.ts';
import { keyRoutes, type KeyRouteParts } from '../../../services/keys/http/keys.routes.ts';
import { Developer, type HubReply } from '../../support/developer.ts';
import { bookedCall } from '../clients/bookedService.ts';
import { openai, saying } from '../clients/sdk.ts';
import { startHostileService, type HostileService } from './hostileService.ts';

let world: HostileService;
let victim: Developer;
let theirs: { readonly id: string; readonly key: string };

beforeAll(async () => {
  world = await startHostileService();
  victim = await Developer.register(world.service.baseUrl);
  theirs = await victim.issueKey({ name: 'Not yours' });
  await openai(world.service.baseUrl, theirs.key).chat.completions.create(saying('Used'));
});
afterAll(() => world.dispose());

const BASE = '/api/v1/developer';
/** Every route that takes an id, as the program itself lists them; a new one is attacked without being named here. */
const ID_ROUTES = keyRoutes({} as KeyRouteParts).filter(({ path }) => path.includes('/:'));

function withId({ method, path }: Route, id: string): Promise<HubReply> {
  const place = path.replace(BASE, '').replace(/:\w+/, id);
  const takesBody = method !== 'GET';
  return world.attacker.call(method, place, takesBody ? {} : undefined);
}

const SQL = [
  "' OR '1'='1",
  "'; DROP TABLE events; --",
  '" OR 1=1 --',
  "'; SELECT pg_sleep(5); --",
  "' UNION SELECT data FROM events --",
  "'||(SELECT version())||'",
  "\\'; --",
  '$1',
  '%',
  '_',
  "x' AND 1=CAST((SELECT secret_hash FROM keys.api_keys LIMIT 1) AS int) --",
  "'; COPY events TO PROGRAM 'id'; --",
];

describe('what belongs to another tenant', () => {
  it('is on routes that this test knows how to attack', () => {
    expect(ID_ROUTES.map(({ method, path }) => `${method} ${path.replace(BASE, '')}`).sort()).toEqual([
      'DELETE /keys/keys/:id',
      'GET /keys/keys/:id/usage',
      'PATCH /keys/keys/:id',
      'POST /keys/keys/:id/disable',
      'POST /keys/keys/:id/enable',
      'POST /keys/keys/:id/rotate',
    ]);
  });

  it.each(ID_ROUTES.map((route) => [route.method, route.path, route] as const))(
    '%s %s is not there, exactly like what has never been',
    async (_method, _path, route) => {
      const foreign = await withId(route, theirs.id);
      const missing = await withId(route, 'key_00000000-0000-0000-0000-000000000000');
      expect(foreign.status).toBe(404);
      const { details: _foreignDetails, ...told } = foreign.body.error;
      const { details: _missingDetails, ...toldOfMissing } = missing.body.error;
      expect(told).toEqual({ ...toldOfMissing, code: 'not_found' });
      expect(JSON.stringify(foreign.body)).not.toContain(theirs.id);
    },
  );

  it('is as it was after all those calls', async () => {
    const { body } = await victim.call<{ id: string; status: string; name: string }[]>('GET', '/keys/keys');
    expect(body.data).toMatchObject([{ id: theirs.id, status: 'active', name: 'Not yours' }]);
    expect((await openai(world.service.baseUrl, theirs.key).chat.completions.create(saying('Still mine'))).object).toBe(
      'chat.completion',
    );
  });

  it.each(['accounts', 'userId'] as const)('cannot be reached by their %s either', async (field) => {
    const ids = field === 'accounts' ? Object.values(victim.accounts) : [victim.userId];
    for (const route of ID_ROUTES) for (const id of ids) expect((await withId(route, id)).status).toBe(404);
  });

  it('is in no list and no total of mine', async () => {
    const keys = await world.attacker.call<{ id: string }[]>('GET', '/keys/keys');
    expect(keys.body.data.map(({ id }) => id)).not.toContain(theirs.id);
    const quota = await world.attacker.call('GET', '/keys/quota?mode=test');
    expect(quota.body.data['monthly_used']).toBe(0);
    const { status } = await world.attacker.call('GET', `/keys/quota?account_id=${victim.accounts.test}`);
    expect(status).toBe(400);
  });
});

describe('an id that is an attack', () => {
  const ids = [
    ...SQL,
    '..',
    '../../auth/login',
    '%00',
    '%1f',
    '%F0%9F%92%A9',
    'a'.repeat(5_000),
    '__proto__',
    'constructor',
    '-1',
    '1e309',
    'null',
    '[object Object]',
    '*',
    '$all',
    '$ce-key',
  ];

  it.each(ids)('%j is not there, and takes no time', async (id) => {
    const escaped = id.startsWith('%') && id.length > 1 ? id : encodeURIComponent(id);
    const startedAt = performance.now();
    for (const route of ID_ROUTES) {
      const reply = await withId(route, escaped);
      expect([400, 404, 405]).toContain(reply.status);
      expect(reply.body.success).toBe(false);
    }
    expect(performance.now() - startedAt).toBeLessThan(3_000);
  });
});

describe('SQL in places where text belongs', () => {
  it.each(SQL)('%j as the name of a key is a name', async (name) => {
    const reply = await world.attacker.call<{ id: string; name: string }>('POST', '/keys/keys', { name, mode: 'test' });
    expect(reply.status).toBe(201);
    expect(reply.body.data.name).toBe(name);
    expect((await world.attacker.call('DELETE', `/keys/keys/${reply.body.data.id}`, { reason: name })).status).toBe(
      200,
    );
  });

  it.each(SQL)('%j in an address, a password, a query, a model, a header and a message does nothing', async (text) => {
    const startedAt = performance.now();
    const { baseUrl } = world.service;
    const login = await world.attacker.call('POST', '/auth/login', { email: text, password: text });
    expect([400, 401, 429]).toContain(login.status);
    for (const place of ['mode', 'days', 'account_id', text]) {
      const query = `${encodeURIComponent(place)}=${encodeURIComponent(text)}`;
      expect((await world.attacker.call('GET', `/keys/keys?${query}`)).status).toBe(400);
    }
    const header = { 'x-request-id': text, 'user-agent': text, 'openai-organization': text, 'idempotency-key': text };
    const client = openai(baseUrl, world.key, { defaultHeaders: header });
    await expect(client.chat.completions.create({ ...saying('Hi'), model: text })).rejects.toMatchObject({
      status: 404,
    });
    const answer = await client.chat.completions.create({
      ...saying(text),
      safety_identifier: text,
      metadata: { a: text },
    });
    expect(answer.object).toBe('chat.completion');
    expect(performance.now() - startedAt).toBeLessThan(4_000);
  });

  it('has left every table where it was', async () => {
    const { rows } = await world.service.pool.query<{ events: boolean; keys: boolean }>(
      `SELECT to_regclass('public.events') IS NOT NULL AS events, to_regclass('keys.api_keys') IS NOT NULL AS keys`,
    );
    expect(rows).toEqual([{ events: true, keys: true }]);
  });
});

/** What attackers add to a body in the hope that it lands in a row. */
const EXTRA_FIELDS: readonly (readonly [string, unknown])[] = [
  ['role', 'admin'],
  ['isAdmin', true],
  ['is_admin', true],
  ['orgId', 'org_1'],
  ['quota', 1e9],
  ['spend', 0],
  ['monthly_used', -1],
  ['userId', 'user_1'],
  ['user_id', 'user_1'],
  ['accountId', 'acct_1'],
  ['account_id', 'acct_1'],
  ['accounts', { live: 'acct_1', test: 'acct_1' }],
  ['maxKeys', 999],
  ['max_api_keys', 999],
  ['plan', 'enterprise'],
  ['status', 'active'],
  ['secret', 'x'],
  ['secretHash', 'a'.repeat(64)],
  ['key', 'tly_live_x'],
  ['prefix', 'tly_live_'],
  ['keyId', 'key_1'],
  ['id', 'key_1'],
  ['created_at', '2020-01-01T00:00:00Z'],
  ['eventId', 'x'],
  ['type', 'ApiKeyIssued'],
  ['$where', '1'],
  ['constructor', { prototype: { isAdmin: true } }],
];

describe('a field that nobody asked for', () => {
  it.each(EXTRA_FIELDS)('%s is refused on every route that writes', async (field, value) => {
    const { id } = await world.attacker.issueKey();
    const extra = { [field]: value };
    const writes: readonly (readonly [string, string, object])[] = [
      ['POST', '/auth/register', { email: 'new@users.example', password: 'a password of my own', ...extra }],
      ['POST', '/auth/login', { email: world.attacker.email, password: world.attacker.password, ...extra }],
      ['POST', '/keys/keys', { name: 'x', mode: 'test', ...extra }],
      ['POST', '/keys/keys', { name: 'x', mode: 'test', limits: extra }],
      ['PATCH', `/keys/keys/${id}`, extra],
      ['PATCH', `/keys/keys/${id}`, { limits: extra }],
      ['POST', `/keys/keys/${id}/rotate`, extra],
      ['POST', `/keys/keys/${id}/disable`, extra],
      ['POST', `/keys/keys/${id}/enable`, extra],
      ['DELETE', `/keys/keys/${id}`, extra],
    ];
    for (const [method, place, body] of writes) {
      const reply = await world.attacker.call(method, place, body);
      expect(`${method} ${place}: ${String(reply.status)}`).toBe(`${method} ${place}: 400`);
      expect(reply.body.error).toMatchObject({ code: 'invalid_request', type: 'invalid_request_error' });
    }
    expect((await world.attacker.call('DELETE', `/keys/keys/${id}`)).status).toBe(200);
  });

  it('cannot make a test key a live one, nor change whose it is', async () => {
    const { id } = await world.attacker.issueKey();
    expect((await world.attacker.call('PATCH', `/keys/keys/${id}`, { mode: 'live' })).status).toBe(400);
  });

  it('in a chat body neither chooses who pays nor what it costs', async () => {
    const { request_id: requestId } = await openai(world.service.baseUrl, world.key)
      .chat.completions.create({
        ...saying('Pay for me'),
        ...{
          account_id: victim.accounts.test,
          key_id: theirs.id,
          requestId: theirs.id,
          price: 0,
          mode: 'live',
          cost: 0,
        },
      })
      .withResponse();
    const booked = await bookedCall(world.service, requestId);
    expect(booked.accountId).toBe(world.attacker.accounts.test);
    expect(booked.amount).toBeGreaterThan(0n);
  });

  it('in a header does not either', async () => {
    const headers = { 'x-account-id': victim.accounts.test, 'x-request-id': '00000000-0000-7000-8000-000000000000' };
    const call = () =>
      openai(world.service.baseUrl, world.key, { defaultHeaders: headers })
        .chat.completions.create(saying('The same id twice'))
        .withResponse();
    const [one, other] = [await call(), await call()];
    expect(one.request_id).not.toBe(headers['x-request-id']);
    expect(one.request_id).not.toBe(other.request_id);
    for (const { request_id: requestId } of [one, other]) {
      const booked = await bookedCall(world.service, requestId);
      expect(booked.accountId).toBe(world.attacker.accounts.test);
      expect(booked.amount).toBeGreaterThan(0n);
    }
  });
});

describe('a limit that is no limit', () => {
  it.each(['tokens_per_month', 'concurrency', 'requests_per_minute', 'tokens_per_minute'])(
    '%s, is refused when it is negative, huge or no number',
    async (field) => {
      for (const value of ['-1', '1e309', '9007199254740992', '1.5', '"5"', '[]', '{}', 'true']) {
        const response = await fetch(`${world.service.baseUrl}${BASE}/keys/keys`, {
          method: 'POST',
          headers: { authorization: `Bearer ${world.attacker.token}`, 'content-type': 'application/json' },
          body: `{"name":"x","mode":"test","limits":{"${field}":${value}}}`,
        });
        expect(`${value} ${String(response.status)}`).toBe(`${value} 400`);
        await response.body?.cancel();
      }
    },
  );

  it.each(['-1', '+1', '1e3', '0x10', '1.0000000000001', 'Infinity', 'NaN', '', ' 1', 1, null, {}])(
    'spend per month, is refused as %j',
    async (amount) => {
      const reply = await world.attacker.call('POST', '/keys/keys', {
        name: 'x',
        mode: 'test',
        limits: { spend_per_month: { USD: amount } },
      });
      expect(reply.status).toBe(400);
    },
  );
});

describe('after all these attacks', () => {
  it('the service is unharmed', async () => {
    await world.expectUnharmed();
  });
});
