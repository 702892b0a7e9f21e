import { beforeEach, describe, expect, it } from 'vitest';
import { MemoryEventStore } from '../../../infra/memory/eventStore.ts';
import { systemRuntime } from '../../../infra/runtime.ts';
import type { SignedInUser } from '../../../services/http/route.ts';
import { ollamaAdminRoutes, ollamaKeyRoutes } from '../../../services/keys/http/ollamaKeys.routes.ts';
import { KeyAdministration } from '../../../services/keys/keyAdministration.ts';
import { KeyService } from '../../../services/keys/keyService.ts';
import type { KeyDirectory, ModelUsage, OwnedKey, UsageSums } from '../../../services/keys/ports.ts';
import { accountOpened, appendAll, LIVE_ACCOUNT, TEST_ACCOUNT, USER } from '../../support/events.ts';
import { silentLog } from '../../support/log.ts';
import { foldedKeys } from './foldedKeys.ts';
import { ADMIN, at, NOW } from './keyExamples.ts';
import { bodyOf, callRoute } from './routeCaller.ts';

const owner: SignedInUser = { userId: USER, accounts: { live: LIVE_ACCOUNT, test: TEST_ACCOUNT } };
const admin: SignedInUser = { userId: ADMIN, accounts: { live: 'acct_live9', test: 'acct_test9' } };
const MONTH = '2026-11';

let used: Map<string, bigint>;
let usage: (ModelUsage & { keyId: string })[];
let pages: OwnedKey[];
let asked: unknown[];
let call: (user: SignedInUser, method: string, path: string, body?: unknown) => ReturnType<typeof callRoute>;

beforeEach(async () => {
  used = new Map();
  usage = [];
  pages = [];
  asked = [];
  const store = new MemoryEventStore();
  const clock = { now: () => NOW, monotonic: () => NOW };
  const runtime = { ...systemRuntime(silentLog), clock };
  const caughtUp = () => Promise.resolve();
  const told = <T>(question: unknown, answer: T) => {
    asked.push(question);
    return Promise.resolve(answer);
  };
  const sums: UsageSums = {
    ofAccount: (...question) => told(question, usage),
    ofAll: (...question) => told(question, usage),
    tokensInPeriod: (ids, period) => told([[...ids], period], used),
  };
  const directory: KeyDirectory = {
    page: (after, limit) => told([after, limit], pages.slice(0, limit)),
    counts: (...question) => told(question, { users: 3, keys: { active: 4, disabled: 3, revoked: 2, expired: 1 } }),
  };
  const parts = {
    keys: new KeyService({ store, keys: foldedKeys(store), caughtUp, runtime }),
    administration: new KeyAdministration({ store, caughtUp, runtime }),
    ...{ directory, sums, clock },
  };
  await appendAll(store, [accountOpened(), accountOpened({ accountId: TEST_ACCOUNT, mode: 'test' })]);
  const routes = [...ollamaKeyRoutes(parts), ...ollamaAdminRoutes(parts)];
  call = (user, method, path, body) => callRoute(routes, user, [method, `/api/ai-api${path}`, body]);
});

const created = async (body: object = {}) => bodyOf(await call(owner, 'POST', '/keys', { name: 'ci', ...body }));

describe('a key of the Ollama service', () => {
  it('is made with a limit in tokens per month, and its secret is shown once', async () => {
    const made = await call(owner, 'POST', '/keys', { name: ' My API Key ', usageLimit: 1_000_000 });
    expect(made).toMatchObject({ dialect: 'ollama', policy: 'user' });
    expect(made.reply).toMatchObject({ status: 201, headers: { 'cache-control': 'no-store' } });
    const { key, id, prefix, last4, ...rest } = bodyOf(made);
    expect(key).toMatch(/^tly_live_[0-9A-Za-z]{38}$/);
    expect(rest).toEqual({
      name: 'My API Key',
      mode: 'live',
      isActive: true,
      status: 'active',
      usageLimit: 1_000_000,
      tokensUsed: 0,
      createdAt: at(0),
      expiresAt: null,
    });
    used.set(String(id), 45_320n);
    const list = bodyOf(await call(owner, 'GET', '/keys'));
    expect(list).toEqual({ keys: [{ id, prefix, last4, ...rest, tokensUsed: 45_320 }] });
    expect(JSON.stringify(list)).not.toContain(String(key).slice(13, -4));
    expect(asked).toEqual([[[id], MONTH]]);
  });

  it('is of the live account unless the body says test', async () => {
    expect(await created({ mode: 'test' })).toMatchObject({ mode: 'test', usageLimit: null });
    await created({ usageLimit: null });
    const modes = async (query: string) =>
      (bodyOf(await call(owner, 'GET', `/keys${query}`)) as { keys: { mode: string }[] }).keys.map(({ mode }) => mode);
    expect(await modes('')).toEqual(['live', 'test']);
    expect(await modes('?mode=test')).toEqual(['test']);
  });

  it('may be one that can use nothing', async () => {
    expect(await created({ usageLimit: 0 })).toMatchObject({ usageLimit: 0 });
  });

  it('is revoked for ever', async () => {
    const { id } = await created();
    const revoked = await call(owner, 'DELETE', `/keys/${String(id)}`);
    expect(revoked.reply.status).toBe(200);
    expect(bodyOf(revoked)).toMatchObject({ id, isActive: false, status: 'revoked' });
    expect(bodyOf(await call(owner, 'DELETE', `/keys/${String(id)}`))).toMatchObject({ status: 'revoked' });
  });

  it.each<[string, unknown, string | null]>([
    ['no body', undefined, null],
    ['no name', { usageLimit: 1 }, 'name'],
    ['an empty name', { name: ' ' }, 'name'],
    ['a negative limit', { name: 'a', usageLimit: -1 }, 'usageLimit'],
    ['half a token', { name: 'a', usageLimit: 0.5 }, 'usageLimit'],
    ['a limit beyond exact numbers', { name: 'a', usageLimit: 2 ** 53 }, 'usageLimit'],
    ['an infinite limit', { name: 'a', usageLimit: Infinity }, 'usageLimit'],
    ['a limit as text', { name: 'a', usageLimit: '1000' }, 'usageLimit'],
    ['another mode', { name: 'a', mode: 'LIVE' }, 'mode'],
    ['somebody else’s account', { name: 'a', accountId: 'acct_2' }, 'accountId'],
    ['an admin flag', { name: 'a', isAdmin: true }, 'isAdmin'],
  ])('with %s is refused', async (_name, body, param) => {
    await expect(call(owner, 'POST', '/keys', body)).rejects.toMatchObject({ code: 'invalid_request', param });
    expect(bodyOf(await call(owner, 'GET', '/keys'))).toEqual({ keys: [] });
  });
});

const row = (keyId: string, model: string, change: Partial<ModelUsage> = {}) => ({
  ...{ keyId, model, currency: 'CNY' as const, requests: 2n, failed: 1n, tokens: 1_000n, amount: 2_000_000_000n },
  ...change,
});

describe('usage', () => {
  it('is summed in all, per model and per key, with costs by currency', async () => {
    usage = [row('key_1', 'llama2'), row('key_2', 'llama2'), row('key_2', 'gpt-4o', { currency: 'USD', failed: 0n })];
    const one = { requests: 2, failedRequests: 1, tokens: 1_000, costs: { CNY: '0.002' } };
    expect(bodyOf(await call(owner, 'GET', '/usage?days=7'))).toEqual({
      mode: 'live',
      days: 7,
      from: '2026-11-14T00:00:00.000Z',
      requests: 6,
      failedRequests: 2,
      tokens: 3_000,
      costs: { USD: '0.002', CNY: '0.004' },
      models: [
        { model: 'llama2', requests: 4, failedRequests: 2, tokens: 2_000, costs: { CNY: '0.004' } },
        { model: 'gpt-4o', requests: 2, failedRequests: 0, tokens: 1_000, costs: { USD: '0.002' } },
      ],
      keys: [
        { keyId: 'key_1', ...one },
        { keyId: 'key_2', requests: 4, failedRequests: 1, tokens: 2_000, costs: { USD: '0.002', CNY: '0.002' } },
      ],
    });
    expect(asked).toEqual([[LIVE_ACCOUNT, '2026-11-14T00:00:00.000Z', '2026-11-21T00:00:00.000Z']]);
  });

  it('is nothing before the first call, of 30 days unless told otherwise', async () => {
    expect(bodyOf(await call(owner, 'GET', '/usage?mode=test'))).toEqual({
      ...{ mode: 'test', days: 30, from: '2026-10-22T00:00:00.000Z' },
      ...{ requests: 0, failedRequests: 0, tokens: 0, costs: {}, models: [], keys: [] },
    });
    expect(asked).toEqual([[TEST_ACCOUNT, '2026-10-22T00:00:00.000Z', '2026-11-21T00:00:00.000Z']]);
  });

  it.each(['days=0', 'days=367', 'days=-1', 'days=1e2', 'mode=all', 'account=acct_2', 'days=1&days=2'])(
    'of %s is refused',
    async (query) => {
      await expect(call(owner, 'GET', `/usage?${query}`)).rejects.toMatchObject({ code: 'invalid_request' });
      await expect(call(admin, 'GET', `/admin/stats?${query}`)).rejects.toMatchObject({ code: 'invalid_request' });
      expect(asked).toEqual([]);
    },
  );
});

describe('an administrator', () => {
  const ids = ['a', 'b', 'c'].map((digit) => `key_${digit.repeat(32)}`);
  const listed = (keyId: string): OwnedKey => ({
    ...{
      keyId,
      accountId: LIVE_ACCOUNT,
      userId: USER,
      mode: 'live',
      name: 'ci',
      prefix: 'tly_live_abc',
      last4: 'wxyz',
    },
    ...{ status: 'active', models: null, expiresAt: at(0), previousValidUntil: null, issuedAt: at(-9) },
    limits: { tokensPerMonth: 5, spendPerMonth: [], concurrency: null, requestsPerMinute: null, tokensPerMinute: null },
  });

  it('sees keys of all accounts, page by page, those past their expiry as expired', async () => {
    pages = ids.map(listed);
    const first = await call(admin, 'GET', '/admin/keys?limit=2');
    expect(first.policy).toBe('admin');
    const { keys, next } = bodyOf(first) as { keys: object[]; next: string };
    expect(keys.map((key) => (key as { id: string }).id)).toEqual(ids.slice(0, 2));
    expect(keys[0]).toMatchObject({ accountId: LIVE_ACCOUNT, userId: USER, status: 'expired', usageLimit: 5 });
    expect(next).toBe(ids[1]);
    pages = ids.slice(2).map(listed);
    expect(bodyOf(await call(admin, 'GET', `/admin/keys?limit=2&after=${next}`))).toMatchObject({ next: null });
    expect(asked.filter((_question, at) => at % 2 === 0)).toEqual([
      [null, 3],
      [ids[1], 3],
    ]);
  });

  it.each(['limit=0', 'limit=201', 'limit=x', 'limit=-1', 'after=key_1', 'after=%27', 'account=acct_1'])(
    'cannot ask for a page by %s',
    async (query) => {
      await expect(call(admin, 'GET', `/admin/keys?${query}`)).rejects.toMatchObject({ code: 'invalid_request' });
    },
  );

  it('turns a key off so that its owner cannot turn it on, and on again', async () => {
    const { id } = await created();
    used.set(String(id), 9n);
    const path = `/admin/keys/${String(id)}`;
    const off = await call(admin, 'PATCH', path, { isActive: false });
    expect(off.policy).toBe('admin');
    expect(bodyOf(off)).toMatchObject({
      id,
      isActive: false,
      status: 'disabled',
      accountId: LIVE_ACCOUNT,
      tokensUsed: 9,
    });
    expect(bodyOf(await call(admin, 'PATCH', path, { isActive: true, reason: 'ok' }))).toMatchObject({
      isActive: true,
    });
  });

  it.each<[unknown, string | null]>([
    [undefined, null],
    [{}, 'isActive'],
    [{ isActive: 'false' }, 'isActive'],
    [{ isActive: 0 }, 'isActive'],
    [{ isActive: null }, 'isActive'],
    [{ isActive: true, usageLimit: 1 }, 'usageLimit'],
    [{ isActive: true, reason: 'x'.repeat(201) }, 'reason'],
  ])('is refused a change of %j', async (body, param) => {
    const { id } = await created();
    const change = call(admin, 'PATCH', `/admin/keys/${String(id)}`, body);
    await expect(change).rejects.toMatchObject({ code: 'invalid_request', param });
  });

  it('sees users, keys and usage of the whole installation', async () => {
    usage = [row('key_1', 'llama2')];
    const one = { requests: 2, failedRequests: 1, tokens: 1_000, costs: { CNY: '0.002' } };
    const stats = await call(admin, 'GET', '/admin/stats?days=1&mode=test');
    expect(stats.policy).toBe('admin');
    expect(bodyOf(stats)).toEqual({
      ...{ mode: 'test', days: 1, from: '2026-11-20T00:00:00.000Z', users: 3 },
      keys: { total: 10, active: 4, disabled: 3, revoked: 2, expired: 1 },
      ...one,
      models: [{ model: 'llama2', ...one }],
    });
    expect(asked).toEqual([
      ['test', at(0)],
      ['test', '2026-11-20T00:00:00.000Z', '2026-11-21T00:00:00.000Z'],
    ]);
  });
});
