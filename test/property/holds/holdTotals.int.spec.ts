import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { StoreUnavailable } from '../../../events/eventStore.ts';
import type { PostgresHoldLedger } from '../../../infra/postgres/holdLedger.ts';
import { HoldsDatabase, holdRequest, NOVEMBER } from '../../int/holds/holdsDatabase.ts';

const KEYS = ['key_a', 'key_b', 'key_c'] as const;
const TOKEN_LIMIT = 400n;
const SPEND_LIMIT = 3_000n;
const CONCURRENCY = 6;

type Step =
  | {
      readonly do: 'take';
      readonly key: number;
      readonly tokens: number;
      readonly picos: number;
      readonly claim: number | null;
    }
  | { readonly do: 'settle'; readonly picks: readonly number[]; readonly share: number }
  | { readonly do: 'free'; readonly pick: number }
  | { readonly do: 'terminate' };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('take' as const),
      key: fc.nat(KEYS.length - 1),
      tokens: fc.nat(120),
      picos: fc.nat(900),
      claim: fc.option(fc.nat(4), { freq: 3 }),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('settle' as const),
      picks: fc.array(fc.nat(), { maxLength: 6 }),
      share: fc.nat(100),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('free' as const), pick: fc.nat() }) },
  { weight: 1, arbitrary: fc.constant({ do: 'terminate' as const }) },
);

let holds: HoldsDatabase;
let ledgers: readonly [PostgresHoldLedger, PostgresHoldLedger];

beforeAll(async () => {
  holds = await HoldsDatabase.create();
  await holds.account('acct_1', { tokens: Number(TOKEN_LIMIT), concurrency: CONCURRENCY });
  await holds.key('key_a', 'acct_1', { spend: { USD: SPEND_LIMIT } });
  await holds.key('key_b', 'acct_1', { concurrency: 2 });
  await holds.key('key_c', 'acct_1', { tokens: 150 });
  ledgers = [await holds.ledger({ timeoutMs: 5_000 }), await holds.ledger({ timeoutMs: 5_000 })];
});
afterAll(() => holds.close());

interface Taken {
  readonly requestId: string;
  readonly ledger: PostgresHoldLedger;
  open: boolean;
}

async function run(current: Step, taken: Taken[]): Promise<void> {
  const picked = (pick: number) => taken[pick % Math.max(1, taken.length)];
  switch (current.do) {
    case 'take': {
      const ledger = ledgers[current.tokens % 2 === 0 ? 0 : 1];
      const idempotency = current.claim === null ? null : { keyHash: `claim ${String(current.claim)}`, bodyHash: 'b' };
      const keyId = KEYS[current.key] ?? KEYS[0];
      const hold = holdRequest({ keyId, tokens: current.tokens, picos: BigInt(current.picos), idempotency });
      try {
        const decision = await ledger.take(hold);
        if (decision.granted) taken.push({ requestId: hold.requestId, ledger, open: true });
      } catch (error) {
        if (!(error instanceof StoreUnavailable)) throw error;
      }
      return;
    }
    case 'settle':
      await settleAsProjection(
        current.picks.flatMap((pick) => picked(pick)?.requestId ?? []),
        current.share,
      );
      return;
    case 'free': {
      const call = picked(current.pick);
      if (!call) return;
      call.ledger.freeSlot(call.requestId);
      call.open = false;
      return;
    }
    case 'terminate':
      await holds.pool.query(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE application_name = 'tallystick holds' AND datname = current_database()`,
      );
  }
}

/** In one transaction, as the quota projection does: the holds go, and a share of what they held is used. */
async function settleAsProjection(requestIds: readonly string[], share: number): Promise<void> {
  const client = await holds.pool.connect();
  try {
    await client.query('BEGIN');
    const { rows } = await client.query<{ key_id: string; tokens: string; picos: string }>(
      'SELECT key_id, tokens, picos FROM holds WHERE request_id = ANY ($1::uuid[])',
      [requestIds],
    );
    const { rows: settled } = await client.query<{ count: string }>('SELECT settle_holds($1::uuid[]) AS count', [
      [...requestIds, ...requestIds],
    ]);
    // Another transaction may have settled some of them meanwhile; then nothing is counted here.
    if (Number(settled[0]?.count) === rows.length) {
      for (const row of rows) {
        for (const scope of [row.key_id, 'acct_1']) {
          await client.query(
            `INSERT INTO quota.used VALUES ($1, $2, 'tokens', $3), ($1, $2, 'USD', $4)
             ON CONFLICT (scope_id, period, meter) DO UPDATE SET used = used.used + excluded.used`,
            [
              scope,
              NOVEMBER,
              String((BigInt(row.tokens) * BigInt(share)) / 100n),
              String((BigInt(row.picos) * BigInt(share)) / 100n),
            ],
          );
        }
      }
    }
    await client.query('COMMIT');
  } finally {
    client.release();
  }
}

/** One snapshot of everything that must hold at every committed instant. */
async function expectConsistent(): Promise<void> {
  const { rows } = await holds.pool.query<{ drift: string; over: string; crowded: string }>(
    `WITH sums AS (
       SELECT m.scope_id, h.period, m.meter, sum(m.amount) AS held
       FROM holds h CROSS JOIN LATERAL (VALUES
         (h.key_id, 'tokens', h.tokens), (h.key_id, h.currency, h.picos),
         (h.account_id, 'tokens', h.tokens), (h.account_id, h.currency, h.picos)
       ) AS m (scope_id, meter, amount)
       GROUP BY 1, 2, 3
     )
     SELECT
       (SELECT count(*) FROM sums s FULL JOIN hold_totals t USING (scope_id, period, meter)
        WHERE coalesce(s.held, 0) <> coalesce(t.held, 0)) AS drift,
       (SELECT count(*) FROM hold_totals t
          JOIN quota.scopes q USING (scope_id) LEFT JOIN quota.used u USING (scope_id, period, meter)
        WHERE t.held + coalesce(u.used, 0) > hold_limit(t.meter, q.tokens_max, q.spend_max)) AS over,
       (SELECT count(*) FROM (SELECT key_id, sum(calls) AS calls FROM hold_slots GROUP BY key_id) s
        WHERE s.calls > CASE s.key_id WHEN 'key_b' THEN 2 ELSE $1 END) AS crowded`,
    [CONCURRENCY],
  );
  expect(rows).toEqual([{ drift: '0', over: '0', crowded: '0' }]);
}

describe('totals of holds', () => {
  it('are the sum of the open holds and within the limits at every instant, and 0 when all are settled', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(step, { minLength: 1, maxLength: 12 }), { maxLength: 8 }), async (groups) => {
        const taken: Taken[] = [];
        const watching = { over: false };
        const watcher = (async () => {
          while (!watching.over) await expectConsistent();
        })();
        for (const group of groups) await Promise.all(group.map((current) => run(current, taken)));
        await vi.waitFor(() => expect(ledgers.every((ledger) => ledger.connected)).toBe(true), { timeout: 5_000 });
        watching.over = true;
        await watcher;
        await expectConsistent();

        const { rows } = await holds.pool.query<{ request_id: string }>('SELECT request_id FROM holds');
        const known = new Set(taken.map((call) => call.requestId));
        expect(rows.filter((row) => !known.has(row.request_id))).toEqual([]);

        await holds.settle(taken.map((call) => call.requestId));
        for (const call of taken) call.ledger.freeSlot(call.requestId);
        expect(await holds.totals()).toEqual({});
        expect(await holds.holdCount()).toBe(0);
        await vi.waitFor(async () => expect(await holds.slots()).toEqual({}), { timeout: 5_000 });
        await holds.pool.query('DELETE FROM quota.used; DELETE FROM idempotency_claims');
      }),
      { numRuns: 40 },
    );
  }, 120_000);
});
