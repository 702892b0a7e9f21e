import { beforeEach, describe, expect, it, vi } from 'vitest';
import { StoreUnavailable } from '../../../events/eventStore.ts';
import { NO_LIMITS } from '../../../events/quota/limits.ts';
import { MemoryEventStore } from '../../../infra/memory/eventStore.ts';
import { systemRuntime } from '../../../infra/runtime.ts';
import type { SignedInUser } from '../../../services/http/route.ts';
import { DEFAULT_OVERLAP_MS, KeyService, type KeyWish } from '../../../services/keys/keyService.ts';
import { parseSecret } from '../../../services/keys/secret.ts';
import { accountLimitsSet, accountOpened, appendAll, LIVE_ACCOUNT, TEST_ACCOUNT, USER } from '../../support/events.ts';
import { silentLog } from '../../support/log.ts';
import { foldedKeys } from './foldedKeys.ts';
import { at, DAY_MS, NOW } from './keyExamples.ts';

const caller: SignedInUser = { userId: USER, accounts: { live: LIVE_ACCOUNT, test: TEST_ACCOUNT } };
const stranger: SignedInUser = { userId: 'user_2', accounts: { live: 'acct_live2', test: 'acct_test2' } };
const wish: KeyWish = { name: 'ci', mode: 'live', limits: NO_LIMITS, models: null, expiresAt: null };
const MAX_KEYS = 3;
const NO_KEY = `key_${'0'.repeat(32)}`;

let store: MemoryEventStore;
let now: number;
const caughtUp = vi.fn<(position: bigint) => Promise<void>>();
let keys: KeyService;

beforeEach(async () => {
  store = new MemoryEventStore();
  now = NOW;
  caughtUp.mockReset().mockResolvedValue();
  const runtime = { ...systemRuntime(silentLog), clock: { now: () => now, monotonic: () => now } };
  keys = new KeyService({ store, keys: foldedKeys(store), caughtUp, runtime });
  await appendAll(store, [
    accountOpened({ maxKeys: MAX_KEYS }),
    accountOpened({ accountId: TEST_ACCOUNT, mode: 'test', maxKeys: MAX_KEYS }),
    accountOpened({ accountId: 'acct_live2', userId: 'user_2' }),
  ]);
});

const issue = (user = caller, change: Partial<KeyWish> = {}) => keys.issue(user, { ...wish, ...change }, 'request');
const types = async (keyId: string) =>
  (await store.readStream(`key-${keyId}`, { direction: 'forwards', limit: 100 })).map((event) => event.type);

describe('issuing', () => {
  it('gives the secret once and keeps only its hash', async () => {
    const { key, secret } = await issue(caller, { mode: 'test', models: ['m'], expiresAt: at(DAY_MS) });
    expect(parseSecret(secret)?.mode).toBe('test');
    expect(key).toEqual({
      keyId: key.keyId,
      accountId: TEST_ACCOUNT,
      mode: 'test',
      name: 'ci',
      prefix: secret.slice(0, 13),
      last4: secret.slice(-4),
      status: 'active',
      limits: NO_LIMITS,
      models: ['m'],
      expiresAt: at(DAY_MS),
      previousValidUntil: null,
      issuedAt: at(0),
    });
    const [stored] = await store.readStream(`key-${key.keyId}`, { direction: 'forwards', limit: 1 });
    expect(stored?.data).toContain(parseSecret(secret)?.hash);
    expect(stored?.data).not.toContain(secret.slice(13, -4));
  });

  it('waits until the new key can be read', async () => {
    await issue();
    expect(caughtUp.mock.calls).toEqual([[3n], [4n]]);
  });

  it('gives the secret even when the read models lag after the append', async () => {
    caughtUp.mockResolvedValueOnce().mockRejectedValueOnce(new Error('lagging'));
    expect(parseSecret((await issue()).secret)).not.toBeNull();
  });

  it('is refused while the read models lag before the append, for then nobody can count', async () => {
    caughtUp.mockRejectedValueOnce(new Error('lagging'));
    await expect(issue()).rejects.toMatchObject({ code: 'service_unavailable' });
    expect(await store.head()).toBe(3n);
  });

  it('is refused when the account is full, until a key is revoked', async () => {
    for (let count = 0; count < MAX_KEYS; count += 1) await issue();
    await expect(issue()).rejects.toMatchObject({ code: 'max_keys_reached', extra: { max_api_keys: MAX_KEYS } });
    await issue(caller, { mode: 'test' });
    const [first] = await keys.list(caller, 'live');
    await keys.disable(caller, first?.keyId ?? '', '', 'request');
    await expect(issue()).rejects.toMatchObject({ code: 'max_keys_reached' });
    await keys.revoke(caller, first?.keyId ?? '', '', 'request');
    expect((await issue()).key.status).toBe('active');
  });

  it('never passes the maximum when many are issued at once', async () => {
    const results = await Promise.allSettled(Array.from({ length: 20 }, () => issue()));
    const refused = results.filter((result) => result.status === 'rejected').map((result) => result.reason as unknown);
    expect(results.length - refused.length).toBe(MAX_KEYS);
    for (const reason of refused) expect(reason).toMatchObject({ code: 'max_keys_reached' });
    expect(await keys.list(caller, 'live')).toHaveLength(MAX_KEYS);
  });

  it('in an account that is not open, or with an expiry in the past, is refused', async () => {
    await expect(issue(stranger, { mode: 'test' })).rejects.toMatchObject({ code: 'not_found' });
    const past = issue(caller, { expiresAt: at(0) });
    await expect(past).rejects.toMatchObject({ code: 'invalid_request', param: 'expires_at' });
  });

  it('leaves a key that nobody knows the secret of when the answer of the store is lost, and the next goes well', async () => {
    store.failNext('after');
    await expect(issue()).rejects.toBeInstanceOf(StoreUnavailable);
    const { key } = await issue();
    expect((await keys.list(caller, null)).map((listed) => listed.keyId)).toEqual([key.keyId, expect.any(String)]);
  });
});

describe('another tenant’s key', () => {
  it.each<[string, (keyId: string) => Promise<unknown>]>([
    ['reading', (keyId) => keys.get(stranger, keyId)],
    ['restricting', (keyId) => keys.restrict(stranger, keyId, { models: [] }, 'request')],
    ['rotating', (keyId) => keys.rotate(stranger, keyId, 0, 'request')],
    ['disabling', (keyId) => keys.disable(stranger, keyId, '', 'request')],
    ['enabling', (keyId) => keys.enable(stranger, keyId, '', 'request')],
    ['revoking', (keyId) => keys.revoke(stranger, keyId, '', 'request')],
  ])('answers %s like a key that does not exist', async (_name, act) => {
    const { key } = await issue();
    const refusal = { code: 'not_found', message: 'There is nothing here.', param: null, extra: {} };
    await expect(act(key.keyId)).rejects.toMatchObject(refusal);
    await expect(act(NO_KEY)).rejects.toMatchObject(refusal);
    await expect(act(`${NO_KEY}-x/../${key.keyId}`)).rejects.toMatchObject(refusal);
    expect(await types(key.keyId)).toEqual(['ApiKeyIssued']);
  });

  it('is not listed', async () => {
    await issue();
    expect(await keys.list(stranger, null)).toEqual([]);
  });
});

describe('changing a key', () => {
  it('restricts, disables, enables and revokes it, and says how it stands', async () => {
    const { keyId } = (await issue()).key;
    const change = { limits: { tokensPerMonth: 5 }, models: ['m'] };
    expect(await keys.restrict(caller, keyId, change, 'request')).toMatchObject({
      limits: { ...NO_LIMITS, tokensPerMonth: 5 },
      models: ['m'],
    });
    expect((await keys.disable(caller, keyId, 'leak', 'request')).status).toBe('disabled');
    expect((await keys.disable(caller, keyId, 'leak', 'request')).status).toBe('disabled');
    expect((await keys.enable(caller, keyId, '', 'request')).status).toBe('active');
    expect((await keys.revoke(caller, keyId, '', 'request')).status).toBe('revoked');
    expect(await types(keyId)).toEqual([
      'ApiKeyIssued',
      'ApiKeyRestricted',
      'ApiKeyDisabled',
      'ApiKeyEnabled',
      'ApiKeyRevoked',
    ]);
    await expect(keys.enable(caller, keyId, '', 'request')).rejects.toMatchObject({
      code: 'key_state',
      extra: { reason: 'revoked' },
    });
  });

  it('rotates it: a new secret of the same mode, and a day for the old one', async () => {
    const { key, secret } = await issue(caller, { mode: 'test' });
    const rotated = await keys.rotate(caller, key.keyId, DEFAULT_OVERLAP_MS, 'request');
    expect(parseSecret(rotated.secret)?.mode).toBe('test');
    expect(rotated.secret).not.toBe(secret);
    expect(rotated.key).toEqual({
      ...key,
      prefix: rotated.secret.slice(0, 13),
      last4: rotated.secret.slice(-4),
      previousValidUntil: at(DAY_MS),
    });
    const tooLong = keys.rotate(caller, key.keyId, 31 * DAY_MS, 'request');
    await expect(tooLong).rejects.toMatchObject({ code: 'invalid_request', param: 'overlap_ms' });
  });
});

describe('expiring due keys', () => {
  it('records each expiry once, also when two processes do it at the same time', async () => {
    const due = [(await issue(caller, { expiresAt: at(1) })).key, (await issue(caller, { expiresAt: at(2) })).key];
    const later = (await issue(caller, { expiresAt: at(3) })).key;
    expect(await keys.expireDueKeys(NOW)).toBe(0);
    const counts = await Promise.all([keys.expireDueKeys(NOW + 2), keys.expireDueKeys(NOW + 2)]);
    expect(counts[0] + counts[1]).toBe(2);
    for (const { keyId } of due) expect(await types(keyId)).toEqual(['ApiKeyIssued', 'ApiKeyExpired']);
    expect(await types(later.keyId)).toEqual(['ApiKeyIssued']);
  });

  it('frees their places', async () => {
    for (let count = 0; count < MAX_KEYS; count += 1) await issue(caller, { expiresAt: at(1) });
    now += 1;
    expect(await keys.expireDueKeys(now)).toBe(MAX_KEYS);
    expect((await issue()).key.status).toBe('active');
  });
});

it('reads the limits of an account as they stand now', async () => {
  await appendAll(store, [accountLimitsSet({ limits: { ...NO_LIMITS, tokensPerMonth: 0 } })]);
  expect(await keys.account(caller, 'live')).toMatchObject({ limits: { tokensPerMonth: 0 }, maxKeys: MAX_KEYS });
});
