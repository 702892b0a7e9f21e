import { beforeEach, describe, expect, it } from 'vitest';
import { MemoryEventStore } from '../../../infra/memory/eventStore.ts';
import { systemRuntime } from '../../../infra/runtime.ts';
import type { SignedInUser } from '../../../services/http/route.ts';
import { apiKeyRoutes } from '../../../services/keys/http/apiKeys.routes.ts';
import { KeyService } from '../../../services/keys/keyService.ts';
import { accountOpened, appendAll, LIVE_ACCOUNT, TEST_ACCOUNT, USER } from '../../support/events.ts';
import { silentLog } from '../../support/log.ts';
import { foldedKeys } from './foldedKeys.ts';
import { at, DAY_MS, NOW } from './keyExamples.ts';
import { bodyOf, callRoute, type Called } from './routeCaller.ts';

const owner: SignedInUser = { userId: USER, accounts: { live: LIVE_ACCOUNT, test: TEST_ACCOUNT } };
const stranger: SignedInUser = { userId: 'user_2', accounts: { live: 'acct_live2', test: 'acct_test2' } };
const NONE = {
  tokens_per_month: null,
  spend_per_month: {},
  concurrency: null,
  requests_per_minute: null,
  tokens_per_minute: null,
};

let store: MemoryEventStore;
let call: (method: string, path: string, body?: unknown, agent?: string, user?: SignedInUser) => Promise<Called>;

beforeEach(async () => {
  store = new MemoryEventStore();
  const clock = { now: () => NOW, monotonic: () => NOW };
  const runtime = { ...systemRuntime(silentLog), clock };
  const keys = new KeyService({ store, keys: foldedKeys(store), caughtUp: () => Promise.resolve(), runtime });
  await appendAll(store, [accountOpened(), accountOpened({ accountId: TEST_ACCOUNT, mode: 'test' })]);
  const routes = apiKeyRoutes({ keys, clock });
  call = (method, path, body, agent, user = owner) =>
    callRoute(routes, user, [method, `/api/v1/api-keys${path}`, body], agent === undefined ? {} : { agent });
});

const dataOf = (called: Called) => bodyOf(called)['data'] as Record<string, unknown>;
const created = async (body: object = {}) => dataOf(await call('POST', '', { name: 'ci', ...body }));

describe('the keys of the portal', () => {
  it('come in AI Hub’s envelope, the secret once', async () => {
    const made = await call('POST', '', { name: 'ci', models: ['m'] });
    expect(made).toMatchObject({ dialect: 'aihub', policy: 'user' });
    expect(made.reply).toMatchObject({ status: 201, headers: { 'cache-control': 'no-store' } });
    const { key, ...rest } = dataOf(made);
    expect(key).toMatch(/^tly_live_/);
    expect(bodyOf(await call('GET', ''))).toEqual({ success: true, data: [rest] });
    expect(bodyOf(await call('GET', '?mode=test'))).toEqual({ success: true, data: [] });
  });

  it('need a name', async () => {
    await expect(call('POST', '', {})).rejects.toMatchObject({ code: 'invalid_request', param: 'name' });
    await expect(call('POST', '')).rejects.toMatchObject({ code: 'invalid_request' });
  });

  it('change by PUT what is named: the name, and what they may do', async () => {
    const { id } = await created({ models: ['m'] });
    const path = `/${String(id)}`;
    expect(dataOf(await call('PUT', path, { name: ' cd ' }))).toMatchObject({ id, name: 'cd', models: ['m'] });
    const change = { name: 'ce', models: null, limits: { concurrency: 2 }, expires_at: at(DAY_MS) };
    const expected = { name: 'ce', models: null, limits: { ...NONE, concurrency: 2 }, expires_at: at(DAY_MS) };
    expect(dataOf(await call('PUT', path, change))).toMatchObject(expected);
    const before = await store.head();
    expect(dataOf(await call('PUT', path, change))).toMatchObject(expected);
    expect(await store.head()).toBe(before);
  });

  it('tell what they may do, and change that by PUT', async () => {
    const { id } = await created({ limits: { tokens_per_month: 5 } });
    const path = `/${String(id)}/permissions`;
    const before = { id, models: null, limits: { ...NONE, tokens_per_month: 5 }, expires_at: null };
    expect(bodyOf(await call('GET', path))).toEqual({ success: true, data: before });
    const after = { ...before, models: ['a', 'b'] };
    expect(bodyOf(await call('PUT', path, { models: ['a', 'b'] }))).toEqual({ success: true, data: after });
    expect(bodyOf(await call('GET', path))).toEqual({ success: true, data: after });
  });

  it.each<[string, string, unknown, string]>([
    ['', 'an empty name', { name: '' }, 'name'],
    ['', 'a mode', { mode: 'test' }, 'mode'],
    ['', 'a status', { status: 'active' }, 'status'],
    ['', 'negative tokens', { limits: { tokens_per_month: -1 } }, 'limits.tokens_per_month'],
    ['', 'too many tokens to count', { limits: { tokens_per_month: 2 ** 53 } }, 'limits.tokens_per_month'],
    ['/permissions', 'a name', { name: 'x' }, 'name'],
    ['/permissions', 'a role', { role: 'admin' }, 'role'],
    ['/permissions', 'models that are none', { models: 'all' }, 'models'],
  ])('refuse on PUT%s %s', async (path, _what, body, param) => {
    const { id } = await created();
    const change = call('PUT', `/${String(id)}${path}`, body);
    await expect(change).rejects.toMatchObject({ code: 'invalid_request', param });
  });

  it('cannot be changed once they are revoked', async () => {
    const { id } = await created();
    const path = `/${String(id)}`;
    expect(dataOf(await call('DELETE', path))).toMatchObject({ id, status: 'revoked' });
    await expect(call('PUT', path, { name: 'x' })).rejects.toMatchObject({ code: 'key_state' });
    await expect(call('PUT', `${path}/permissions`, { models: [] })).rejects.toMatchObject({ code: 'key_state' });
    expect(dataOf(await call('GET', `${path}/permissions`))).toMatchObject({ id, models: null });
  });

  it('do not exist for anybody else', async () => {
    const { id } = await created();
    const calls: [string, string, unknown][] = [
      ['PUT', '', { name: 'x' }],
      ['DELETE', '', undefined],
      ['GET', '/permissions', undefined],
      ['PUT', '/permissions', { models: [] }],
    ];
    for (const [method, path, body] of calls) {
      const theirs = call(method, `/${String(id)}${path}`, body, undefined, stranger);
      await expect(theirs).rejects.toMatchObject({ code: 'not_found' });
    }
    expect(dataOf(await call('GET', '', undefined, undefined, stranger))).toEqual([]);
    expect(dataOf(await call('GET', ''))).toMatchObject([{ id, name: 'ci', status: 'active', models: null }]);
  });
});

describe('the keys of the gateway, whose callers name a platform', () => {
  it('come in its own envelope, the secret once, and need no name', async () => {
    const made = await call('POST', '', undefined, 'FastGPT');
    expect(made).toMatchObject({ dialect: 'gateway', policy: 'user' });
    expect(made.reply).toMatchObject({ status: 200, headers: { 'cache-control': 'no-store' } });
    expect(bodyOf(made)).toMatchObject({ code: 0, msg: 'Success', data: { name: 'API key', mode: 'live' } });
    const { key, ...rest } = dataOf(made);
    expect(key).toMatch(/^tly_live_/);
    expect(bodyOf(await call('GET', '', undefined, 'dify'))).toEqual({ code: 0, msg: 'Success', data: [rest] });
    const named = await call('POST', '', { name: 'mine', mode: 'test' }, 'coze');
    expect(dataOf(named)).toMatchObject({ name: 'mine', mode: 'test' });
  });

  it('are the same keys as the portal’s', async () => {
    const { id } = dataOf(await call('POST', '', {}, 'coze'));
    expect(dataOf(await call('GET', ''))).toMatchObject([{ id }]);
    expect(dataOf(await call('DELETE', `/${String(id)}`, undefined, 'coze'))).toMatchObject({ status: 'revoked' });
  });

  it.each([
    ['', 'invalid_request'],
    ['  ', 'invalid_request'],
    ['openai', 'not_found'],
    ['fastgpt,dify', 'not_found'],
  ])('are refused to the platform %j', async (agent, code) => {
    await expect(call('POST', '', {}, agent)).rejects.toMatchObject({ code, param: 'Agent' });
    expect(dataOf(await call('GET', ''))).toEqual([]);
  });
});
