import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { parseSecret } from '../../../services/keys/secret.ts';
import { answeredCall, appendAll } from '../../support/events.ts';
import { testDatabase, type TestDatabase } from '../../support/postgres.ts';
import { PASSWORD } from '../../unit/accounts/accountWorld.ts';
import { startManagement, type Management } from './managementServer.ts';

let database: TestDatabase;
let server: Management;
let other: Management;
let users = 0;

beforeAll(async () => {
  database = await testDatabase();
  server = await startManagement(database);
  other = await startManagement(database);
});
afterAll(async () => {
  await Promise.all([server.stop(), other.stop()]);
  await database.close();
});

/** A new user who has signed in. */
async function signedIn() {
  users += 1;
  const credentials = { email: `user${String(users)}@example.com`, password: PASSWORD };
  const registered = await server.call('POST', '/auth/register', { body: { ...credentials, name: 'Zerline Quux' } });
  expect(registered.status).toBe(201);
  const session = await server.call('POST', '/auth/login', { body: credentials });
  expect(session.status).toBe(200);
  const { accounts } = registered.body.data as { accounts: { live: string; test: string } };
  return { ...credentials, accounts, token: String(session.body.data['access_token']) };
}

async function newKey(token: string, body: object = {}) {
  const created = await server.call('POST', '/keys/keys', { token, body: { name: 'ci', ...body } });
  expect(created.status).toBe(201);
  return { id: String(created.body.data['id']), secret: String(created.body.data['key']) };
}

const statusOf = (on: Management, secret: string) =>
  on.index.find(parseSecret(secret)?.hash ?? '', Date.now())?.status ?? null;

describe('the path of the developer guide', () => {
  it('leads from registration to a key, its quota and its usage', async () => {
    const { token, accounts } = await signedIn();
    const { id, secret } = await newKey(token);
    expect(statusOf(server, secret)).toBe('active');

    const now = new Date().toISOString();
    const call = { accountId: accounts.live, keyId: id, occurredAt: now, quotaPeriod: now.slice(0, 7) };
    const calls = [1, 2].flatMap((each) => answeredCall(`${id} ${String(each)}`, call));
    const events = calls.map((event) => (event.type === 'RequestCompleted' ? event : { ...event, ...call }));
    await server.caughtUp(await appendAll(server.store, events));

    const quota = await server.call('GET', '/keys/quota', { token });
    expect(quota.body).toMatchObject({
      success: true,
      data: {
        monthly_quota: 1_000_000,
        monthly_used: 3_000,
        monthly_remaining: 997_000,
        monthly_usage_percent: 0.3,
        monthly_cost: 0.0009,
        monthly_costs: { USD: '0.0009' },
        active_api_keys: 1,
        max_api_keys: 10,
      },
    });
    const usage = await server.call('GET', `/keys/keys/${id}/usage?days=30`, { token });
    const ofBoth = { requests: 2, tokens: 3_000, cost: 0.0009, costs: { USD: '0.0009' } };
    expect(usage.body).toEqual({
      success: true,
      data: {
        period_days: 30,
        total_requests: 2,
        total_tokens: 3_000,
        total_cost: 0.0009,
        total_costs: { USD: '0.0009' },
        avg_response_time: 840,
        success_rate: 100,
        model_usage: { 'gpt-4o-mini': ofBoth },
        daily_usage: { [now.slice(0, 10)]: ofBoth },
      },
    });
    expect(usage.text).toContain('"total_cost":0.0009,');
    const inTest = await server.call('GET', '/keys/quota?mode=test', { token });
    expect(inTest.body.data).toMatchObject({ monthly_used: 0, active_api_keys: 0 });
  });

  it('shows what was written to whoever wrote it, at once', async () => {
    const { token } = await signedIn();
    const list = async () => (await server.call('GET', '/keys/keys', { token })).body.data as unknown as object[];
    for (let count = 1; count <= 3; count += 1) {
      const { id } = await newKey(token);
      expect((await list())[0]).toMatchObject({ id, status: 'active' });
      const disabled = await server.call('POST', `/keys/keys/${id}/disable`, { token });
      expect((await list())[0]).toEqual(disabled.body.data);
      expect(disabled.body.data['status']).toBe('disabled');
    }
  });
});

describe('a revoked key', () => {
  it('is denied by every process within a second', async () => {
    const { token } = await signedIn();
    const { id, secret } = await newKey(token);
    await vi.waitFor(() => expect(statusOf(other, secret)).toBe('active'), { timeout: 1_000, interval: 5 });
    const start = performance.now();
    expect((await server.call('DELETE', `/keys/keys/${id}`, { token })).status).toBe(200);
    expect(statusOf(server, secret)).toBeNull();
    await vi.waitFor(() => expect(statusOf(other, secret)).toBeNull(), { timeout: 1_000, interval: 5 });
    expect(performance.now() - start).toBeLessThan(1_000);
  });

  it('was replaced by rotation: both secrets work, then the new one alone', async () => {
    const { token } = await signedIn();
    const { id, secret } = await newKey(token);
    const rotated = await server.call('POST', `/keys/keys/${id}/rotate`, { token, body: { overlap_ms: 60_000 } });
    const fresh = String(rotated.body.data['key']);
    expect([statusOf(server, secret), statusOf(server, fresh)]).toEqual(['active', 'active']);
    const again = await server.call('POST', `/keys/keys/${id}/rotate`, { token, body: { overlap_ms: 0 } });
    const last = String(again.body.data['key']);
    expect([secret, fresh, last].map((each) => statusOf(server, each))).toEqual([null, null, 'active']);
  });
});

describe('races between processes', () => {
  it('never give an account more keys than it may have', async () => {
    const { token } = await signedIn();
    const tries = Array.from({ length: 24 }, (_, index) =>
      (index % 2 ? server : other).call('POST', '/keys/keys', { token, body: { name: String(index) } }),
    );
    const statuses = (await Promise.all(tries)).map((reply) => reply.status);
    expect(statuses.filter((status) => status === 201)).toHaveLength(10);
    expect(statuses.filter((status) => status === 403)).toHaveLength(14);
    const quota = await server.call('GET', '/keys/quota', { token });
    expect(quota.body.data['active_api_keys']).toBe(10);
  });

  it('never give one address to two users', async () => {
    const tries = Array.from({ length: 8 }, (_, index) =>
      (index % 2 ? server : other).call('POST', '/auth/register', {
        body: { email: 'Contested@example.com', password: `${PASSWORD} ${String(index)}` },
      }),
    );
    const statuses = (await Promise.all(tries)).map((reply) => reply.status).sort();
    expect(statuses).toEqual([201, ...Array.from({ length: 7 }, () => 409)]);
  });
});

describe('another tenant', () => {
  it('finds nothing, by any route and any verb', async () => {
    const [owner, stranger] = [await signedIn(), await signedIn()];
    const { id } = await newKey(owner.token);
    const missing = `key_${'0'.repeat(32)}`;
    const routes: [string, string, unknown][] = [
      ['GET', '/usage', undefined],
      ['PATCH', '', { models: [] }],
      ['POST', '/rotate', undefined],
      ['POST', '/disable', undefined],
      ['POST', '/enable', undefined],
      ['DELETE', '', undefined],
    ];
    for (const [method, path, body] of routes) {
      const answers = [id, missing].map(async (each) => {
        const reply = await server.call(method, `/keys/keys/${each}${path}`, { token: stranger.token, body });
        return [reply.status, reply.text.replace(/[0-9a-f-]{36}/, 'request id')];
      });
      const [theirs, nobodys] = await Promise.all(answers);
      expect(theirs?.[0]).toBe(404);
      expect(theirs).toEqual(nobodys);
    }
    expect((await server.call('GET', '/keys/keys', { token: stranger.token })).body.data).toEqual([]);
    const [own] = (await server.call('GET', '/keys/keys', { token: owner.token })).body.data as unknown as object[];
    expect(own).toMatchObject({ id, status: 'active', models: null });
  });
});

describe('whoever is not signed in', () => {
  it('is told so in AI Hub’s shape, also with an API key instead of a token', async () => {
    const { token } = await signedIn();
    const { secret } = await newKey(token);
    for (const credential of [undefined, '', 'x', secret, `${token}x`]) {
      const reply = await server.call('GET', '/keys/quota', { ...(credential !== undefined && { token: credential }) });
      expect(reply.status).toBe(401);
      expect(reply.body).toMatchObject({
        success: false,
        error: { type: 'authentication_error', code: 'invalid_token', details: {} },
      });
    }
  });

  it('is stopped after some wrong passwords, with the time to wait', async () => {
    const { email } = await signedIn();
    const body = { email, password: 'not the password' };
    const statuses: number[] = [];
    for (let index = 0; index < 5; index += 1) {
      statuses.push((await server.call('POST', '/auth/login', { body })).status);
    }
    expect(statuses).toEqual([401, 401, 401, 401, 429]);
  });

  it('cannot hurt the process with a hostile body', async () => {
    const bodies = [
      '{',
      '{"email":',
      '[]',
      '"x"',
      '{"__proto__":{"a":1}}',
      '[['.repeat(5_000),
      `{"a":${'9'.repeat(500)}}`,
    ];
    for (const body of bodies) {
      const reply = await server.call('POST', '/auth/register', { body });
      expect(reply.status).toBe(400);
      expect(reply.body).toMatchObject({ success: false, error: { type: 'invalid_request_error' } });
    }
    const huge = await server.call('POST', '/auth/register', { body: { email: 'x'.repeat(200_000) } });
    expect(huge.status).toBe(413);
  });
});

it('leaves no password, key, token or personal data in any table', async () => {
  const { token, email } = await signedIn();
  const { secret } = await newKey(token);
  const { rows } = await database.pool.query<{ name: string }>(
    `SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
     WHERE schemaname NOT IN ('pg_catalog', 'information_schema')`,
  );
  expect(rows.length).toBeGreaterThan(5);
  const [, payload = '', signature = ''] = token.split('.');
  for (const { name } of rows) {
    const table = await database.pool.query<{ row: string }>(`SELECT t::text AS row FROM ${name} AS t`);
    const text = table.rows.map(({ row }) => row).join('\n');
    for (const canary of [
      PASSWORD,
      email,
      'Zerline',
      'Quux',
      secret,
      secret.slice(13, 41),
      payload,
      signature,
      '$argon2',
    ]) {
      expect(text.includes(canary), `${name} holds ${canary.slice(0, 6)}…`).toBe(false);
    }
  }
});
