import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { encode } from '../../../events/codec.ts';
import { NO_LIMITS } from '../../../events/quota/limits.ts';
import { MemoryEventStore } from '../../../infra/memory/eventStore.ts';
import { PostgresHoldLedger } from '../../../infra/postgres/holdLedger.ts';
import { PostgresOrphanedHolds } from '../../../infra/postgres/orphanedHolds.ts';
import { systemRuntime } from '../../../infra/runtime.ts';
import { quotaProjection } from '../../../projections/quota/quota.projection.ts';
import { QuotaQueries } from '../../../projections/quota/quota.queries.ts';
import { rebuild } from '../../../projections/rebuild.ts';
import {
  appendAll,
  accountLimitsSet,
  accountOpened,
  apiKeyIssued,
  apiKeyRestricted,
  recorded,
  requestAccepted,
  requestIdOf,
  usageCorrected,
  usageRecorded,
} from '../../support/events.ts';
import { silentLog } from '../../support/log.ts';
import { expectTables, pagesOf, Stage } from './stage.ts';

let stage: Stage;
beforeAll(async () => {
  stage = await Stage.open();
});
afterAll(() => stage.close());

const used = (scope_id: string, meter: string, quantity: number, period = '2026-11') => ({
  scope_id,
  period,
  meter,
  used: quantity,
});

describe('the quota projection', () => {
  it('states what accounts and keys may use, always the newest', () =>
    expectTables(
      stage,
      quotaProjection,
      [
        accountOpened({ limits: { ...NO_LIMITS, tokensPerMonth: 1_000_000 } }),
        apiKeyIssued({ limits: { ...NO_LIMITS, concurrency: 10 } }),
        accountLimitsSet({
          limits: {
            ...NO_LIMITS,
            spendPerMonth: [
              { currency: 'USD', picos: '5000000000000' },
              { currency: 'CNY', picos: '7' },
            ],
          },
        }),
        apiKeyRestricted({ limits: { ...NO_LIMITS, concurrency: 0, tokensPerMonth: 0 } }),
      ],
      {
        scopes: [
          {
            scope_id: 'acct_live1',
            kind: 'account',
            account_id: 'acct_live1',
            concurrency: null,
            tokens_max: null,
            spend_max: { USD: '5000000000000', CNY: '7' },
          },
          {
            scope_id: 'key_1',
            kind: 'key',
            account_id: 'acct_live1',
            concurrency: 0,
            tokens_max: 0,
            spend_max: {},
          },
        ],
        used: [],
      },
    ));

  it('adds usage to the month that the call drew on, for key and account, per currency', () =>
    expectTables(
      stage,
      quotaProjection,
      [
        requestAccepted({ requestId: requestIdOf(1) }),
        usageRecorded({ requestId: requestIdOf(1) }),
        usageRecorded({ requestId: requestIdOf(2), keyId: 'key_2', currency: 'CNY', amountPicos: '7' }),
        usageRecorded({
          requestId: requestIdOf(3),
          quotaPeriod: '2026-12',
          usage: {},
          amountPicos: '0',
          source: 'none',
        }),
      ],
      {
        used: [
          used('acct_live1', 'CNY', 7),
          used('acct_live1', 'tokens', 3_000),
          used('acct_live1', 'USD', 450_000_000),
          used('acct_live1', 'tokens', 0, '2026-12'),
          used('acct_live1', 'USD', 0, '2026-12'),
          used('key_1', 'tokens', 1_500),
          used('key_1', 'USD', 450_000_000),
          used('key_1', 'tokens', 0, '2026-12'),
          used('key_1', 'USD', 0, '2026-12'),
          used('key_2', 'CNY', 7),
          used('key_2', 'tokens', 1_500),
        ].sort(byText),
      },
    ));

  it('replaces recorded figures by corrected ones', () =>
    expectTables(stage, quotaProjection, [usageRecorded(), usageCorrected()], {
      used: [
        used('acct_live1', 'tokens', 1_400),
        used('acct_live1', 'USD', 390_000_000),
        used('key_1', 'tokens', 1_400),
        used('key_1', 'USD', 390_000_000),
      ].sort(byText),
    }));

  it('keeps sums exact that no float could hold', async () => {
    await stage.reset(quotaProjection);
    const amount = 10n ** 30n + 1n;
    const events = [1, 2, 3].map((n) => usageRecorded({ requestId: requestIdOf(n), amountPicos: String(amount) }));
    for (const page of pagesOf(recorded(events), 2)) await stage.apply(quotaProjection, page);
    expect(await new QuotaQueries(stage.sql).usedInPeriod('acct_live1', '2026-11')).toEqual({
      tokens: 4_500n,
      amounts: new Map([['USD', 3n * amount]]),
    });
    expect(await new QuotaQueries(stage.sql).usedInPeriod('acct_live1', '2026-10')).toEqual({
      tokens: 0n,
      amounts: new Map(),
    });
  });
});

describe('settling', () => {
  let ledger: PostgresHoldLedger;

  beforeEach(async () => {
    await stage.reset(quotaProjection);
    for (const page of pagesOf(recorded([accountOpened(), apiKeyIssued()]), 10))
      await stage.apply(quotaProjection, page);
    ledger = await PostgresHoldLedger.open({
      connectionString: stage.database.url,
      runtime: systemRuntime(silentLog),
      owner: randomUUID(),
    });
  });
  afterEach(async () => {
    await ledger.close();
    await stage.sql.query('SELECT settle_holds(array_agg(request_id)) FROM holds');
  });

  it('deletes the hold of a call in the transaction that counts its usage', async () => {
    const [settled, open] = [requestIdOf('settled'), requestIdOf('open')];
    await hold(settled);
    await hold(open);
    const log = recorded([requestAccepted({ requestId: open }), usageRecorded({ requestId: settled })], 2n);
    for (const page of pagesOf(log, 1)) {
      expect(await stage.apply(quotaProjection, page)).toEqual({ outcome: 'applied', parked: 0 });
    }
    expect(await openHolds()).toEqual([{ requestId: open, tokens: '1000' }]);
    expect(await heldTokens()).toBe('1000');
    const { tokens } = await new QuotaQueries(stage.sql).usedInPeriod('key_1', '2026-11');
    expect(tokens).toBe(1_500n);
  });

  it('keeps the hold of a call whose usage cannot be counted', async () => {
    const requestId = requestIdOf('poison');
    await hold(requestId);
    const [sound] = recorded([usageRecorded({ requestId })], 2n);
    const poison = sound && { ...sound, data: sound.data.replace('"amountPicos":"', '"amountPicos":"x') };
    for (const page of pagesOf(poison ? [poison] : [], 1)) {
      expect(await stage.apply(quotaProjection, page)).toEqual({ outcome: 'applied', parked: 1 });
    }
    expect(await openHolds()).toEqual([{ requestId, tokens: '1000' }]);
  });

  it('leaves holds alone when a rebuild counts the same usage into a twin', async () => {
    const requestId = requestIdOf('held');
    const store = new MemoryEventStore();
    const position = await appendAll(store, [accountOpened(), apiKeyIssued(), usageRecorded({ requestId })]);
    await stage.sql.query('UPDATE quota.checkpoint SET position = $1', [position]);
    await hold(requestId);
    const parts = { store, transactions: stage.transactions, log: silentLog };
    const { swapped } = await rebuild(parts, quotaProjection, { swap: 'always' });
    expect(swapped).toBe(true);
    expect(await openHolds()).toEqual([{ requestId, tokens: '1000' }]);
    const { tokens } = await new QuotaQueries(stage.sql).usedInPeriod('key_1', '2026-11');
    expect(tokens).toBe(1_500n);
  });

  it('counts a call only when all partitions have come to it, as nobody knows which one has it', async () => {
    const requestId = requestIdOf('counted');
    await hold(requestId);
    const orphans = new PostgresOrphanedHolds(stage.database.pool);
    await stage.sql.query('DELETE FROM quota.checkpoint');
    await stage.sql.query('INSERT INTO quota.checkpoint VALUES (0, 20, 1), (1, 10, 1), (2, 30, 1)');
    expect(await orphans.endCounted(requestId, 'acct_live1', 11n)).toBe(false);
    expect(await openHolds()).toEqual([{ requestId, tokens: '1000' }]);
    expect(await orphans.endCounted(requestId, 'acct_live1', 10n)).toBe(true);
    expect(await openHolds()).toEqual([]);
  });

  async function hold(requestId: string): Promise<void> {
    const accepted = requestAccepted({ requestId });
    const { keyId, accountId, currency, quotaPeriod: period } = accepted;
    const decision = await ledger.take({
      ...{ requestId, keyId, accountId, period, currency },
      tokens: accepted.heldTokens,
      picos: BigInt(accepted.heldPicos),
      deadline: Date.now() + 60_000,
      accepted: encode(accepted),
      idempotency: null,
    });
    expect(decision).toEqual({ granted: true });
  }

  async function openHolds(): Promise<object[]> {
    const { rows } = await stage.sql.query('SELECT request_id AS "requestId", tokens FROM holds');
    return rows;
  }

  async function heldTokens(): Promise<string | undefined> {
    const { rows } = await stage.sql.query<{ held: string }>(
      "SELECT held FROM hold_totals WHERE scope_id = 'key_1' AND meter = 'tokens'",
    );
    return rows[0]?.held;
  }
});

/** The order of rows by their text, as `rowsOf` has them. */
function byText(a: ReturnType<typeof used>, b: ReturnType<typeof used>): number {
  const text = (row: ReturnType<typeof used>) => `(${row.scope_id},${row.period},${row.meter},${String(row.used)})`;
  return text(a) < text(b) ? -1 : 1;
}
