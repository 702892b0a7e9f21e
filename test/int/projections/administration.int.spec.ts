import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { keysProjection } from '../../../projections/keys/keys.projection.ts';
import { KeyQueries } from '../../../projections/keys/keys.queries.ts';
import { quotaProjection } from '../../../projections/quota/quota.projection.ts';
import { QuotaQueries } from '../../../projections/quota/quota.queries.ts';
import { usageProjection } from '../../../projections/usage/usage.projection.ts';
import { UsageQueries } from '../../../projections/usage/usage.queries.ts';
import {
  accountOpened,
  adminRights,
  answeredCall,
  apiKeyAdministered,
  apiKeyChanged,
  apiKeyIssued,
  apiKeyRenamed,
  recorded,
  TEST_ACCOUNT,
  usageRecorded,
  userRegistered,
} from '../../support/events.ts';
import { pagesOf, Stage } from './stage.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open();
});
afterAll(() => stage.close());
beforeEach(async () => {
  for (const projection of [keysProjection, quotaProjection, usageProjection]) await stage.reset(projection);
});

async function tell(...events: readonly Parameters<typeof recorded>[0][number][]): Promise<void> {
  for (const projection of [keysProjection, quotaProjection, usageProjection]) {
    for (const page of pagesOf(recorded(events), 100)) await stage.apply(projection, page);
  }
}

const ids = ['a', 'b', 'c', 'd'].map((digit) => `key_${digit.repeat(32)}`) as [string, string, string, string];
const [first, second, third, fourth] = ids;

describe('what administrators do to keys', () => {
  it('shows in their status, and a new name in their name', async () => {
    await tell(
      userRegistered(),
      adminRights('AdminRightsGranted'),
      accountOpened(),
      ...ids.map((keyId) => apiKeyIssued({ keyId })),
      apiKeyAdministered('ApiKeySuspended', { keyId: first }),
      apiKeyAdministered('ApiKeySuspended', { keyId: second }),
      apiKeyAdministered('ApiKeyReinstated', { keyId: second }),
      apiKeyRenamed({ keyId: third, name: 'new' }),
    );
    const keys = await new KeyQueries(stage.sql).pageOfKeys(null, 10);
    expect(keys.map(({ keyId, name, status, userId }) => [keyId, name, status, userId])).toEqual([
      [first, 'example', 'disabled', 'user_1'],
      [second, 'example', 'active', 'user_1'],
      [third, 'new', 'active', 'user_1'],
      [fourth, 'example', 'active', 'user_1'],
    ]);
  });
});

describe('reads for administrators', () => {
  it('page through all keys in the order of their ids', async () => {
    await tell(...[fourth, second, third, first].map((keyId) => apiKeyIssued({ keyId })));
    const queries = new KeyQueries(stage.sql);
    const page = async (after: string | null) => (await queries.pageOfKeys(after, 3)).map(({ keyId }) => keyId);
    expect(await page(null)).toEqual([first, second, third]);
    expect(await page(third)).toEqual([fourth]);
    expect(await page(fourth)).toEqual([]);
  });

  it('count users, and keys of a mode by what they are at an instant', async () => {
    const expiresAt = '2026-11-21T00:00:00.000Z';
    await tell(
      userRegistered(),
      userRegistered({ userId: 'user_2' }),
      apiKeyIssued({ keyId: first, expiresAt }),
      apiKeyIssued({ keyId: second, expiresAt }),
      apiKeyIssued({ keyId: third }),
      apiKeyIssued({ keyId: fourth, accountId: TEST_ACCOUNT, mode: 'test' }),
      apiKeyChanged('ApiKeyRevoked', { keyId: second }),
      apiKeyAdministered('ApiKeySuspended', { keyId: third }),
    );
    const queries = new KeyQueries(stage.sql);
    const none = { active: 0, disabled: 0, revoked: 0, expired: 0 };
    const live = { ...none, disabled: 1, revoked: 1 };
    expect(await queries.installationCounts('live', '2026-11-20T23:59:59.999Z')).toEqual({
      users: 2,
      keys: { ...live, active: 1 },
    });
    expect(await queries.installationCounts('live', expiresAt)).toEqual({ users: 2, keys: { ...live, expired: 1 } });
    expect((await queries.installationCounts('test', expiresAt)).keys).toEqual({ ...none, active: 1 });
  });

  it('sum usage of a mode per model and currency, and tokens per key', async () => {
    const inTest = { accountId: TEST_ACCOUNT, keyId: fourth };
    await tell(
      accountOpened(),
      accountOpened({ accountId: TEST_ACCOUNT, mode: 'test' }),
      ...answeredCall(1, { keyId: first, occurredAt: '2026-11-20T09:00:00.000Z' }),
      ...answeredCall(2, { keyId: second, occurredAt: '2026-11-20T10:00:00.000Z' }),
      usageRecorded({ ...inTest, model: 'llama2', currency: 'CNY', amountPicos: '7' }),
      // Of an account that is not there.
      usageRecorded({ accountId: 'acct_other', keyId: 'key_other', requestId: '00000000-0000-4000-8000-000000000001' }),
    );
    const usage = new UsageQueries(stage.sql);
    const one = { requests: 1n, failed: 0n, tokens: 1_500n, amount: 450_000_000n };
    const ofModel = { model: 'gpt-4o-mini', currency: 'USD' };
    const [from, before] = ['2026-11-20T00:00:00.000Z', '2026-11-21T00:00:00.000Z'] as const;
    expect(await usage.usageByModel('live', from, before)).toEqual([
      { ...ofModel, requests: 2n, failed: 0n, tokens: 3_000n, amount: 900_000_000n },
    ]);
    expect(await usage.usageByModel('live', from, '2026-11-20T10:00:00.000Z')).toEqual([{ ...ofModel, ...one }]);
    expect(await usage.usageByModel('test', from, before)).toEqual([
      { model: 'llama2', currency: 'CNY', ...one, amount: 7n },
    ]);
    const quota = new QuotaQueries(stage.sql);
    expect(await quota.tokensInPeriod([first, second, third], '2026-11')).toEqual(
      new Map([
        [first, 1_500n],
        [second, 1_500n],
      ]),
    );
    expect(await quota.tokensInPeriod([first], '2026-12')).toEqual(new Map());
    expect(await quota.tokensInPeriod([], '2026-11')).toEqual(new Map());
  });
});
