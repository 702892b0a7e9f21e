import { beforeEach, describe, expect, it } from 'vitest';
import { NO_LIMITS } from '../../../events/quota/limits.ts';
import { MemoryEventStore } from '../../../infra/memory/eventStore.ts';
import { systemRuntime } from '../../../infra/runtime.ts';
import type { Call, Reply, SignedInUser } from '../../../services/http/route.ts';
import { keyRoutes } from '../../../services/keys/http/keys.routes.ts';
import { KeyService } from '../../../services/keys/keyService.ts';
import type { DailyUsage, UsageReader } from '../../../services/keys/ports.ts';
import { accountOpened, appendAll, LIVE_ACCOUNT, TEST_ACCOUNT, USER } from '../../support/events.ts';
import { silentLog } from '../../support/log.ts';
import { foldedKeys } from './foldedKeys.ts';
import { at, DAY_MS, NOW } from './keyExamples.ts';

const caller: SignedInUser = { userId: USER, accounts: { live: LIVE_ACCOUNT, test: TEST_ACCOUNT } };
const NO_KEY = `key_${'0'.repeat(32)}`;

let now: number;
let rows: readonly DailyUsage[];
let asked: unknown[];
let call: (method: string, path: string, body?: unknown) => Promise<Reply>;

beforeEach(async () => {
  now = NOW;
  rows = [];
  asked = [];
  const store = new MemoryEventStore();
  const clock = { now: () => now, monotonic: () => now };
  const keys = new KeyService({
    store,
    keys: foldedKeys(store),
    caughtUp: () => Promise.resolve(),
    runtime: { ...systemRuntime(silentLog), clock },
  });
  const usage: UsageReader = {
    usedInPeriod(accountId, period) {
      asked.push({ accountId, period });
      return Promise.resolve({
        tokens: 45_320n,
        amounts: new Map([
          ['CNY', 1n],
          ['USD', 6_850_000_000_000n],
        ]),
      });
    },
    dailyUsageOfKey(accountId, keyId, from) {
      asked.push({ accountId, keyId, from });
      return Promise.resolve(rows);
    },
  };
  await appendAll(store, [
    accountOpened({ limits: { ...NO_LIMITS, tokensPerMonth: 1_000_000 } }),
    accountOpened({ accountId: TEST_ACCOUNT, mode: 'test' }),
  ]);
  call = async (method, target, body) => {
    const url = new URL(target, 'http://localhost/api/v1/developer/keys/');
    for (const route of keyRoutes({ keys, usage, clock })) {
      const params = matched(route.path, url.pathname);
      if (route.method !== method || !params || route.policy !== 'user') continue;
      const common = { requestId: 'request', headers: {}, remoteAddress: '127.0.0.1' };
      return route.handle({ ...common, params, query: url.searchParams, body } satisfies Call, caller);
    }
    throw new Error(`no route ${method} ${url.pathname}`);
  };
});

/** The parameters of a path, null when it does not match the pattern. */
function matched(pattern: string, path: string): Record<string, string> | null {
  const wanted = pattern.split('/');
  const given = path.split('/');
  if (wanted.length !== given.length) return null;
  const params: Record<string, string> = {};
  for (const [index, part] of wanted.entries()) {
    const value = given[index] ?? '';
    if (part.startsWith(':')) params[part.slice(1)] = value;
    else if (part !== value) return null;
  }
  return params;
}

const json = (reply: Reply) => JSON.stringify(reply.body);
const dataOf = (reply: Reply) => (JSON.parse(json(reply)) as { data: Record<string, unknown> }).data;
const created = async (body: object = {}) => dataOf(await call('POST', 'keys', { name: 'ci', ...body }));

describe('creating a key', () => {
  it('answers with the secret, once, and everything a list shows', async () => {
    const reply = await call('POST', 'keys', {
      name: ' my app ',
      mode: 'test',
      models: ['gpt-4o-mini'],
      expires_at: '2026-12-01T08:00:00+08:00',
      limits: { tokens_per_month: 1000, spend_per_month: { USD: '12.50' }, concurrency: 2 },
    });
    expect(reply.status).toBe(201);
    expect(reply.headers).toEqual({ 'cache-control': 'no-store' });
    const { key, id, prefix, last4, ...rest } = dataOf(reply);
    expect(key).toMatch(/^tly_test_[0-9A-Za-z]{38}$/);
    expect(id).toMatch(/^key_[0-9a-f]{32}$/);
    expect([prefix, last4]).toEqual([String(key).slice(0, 13), String(key).slice(-4)]);
    expect(rest).toEqual({
      name: 'my app',
      mode: 'test',
      status: 'active',
      limits: {
        tokens_per_month: 1000,
        spend_per_month: { USD: '12.5' },
        concurrency: 2,
        requests_per_minute: null,
        tokens_per_minute: null,
      },
      models: ['gpt-4o-mini'],
      created_at: at(0),
      expires_at: '2026-12-01T00:00:00.000Z',
      previous_valid_until: null,
    });
    const list = await call('GET', 'keys');
    expect(json(list)).not.toContain(String(key).slice(13, -4));
    expect(JSON.parse(json(list))).toEqual({ success: true, data: [{ id, prefix, last4, ...rest }] });
  });

  it('is live unless told otherwise, and the list can be narrowed to one mode', async () => {
    const live = await created();
    const test = await created({ mode: 'test' });
    const ids = async (query: string) =>
      (JSON.parse(json(await call('GET', `keys${query}`))) as { data: { id: string }[] }).data.map(({ id }) => id);
    expect(await ids('')).toEqual([test['id'], live['id']]);
    expect(await ids('?mode=live')).toEqual([live['id']]);
    expect(await ids('?mode=test')).toEqual([test['id']]);
  });

  it.each<[string, string, string | null]>([
    ['no body', 'null', null],
    ['an array', '[]', null],
    ['no name', '{}', 'name'],
    ['an empty name', '{"name":" "}', 'name'],
    ['a long name', `{"name":"${'x'.repeat(101)}"}`, 'name'],
    ['a NUL in its name', String.raw`{"name":"a\u0000b"}`, 'name'],
    ['half a character in its name', String.raw`{"name":"a\ud83d"}`, 'name'],
    ['a newline in a model', String.raw`{"name":"a","models":["m\n"]}`, 'models.0'],
    ['a role', '{"name":"a","role":"admin"}', 'role'],
    ['an organisation', '{"name":"a","orgId":"org_1"}', 'orgId'],
    ['a quota', '{"name":"a","quota":1}', 'quota'],
    ['an admin flag', '{"name":"a","isAdmin":true}', 'isAdmin'],
    ['somebody else’s account', '{"name":"a","accountId":"acct_2"}', 'accountId'],
    ['a prototype', '{"name":"a","__proto__":{"isAdmin":true}}', '__proto__'],
    ['a constructor', '{"name":"a","constructor":{"prototype":{}}}', 'constructor'],
    ['a prototype inside', '{"name":"a","limits":{"__proto__":{"concurrency":1}}}', 'limits.__proto__'],
    ['another mode', '{"name":"a","mode":"LIVE"}', 'mode'],
    ['negative tokens', '{"name":"a","limits":{"tokens_per_month":-1}}', 'limits.tokens_per_month'],
    ['infinity', '{"name":"a","limits":{"tokens_per_month":1e309}}', 'limits.tokens_per_month'],
    ['an unsafe integer', '{"name":"a","limits":{"tokens_per_month":9007199254740992}}', 'limits.tokens_per_month'],
    ['a fraction', '{"name":"a","limits":{"concurrency":1.5}}', 'limits.concurrency'],
    ['a number as text', '{"name":"a","limits":{"concurrency":"5"}}', 'limits.concurrency'],
    ['money as a number', '{"name":"a","limits":{"spend_per_month":{"USD":1.5}}}', 'limits.spend_per_month.USD'],
    ['negative money', '{"name":"a","limits":{"spend_per_month":{"USD":"-1"}}}', 'limits.spend_per_month.USD'],
    ['money in exponents', '{"name":"a","limits":{"spend_per_month":{"USD":"1e9"}}}', 'limits.spend_per_month.USD'],
    ['money of no currency', '{"name":"a","limits":{"spend_per_month":{"XXX":"1"}}}', 'limits.spend_per_month.XXX'],
    ['too many models', JSON.stringify({ name: 'a', models: Array.from({ length: 201 }, () => 'm') }), 'models'],
    ['an empty model', '{"name":"a","models":[""]}', 'models.0'],
    ['an expiry that is no instant', '{"name":"a","expires_at":"tomorrow"}', 'expires_at'],
    ['an expiry in the past', '{"name":"a","expires_at":"2020-01-01T00:00:00Z"}', 'expires_at'],
    ['an impossible day', '{"name":"a","expires_at":"2027-02-30T00:00:00Z"}', 'expires_at'],
    ['a very long unknown field', `{"name":"a","${'y'.repeat(5000)}":1}`, 'y'.repeat(64)],
  ])('with %s is refused', async (_name, body, param) => {
    const parsed: unknown = JSON.parse(body);
    await expect(call('POST', 'keys', parsed)).rejects.toMatchObject({ code: 'invalid_request', param });
    expect(({} as { isAdmin?: boolean }).isAdmin).toBeUndefined();
    expect(json(await call('GET', 'keys'))).toBe('{"success":true,"data":[]}');
  });

  it.each(['keys?mode=all', 'keys?mode=live&mode=test', 'keys?account=acct_2', 'quota?mode=', 'quota?__proto__=1'])(
    'GET %s is refused',
    async (target) => {
      await expect(call('GET', target)).rejects.toMatchObject({ code: 'invalid_request' });
    },
  );
});

describe('changing a key', () => {
  it('restricts, rotates, disables, enables and revokes', async () => {
    const { id, key } = await created();
    const target = `keys/${String(id)}`;
    const restricted = await call('PATCH', target, { limits: { requests_per_minute: 5 }, expires_at: at(DAY_MS) });
    expect(dataOf(restricted)).toMatchObject({ limits: { requests_per_minute: 5 }, expires_at: at(DAY_MS) });
    expect(dataOf(await call('PATCH', target, { expires_at: null })).expires_at).toBeNull();

    const rotated = await call('POST', `${target}/rotate`, { overlap_ms: 1000 });
    expect(rotated).toMatchObject({ status: 200, headers: { 'cache-control': 'no-store' } });
    expect(dataOf(rotated)).toMatchObject({ id, previous_valid_until: at(1000) });
    expect(dataOf(rotated).key).not.toBe(key);
    expect(dataOf(await call('POST', `${target}/rotate`)).previous_valid_until).toBe(at(DAY_MS));

    expect(dataOf(await call('POST', `${target}/disable`, { reason: 'leak' })).status).toBe('disabled');
    expect(dataOf(await call('POST', `${target}/enable`)).status).toBe('active');
    expect(dataOf(await call('DELETE', target))).toMatchObject({ id, status: 'revoked' });
    await expect(call('POST', `${target}/rotate`)).rejects.toMatchObject({ code: 'key_state' });
  });

  it('shows a key past its expiry as expired before that is recorded', async () => {
    const { id } = await created({ expires_at: at(5) });
    now += 5;
    expect(dataOf(await call('DELETE', `keys/${String(id)}`)).status).toBe('revoked');
    const { id: other } = await created({ expires_at: at(10) });
    now += 5;
    const list = JSON.parse(json(await call('GET', 'keys'))) as { data: { id: string; status: string }[] };
    expect(list.data.find((key) => key.id === other)?.status).toBe('expired');
  });

  it.each([
    ['PATCH', '', { name: 'other' }, 'name'],
    ['PATCH', '', { status: 'active' }, 'status'],
    ['PATCH', '', { spend: 0 }, 'spend'],
    ['POST', '/rotate', { overlap_ms: 30 * DAY_MS + 1 }, 'overlap_ms'],
    ['POST', '/rotate', { overlap_ms: '0' }, 'overlap_ms'],
    ['POST', '/rotate', { secret: 'tly_live_mine' }, 'secret'],
    ['POST', '/disable', { reason: 'x'.repeat(201) }, 'reason'],
    ['POST', '/enable', { userId: 'user_2' }, 'userId'],
    ['DELETE', '', { force: true }, 'force'],
  ])('%s %s with %j is refused', async (method, path, body, param) => {
    const { id } = await created();
    const refused = call(method, `keys/${String(id)}${path}`, body);
    await expect(refused).rejects.toMatchObject({ code: 'invalid_request', param });
  });

  it.each(['PATCH keys/ID', 'POST keys/ID/rotate', 'POST keys/ID/disable', 'DELETE keys/ID', 'GET keys/ID/usage'])(
    '%s of no key answers not_found',
    async (request) => {
      const [method = '', target = ''] = request.split(' ');
      const body = method === 'PATCH' ? {} : undefined;
      for (const id of [NO_KEY, 'x', '__proto__', "'%20OR%201=1"]) {
        await expect(call(method, target.replace('ID', id), body)).rejects.toMatchObject({ code: 'not_found' });
      }
    },
  );
});

describe('quota', () => {
  it('is AI Hub’s object, with exact numbers and every currency beside them', async () => {
    await created();
    expect(json(await call('GET', 'quota'))).toBe(
      '{"success":true,"data":{"monthly_quota":1000000,"monthly_used":45320,"monthly_remaining":954680,' +
        '"monthly_usage_percent":4.53,"monthly_cost":6.85,"monthly_costs":{"USD":"6.85","CNY":"0.000000000001"},' +
        '"active_api_keys":1,"max_api_keys":10,"reset_date":"2026-12-01"}}',
    );
    expect(asked).toEqual([{ accountId: LIVE_ACCOUNT, period: '2026-11' }]);
  });

  it('has nulls where there is no limit', async () => {
    expect(dataOf(await call('GET', 'quota?mode=test'))).toMatchObject({
      monthly_quota: null,
      monthly_remaining: null,
      monthly_usage_percent: 0,
      active_api_keys: 0,
    });
    expect(asked).toEqual([{ accountId: TEST_ACCOUNT, period: '2026-11' }]);
  });

  it('turns the month at midnight UTC, also at the end of a year', async () => {
    now = Date.parse('2026-12-31T23:59:59.999Z');
    expect(dataOf(await call('GET', 'quota')).reset_date).toBe('2027-01-01');
    now += 1;
    expect(dataOf(await call('GET', 'quota')).reset_date).toBe('2027-02-01');
    expect(asked).toMatchObject([{ period: '2026-12' }, { period: '2027-01' }]);
  });
});

describe('usage', () => {
  const row = (change: Partial<DailyUsage>): DailyUsage => ({
    day: '2026-11-20',
    model: 'gpt-4o-mini',
    currency: 'USD',
    requests: 0n,
    failed: 0n,
    tokens: 0n,
    amount: 0n,
    latencyMsSum: 0n,
    latencyCount: 0n,
    ...change,
  });

  it('is AI Hub’s object: totals, then per model, then per day', async () => {
    rows = [
      row({ day: '2026-11-19', requests: 3n, tokens: 57n, amount: 8_550_000n, latencyMsSum: 1_691n, latencyCount: 2n }),
      row({ requests: 2n, failed: 1n, tokens: 10n, amount: 1_500_000n }),
      row({ model: 'qwen', currency: 'CNY', requests: 120n, tokens: 5n, amount: 2_000_000_000_000n }),
    ];
    const { id } = await created();
    expect(json(await call('GET', `keys/${String(id)}/usage?days=7`))).toBe(
      '{"success":true,"data":{"period_days":7,"total_requests":125,"total_tokens":72,"total_cost":0.00001005,' +
        '"total_costs":{"USD":"0.00001005","CNY":"2"},"avg_response_time":845.5,"success_rate":99.2,"model_usage":{' +
        '"gpt-4o-mini":{"requests":5,"tokens":67,"cost":0.00001005,"costs":{"USD":"0.00001005"}},' +
        '"qwen":{"requests":120,"tokens":5,"cost":0,"costs":{"CNY":"2"}}},"daily_usage":{' +
        '"2026-11-19":{"requests":3,"tokens":57,"cost":0.00000855,"costs":{"USD":"0.00000855"}},' +
        '"2026-11-20":{"requests":122,"tokens":15,"cost":0.0000015,"costs":{"USD":"0.0000015","CNY":"2"}}}}}',
    );
    expect(asked).toEqual([{ accountId: LIVE_ACCOUNT, keyId: id, from: '2026-11-14T00:00:00.000Z' }]);
  });

  it('covers thirty days unless told otherwise, and today alone for one', async () => {
    const { id } = await created();
    expect(dataOf(await call('GET', `keys/${String(id)}/usage`))).toMatchObject({
      period_days: 30,
      total_requests: 0,
      total_cost: 0,
      avg_response_time: 0,
      success_rate: 100,
      model_usage: {},
      daily_usage: {},
    });
    await call('GET', `keys/${String(id)}/usage?days=1`);
    expect(asked).toMatchObject([{ from: '2026-10-22T00:00:00.000Z' }, { from: '2026-11-20T00:00:00.000Z' }]);
  });

  it('keeps amounts exact that no float can hold', async () => {
    rows = [row({ requests: 1n, amount: 123_456_789_012_345_678_901n })];
    const { id } = await created();
    expect(json(await call('GET', `keys/${String(id)}/usage`))).toContain('"total_cost":123456789.012345678901');
  });

  it.each(['0', '-1', '367', '1e2', '7.5', '', 'NaN', '9007199254740993'])('of %s days is refused', async (days) => {
    const { id } = await created();
    const refused = call('GET', `keys/${String(id)}/usage?days=${days}`);
    await expect(refused).rejects.toMatchObject({ code: 'invalid_request', param: 'days' });
  });
});
