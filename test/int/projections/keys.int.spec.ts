import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NO_LIMITS } from '../../../events/quota/limits.ts';
import { keysProjection } from '../../../projections/keys/keys.projection.ts';
import { KeyQueries } from '../../../projections/keys/keys.queries.ts';
import type { KeyReader } from '../../../services/keys/ports.ts';
import {
  accountLimitsSet,
  accountOpened,
  apiKeyChanged,
  apiKeyIssued,
  apiKeyRestricted,
  apiKeyRotated,
  exampleHash,
  recorded,
  userRegistered,
} from '../../support/events.ts';
import { expectTables, pagesOf, Stage } from './stage.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open();
});
afterAll(() => stage.close());

const issuedRow = {
  key_id: 'key_1',
  account_id: 'acct_live1',
  user_id: 'user_1',
  mode: 'live',
  name: 'example',
  prefix: 'tly_live_abc',
  last4: 'wxyz',
  secret_hash: exampleHash('key_1'),
  previous_hash: null,
  previous_valid_until: null,
  status: 'active',
  limits: { ...NO_LIMITS },
  models: null,
  expires_at: null,
  issued_at: '2026-11-20T09:30:00+00:00',
  position: 1,
};

const later = (minute: number) => `2026-11-20T10:${String(minute).padStart(2, '0')}:00.000Z`;

describe('the keys projection', () => {
  it('keeps users and their accounts', () =>
    expectTables(
      stage,
      keysProjection,
      [userRegistered(), accountOpened({ limits: { ...NO_LIMITS, concurrency: 3 } })],
      {
        users: [
          {
            user_id: 'user_1',
            email_index: exampleHash('user_1'),
            sealed_profile: 'v1.aXY.cHJvZmlsZQ.dGFn',
            sealed_password_hash: 'v1.aXY.cGFzc3dvcmQ.dGFn',
            live_account: 'acct_live1',
            test_account: 'acct_test1',
            registered_at: '2026-11-20T09:30:00+00:00',
          },
        ],
        accounts: [
          {
            account_id: 'acct_live1',
            user_id: 'user_1',
            mode: 'live',
            zone: 'UTC',
            limits: { ...NO_LIMITS, concurrency: 3 },
            max_keys: 10,
            opened_at: '2026-11-20T09:30:00+00:00',
          },
        ],
        api_keys: [],
      },
    ));

  it('replaces the limits of an account by the newest', async () => {
    const opened = accountOpened();
    await expectTables(
      stage,
      keysProjection,
      [
        opened,
        accountLimitsSet({ limits: { ...NO_LIMITS, concurrency: 1 } }),
        accountLimitsSet({ occurredAt: later(1), limits: { ...NO_LIMITS, concurrency: 2 } }),
      ],
      {
        accounts: [
          {
            account_id: 'acct_live1',
            user_id: 'user_1',
            mode: 'live',
            zone: 'UTC',
            limits: { ...NO_LIMITS, concurrency: 2 },
            max_keys: 10,
            opened_at: '2026-11-20T09:30:00+00:00',
          },
        ],
      },
    );
  });

  it('keeps an issued key', () => expectTables(stage, keysProjection, [apiKeyIssued()], { api_keys: [issuedRow] }));

  it('remembers the previous secret of a rotated key, of two rotations the last', () =>
    expectTables(
      stage,
      keysProjection,
      [
        apiKeyIssued(),
        apiKeyRotated({ secretHash: exampleHash('second') }),
        apiKeyRotated({ occurredAt: later(1), secretHash: exampleHash('third'), last4: 'last' }),
      ],
      {
        api_keys: [
          {
            ...issuedRow,
            prefix: 'tly_live_def',
            last4: 'last',
            secret_hash: exampleHash('third'),
            previous_hash: exampleHash('second'),
            previous_valid_until: '2026-11-21T09:30:00+00:00',
            position: 3,
          },
        ],
      },
    ));

  it('replaces all restrictions of a key', () =>
    expectTables(
      stage,
      keysProjection,
      [
        apiKeyIssued({ models: ['a', 'b'], expiresAt: later(30) }),
        apiKeyRestricted({ models: ['b'], limits: { ...NO_LIMITS, tokensPerMonth: 5 } }),
      ],
      {
        api_keys: [
          { ...issuedRow, models: ['b'], limits: { ...NO_LIMITS, tokensPerMonth: 5 }, expires_at: null, position: 2 },
        ],
      },
    ));

  it.each([
    ['ApiKeyDisabled', 'disabled'],
    ['ApiKeyRevoked', 'revoked'],
    ['ApiKeyExpired', 'expired'],
  ] as const)('shows a key after %s as %s', (type, status) =>
    expectTables(stage, keysProjection, [apiKeyIssued(), apiKeyChanged(type)], {
      api_keys: [{ ...issuedRow, status, position: 2 }],
    }),
  );

  it('shows a key that was disabled and enabled as active', () =>
    expectTables(
      stage,
      keysProjection,
      [apiKeyIssued(), apiKeyChanged('ApiKeyDisabled'), apiKeyChanged('ApiKeyEnabled')],
      {
        api_keys: [{ ...issuedRow, position: 3 }],
      },
    ));

  it('stores names that Postgres could not take as they are', () =>
    expectTables(stage, keysProjection, [apiKeyIssued({ name: 'a\0b\ud800', models: ['{"x\\y"}'] })], {
      api_keys: [{ ...issuedRow, name: 'a\ufffdb\ufffd', models: ['{"x\\y"}'] }],
    }));

  it.each([
    ['a key that was never issued is changed', [apiKeyChanged('ApiKeyRevoked')]],
    ['a key is issued twice', [apiKeyIssued(), apiKeyIssued({ occurredAt: later(1) })]],
    ['limits are set for an account that was never opened', [accountLimitsSet()]],
    [
      'an e-mail address is registered twice',
      [userRegistered(), userRegistered({ userId: 'user_2', emailIndex: exampleHash('user_1') })],
    ],
  ])('parks the account when %s', async (_when, events) => {
    await stage.reset(keysProjection);
    const [page] = pagesOf(recorded(events), 10);
    expect(page && (await stage.apply(keysProjection, page))).toEqual({ outcome: 'applied', parked: 1 });
  });
});

describe('reads of keys', () => {
  const queries = () => new KeyQueries(stage.sql);

  beforeAll(async () => {
    await stage.reset(keysProjection);
    const events = [
      userRegistered(),
      accountOpened(),
      accountOpened({ accountId: 'acct_test1', mode: 'test', maxKeys: 2 }),
      apiKeyIssued({ keyId: 'key_old', occurredAt: later(1), expiresAt: later(10) }),
      apiKeyIssued({ keyId: 'key_new', occurredAt: later(2), expiresAt: later(9), models: ['m'] }),
      apiKeyIssued({ keyId: 'key_gone', occurredAt: later(3), expiresAt: later(8) }),
      apiKeyChanged('ApiKeyRevoked', { keyId: 'key_gone', occurredAt: later(4) }),
      apiKeyIssued({ keyId: 'key_off', occurredAt: later(0), expiresAt: later(8) }),
      apiKeyChanged('ApiKeyDisabled', { keyId: 'key_off', occurredAt: later(4) }),
      apiKeyIssued({ keyId: 'key_test', accountId: 'acct_test1', mode: 'test', occurredAt: later(5) }),
      apiKeyIssued({ keyId: 'key_other', accountId: 'acct_other', occurredAt: later(5) }),
    ];
    for (const page of pagesOf(recorded(events), 100)) await stage.apply(keysProjection, page);
  });

  it('serve the port of key management', () => {
    const port: KeyReader = queries();
    expect(port).toBeInstanceOf(KeyQueries);
  });

  it('list keys of the given accounts only: usable ones first, then newest first', async () => {
    const listed = await queries().listKeys(['acct_live1', 'acct_test1'], 100);
    expect(listed.map(({ keyId }) => keyId)).toEqual(['key_test', 'key_new', 'key_old', 'key_off', 'key_gone']);
    expect(await queries().listKeys(['acct_live1'], 2)).toEqual([
      {
        keyId: 'key_new',
        accountId: 'acct_live1',
        mode: 'live',
        name: 'example',
        prefix: 'tly_live_abc',
        last4: 'wxyz',
        status: 'active',
        limits: NO_LIMITS,
        models: ['m'],
        expiresAt: later(9),
        previousValidUntil: null,
        issuedAt: later(2),
      },
      expect.objectContaining({ keyId: 'key_old' }),
    ]);
    expect(await queries().listKeys([], 100)).toEqual([]);
  });

  it('find a key only for its own account', async () => {
    expect(await queries().findKey(['acct_live1'], 'key_old')).toMatchObject({
      keyId: 'key_old',
      expiresAt: later(10),
    });
    expect(await queries().findKey(['acct_live1', 'acct_test1'], 'key_other')).toBeNull();
  });

  it('count keys that are issued and those that count against the most an account may have', async () => {
    expect(await queries().countKeys('acct_live1')).toEqual({ issued: 4, active: 3 });
    expect(await queries().countKeys('acct_none')).toEqual({ issued: 0, active: 0 });
  });

  it('name active and disabled keys that are due for expiry, the longest overdue first', async () => {
    expect(await queries().dueForExpiry(later(9), 10)).toEqual([
      { keyId: 'key_off', accountId: 'acct_live1' },
      { keyId: 'key_new', accountId: 'acct_live1' },
    ]);
    expect(await queries().dueForExpiry(later(9), 1)).toHaveLength(1);
    expect(await queries().dueForExpiry(later(7), 10)).toEqual([]);
  });

  it('list accounts of a user, and of all, in the order in which they were opened', async () => {
    const list = async (userId: string | null) => {
      const ids: string[] = [];
      for await (const page of queries().accounts(userId)) ids.push(...page.map(({ accountId }) => accountId));
      return ids;
    };
    expect(await list('user_1')).toEqual(['acct_live1', 'acct_test1']);
    expect(await list(null)).toEqual(['acct_live1', 'acct_test1']);
    expect(await list('user_2')).toEqual([]);
  });

  it('find users by id and by e-mail index, and accounts', async () => {
    const user = {
      userId: 'user_1',
      sealedProfile: 'v1.aXY.cHJvZmlsZQ.dGFn',
      sealedPasswordHash: 'v1.aXY.cGFzc3dvcmQ.dGFn',
      accounts: { live: 'acct_live1', test: 'acct_test1' },
      registeredAt: '2026-11-20T09:30:00.000Z',
    };
    expect(await queries().findUser('user_1')).toEqual(user);
    expect(await queries().findUserByEmailIndex(exampleHash('user_1'))).toEqual(user);
    expect(await queries().findUser('user_2')).toBeNull();
    expect(await queries().findAccount('acct_test1')).toEqual({
      accountId: 'acct_test1',
      userId: 'user_1',
      mode: 'test',
      zone: 'UTC',
      limits: NO_LIMITS,
      maxKeys: 2,
      openedAt: '2026-11-20T09:30:00.000Z',
    });
    expect(await queries().findAccount('acct_none')).toBeNull();
  });
});
