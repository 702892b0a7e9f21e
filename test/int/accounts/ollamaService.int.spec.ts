import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { keyStream } from '../../../events/ids.ts';
import { decode } from '../../../events/codec.ts';
import { parseSecret } from '../../../services/keys/secret.ts';
import { answeredCall, appendAll } from '../../support/events.ts';
import { testDatabase, type TestDatabase } from '../../support/postgres.ts';
import { startManagement, type Management } from './managementServer.ts';
import { signedInAs, type SignedIn } from './signingIn.ts';

const KEYS = '/api/ai-api/keys';
const ADMIN_KEYS = '/api/ai-api/admin/keys';

let database: TestDatabase;
let server: Management;
let admin: SignedIn;
let users = 0;

beforeAll(async () => {
  database = await testDatabase();
  server = await startManagement(database);
  admin = await signedInAs(server, 'admin@example.com');
  await server.changeRights(admin.userId, 'GrantAdminRights');
});
afterAll(async () => {
  await server.stop();
  await database.close();
});

const newUser = () => signedInAs(server, `user${String((users += 1))}@example.com`);

interface Key extends Record<string, unknown> {
  readonly id: string;
  readonly key: string;
}
async function ask(user: { token: string } | null, method: string, path: string, body?: unknown) {
  const reply = await server.call(method, path, {
    ...(user && { token: user.token }),
    ...(body !== undefined && { body }),
  });
  return { status: reply.status, text: reply.text, body: reply.body as unknown as Record<string, unknown> };
}
async function newKey(user: SignedIn, body: object = {}): Promise<Key> {
  const made = await ask(user, 'POST', KEYS, { name: 'ci', ...body });
  expect(made.status).toBe(201);
  return made.body as Key;
}
const keysOf = async (user: SignedIn) => (await ask(user, 'GET', KEYS)).body['keys'] as Key[];
const statusOf = (secret: string) => server.index.find(parseSecret(secret)?.hash ?? '', Date.now())?.status ?? null;

/** So many settled calls of a key, of 1 500 tokens and 0.00045 USD each. */
async function useKey(accountId: string, keyId: string, calls: number): Promise<void> {
  const now = new Date().toISOString();
  const ofKey = { accountId, keyId, occurredAt: now, quotaPeriod: now.slice(0, 7) };
  const events = Array.from({ length: calls }, (_, at) => answeredCall(`${keyId} ${String(at)}`, ofKey)).flat();
  const placed = events.map((event) => (event.type === 'RequestCompleted' ? event : { ...event, ...ofKey }));
  await server.caughtUp(await appendAll(server.store, placed));
}

describe('a user of the Ollama service', () => {
  it('makes a key with a limit, uses it, sees what was used, and revokes it', async () => {
    const user = await newUser();
    const { id, key } = await newKey(user, { usageLimit: 1_000_000 });
    expect(statusOf(key)).toBe('active');
    const [issued] = await server.store.readStream(keyStream(id), { direction: 'forwards', limit: 1 });
    expect(JSON.parse(issued?.data ?? 'null')).toMatchObject({
      type: 'ApiKeyIssued',
      accountId: user.accounts.live,
      limits: { tokensPerMonth: 1_000_000 },
    });
    await useKey(user.accounts.live, id, 2);

    const listed = await ask(user, 'GET', KEYS);
    expect(listed.body).toEqual({
      keys: [expect.objectContaining({ id, usageLimit: 1_000_000, tokensUsed: 3_000, isActive: true }) as Key],
    });
    expect(listed.text).not.toContain(key.slice(13, -4));
    const sum = { requests: 2, failedRequests: 0, tokens: 3_000, costs: { USD: '0.0009' } };
    expect((await ask(user, 'GET', '/api/ai-api/usage')).body).toMatchObject({
      ...sum,
      models: [{ model: 'gpt-4o-mini', ...sum }],
      keys: [{ keyId: id, ...sum }],
    });
    expect((await ask(user, 'GET', '/api/ai-api/usage?mode=test')).body).toMatchObject({ requests: 0, keys: [] });

    expect((await ask(user, 'DELETE', `${KEYS}/${id}`)).body).toMatchObject({ status: 'revoked', isActive: false });
    expect(statusOf(key)).toBeNull();
  });

  it('finds nothing of another tenant', async () => {
    const [owner, stranger] = [await newUser(), await newUser()];
    const { id } = await newKey(owner);
    await useKey(owner.accounts.live, id, 1);
    const theirs = await ask(stranger, 'DELETE', `${KEYS}/${id}`);
    const nobodys = await ask(stranger, 'DELETE', `${KEYS}/key_${'0'.repeat(32)}`);
    expect([theirs.status, theirs.body]).toEqual([404, nobodys.body]);
    expect(theirs.body).toEqual({ error: 'There is nothing here.', code: 'AI_SERVICE_ERROR' });
    expect(await keysOf(stranger)).toEqual([]);
    expect((await ask(stranger, 'GET', '/api/ai-api/usage')).body).toMatchObject({ requests: 0, models: [] });
    expect(await keysOf(owner)).toMatchObject([{ id, isActive: true }]);
  });

  it.each([
    ['-1', 400],
    ['9007199254740992', 400],
    ['1e400', 400],
    ['"1000"', 400],
    ['1.5', 400],
    ['9007199254740991', 201],
    ['0', 201],
  ])('may set the limit %s: %d', async (limit, status) => {
    const user = await newUser();
    const made = await ask(user, 'POST', KEYS, `{"name":"a","usageLimit":${limit}}`);
    expect(made.status).toBe(status);
    expect(await keysOf(user)).toHaveLength(status === 201 ? 1 : 0);
    if (status === 400) expect(made.body).toMatchObject({ code: 'AI_SERVICE_ERROR' });
  });
});

describe('whoever is not signed in as an administrator', () => {
  const calls: [string, string, unknown][] = [
    ['GET', ADMIN_KEYS, undefined],
    ['PATCH', `${ADMIN_KEYS}/key_${'0'.repeat(32)}`, { isActive: false }],
    ['GET', '/api/ai-api/admin/stats', undefined],
  ];

  it('is refused by every route for administrators', async () => {
    const user = await newUser();
    const { key } = await newKey(user);
    for (const [method, path, body] of calls) {
      const asUser = await ask(user, method, path, body);
      expect([asUser.status, asUser.body['code']]).toEqual([403, 'ADMIN_REQUIRED']);
      for (const token of [key, 'x', `${admin.token}x`, '']) {
        const asStranger = await ask({ token }, method, path, body);
        expect([asStranger.status, asStranger.body['code']]).toEqual([401, 'AUTHENTICATION_ERROR']);
      }
      expect((await ask(null, method, path, body)).status).toBe(401);
    }
    expect(statusOf(key)).toBe('active');
  });

  it('cannot use an API key in place of a token for keys of their own either', async () => {
    const { key } = await newKey(await newUser());
    for (const [method, path] of [
      ['GET', KEYS],
      ['GET', '/api/ai-api/usage'],
      ['POST', KEYS],
    ] as const) {
      const reply = await ask({ token: key }, method, path, method === 'POST' ? { name: 'a' } : undefined);
      expect([reply.status, reply.body['code']]).toEqual([401, 'AUTHENTICATION_ERROR']);
    }
  });

  it('is one from the moment the rights are granted until they are revoked, with the same token', async () => {
    const user = await newUser();
    const asked = async () => (await ask(user, 'GET', '/api/ai-api/admin/stats')).status;
    expect(await asked()).toBe(403);
    await server.changeRights(user.userId, 'GrantAdminRights');
    expect(await asked()).toBe(200);
    await server.changeRights(user.userId, 'RevokeAdminRights');
    expect(await asked()).toBe(403);
  });
});

describe('an administrator', () => {
  it('disables a key of anybody: it is refused, its owner cannot enable it, and the record says who did it', async () => {
    const owner = await newUser();
    const { id, key } = await newKey(owner);
    const off = await ask(admin, 'PATCH', `${ADMIN_KEYS}/${id}`, { isActive: false, reason: 'abuse' });
    expect([off.status, off.body]).toMatchObject([200, { id, isActive: false, userId: owner.userId }]);
    expect(statusOf(key)).toBe('disabled');
    expect(await keysOf(owner)).toMatchObject([{ id, isActive: false, status: 'disabled' }]);

    const enabled = await server.call('POST', `/keys/keys/${id}/enable`, { token: owner.token });
    expect([enabled.status, enabled.body]).toMatchObject([
      409,
      { error: { code: 'key_state', details: { reason: 'suspended' } } },
    ]);
    expect(statusOf(key)).toBe('disabled');

    expect((await ask(admin, 'PATCH', `${ADMIN_KEYS}/${id}`, { isActive: true })).body).toMatchObject({
      isActive: true,
    });
    expect(statusOf(key)).toBe('active');
    const history = await server.store.readStream(keyStream(id), { direction: 'forwards', limit: 9 });
    expect(history.map((event) => decode(event))).toMatchObject([
      { type: 'ApiKeyIssued' },
      { type: 'ApiKeySuspended', by: admin.userId, reason: 'abuse', accountId: owner.accounts.live },
      { type: 'ApiKeyReinstated', by: admin.userId, reason: '', accountId: owner.accounts.live },
    ]);
  });

  it('cannot change a key that is not there, or bring back a revoked one', async () => {
    const owner = await newUser();
    const { id } = await newKey(owner);
    await ask(owner, 'DELETE', `${KEYS}/${id}`);
    expect((await ask(admin, 'PATCH', `${ADMIN_KEYS}/${id}`, { isActive: true })).status).toBe(409);
    for (const strange of [`key_${'0'.repeat(32)}`, 'key_1', '%27', '..%2f..']) {
      expect((await ask(admin, 'PATCH', `${ADMIN_KEYS}/${strange}`, { isActive: true })).status).toBe(404);
    }
  });

  it('reads every key once, page by page, with what was used and never a secret', async () => {
    const owners = [await newUser(), await newUser()];
    const made = await Promise.all(owners.flatMap((owner) => [newKey(owner), newKey(owner, { mode: 'test' })]));
    await useKey(owners[0]?.accounts.live ?? '', made[0]?.id ?? '', 1);
    const seen: Key[] = [];
    for (let after = ''; ;) {
      const page = await ask(admin, 'GET', `${ADMIN_KEYS}?limit=3${after === '' ? '' : `&after=${after}`}`);
      const { keys, next } = page.body as { keys: Key[]; next: string | null };
      for (const { key } of made) expect(page.text).not.toContain(key.slice(13, -4));
      seen.push(...keys);
      if (next === null) break;
      expect(keys).toHaveLength(3);
      after = next;
    }
    const ids = seen.map(({ id }) => id);
    expect(ids).toEqual([...new Set(ids)].sort());
    expect(ids).toEqual(expect.arrayContaining(made.map(({ id }) => id)));
    expect(seen.find(({ id }) => id === made[0]?.id)).toMatchObject({
      ...{ accountId: owners[0]?.accounts.live, userId: owners[0]?.userId, mode: 'live', tokensUsed: 1_500 },
    });
  });

  it('sees the whole installation, live and test apart', async () => {
    const stats = async (mode: string) => {
      const { body } = await ask(admin, 'GET', `/api/ai-api/admin/stats?mode=${mode}`);
      return body as { users: number; keys: Record<string, number>; requests: number; costs: object; models: object[] };
    };
    const [live, test] = [await stats('live'), await stats('test')];
    const owner = await newUser();
    const { id } = await newKey(owner, { mode: 'test' });
    await useKey(owner.accounts.test, id, 2);
    await ask(owner, 'DELETE', `${KEYS}/${(await newKey(owner, { mode: 'test' })).id}`);
    const after = await stats('test');
    expect(after.users).toBe(test.users + 1);
    expect(after.requests).toBe(test.requests + 2);
    expect(after.keys).toEqual({
      ...test.keys,
      total: (test.keys['total'] ?? 0) + 2,
      active: (test.keys['active'] ?? 0) + 1,
      revoked: (test.keys['revoked'] ?? 0) + 1,
    });
    expect(after.costs).toEqual({ USD: '0.0009' });
    expect(after.models).toMatchObject([{ model: 'gpt-4o-mini', requests: 2, tokens: 3_000 }]);
    expect(await stats('live')).toEqual({ ...live, users: live.users + 1 });
  });
});
