import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { HoldDecision } from '../../../services/relay/ports.ts';
import { HoldsDatabase, holdRequest, NOVEMBER } from './holdsDatabase.ts';

let holds: HoldsDatabase;

beforeEach(async () => {
  holds = await HoldsDatabase.create();
});
afterEach(() => holds.close());

function granted(decisions: readonly HoldDecision[]): number {
  return decisions.filter((decision) => decision.granted).length;
}

describe('taking a hold', () => {
  it('stores the hold with its accepted event, and counts it on key and account', async () => {
    await holds.account('acct_1');
    await holds.key('key_1', 'acct_1');
    const owner = '0198f000-0000-7000-8000-000000000001';
    const ledger = await holds.ledger({ owner });
    const hold = holdRequest({ tokens: 9_007_199_254_740_991, picos: 10n ** 27n, deadline: 1_795_000_000_123 });
    expect(await ledger.take(hold)).toEqual({ granted: true });

    const { rows } = await holds.pool.query(
      `SELECT request_id, key_id, account_id, period, currency, tokens, picos, owner, accepted, (extract(epoch FROM deadline) * 1000)::bigint AS deadline,
         taken_at BETWEEN now() - interval '1 minute' AND now() AS taken_now
       FROM holds`,
    );
    expect(rows).toEqual([
      {
        request_id: hold.requestId,
        key_id: 'key_1',
        account_id: 'acct_1',
        period: NOVEMBER,
        currency: 'USD',
        tokens: '9007199254740991',
        picos: '1000000000000000000000000000',
        owner,
        accepted: hold.accepted.data,
        deadline: '1795000000123',
        taken_now: true,
      },
    ]);
    expect(await holds.totals()).toEqual({
      'acct_1 2026-11 USD': 10n ** 27n,
      'acct_1 2026-11 tokens': 9_007_199_254_740_991n,
      'key_1 2026-11 USD': 10n ** 27n,
      'key_1 2026-11 tokens': 9_007_199_254_740_991n,
    });
    expect(await holds.slots()).toEqual({ key_1: 1 });
  });

  it('grants 3 of 200 parallel calls on a limit for exactly 3, and never passes the limit at any committed instant', async () => {
    await holds.account('acct_1');
    await holds.key('key_1', 'acct_1', { tokens: 1_300 });
    await holds.used('key_1', 'tokens', 1_000n);
    const ledger = await holds.ledger();
    const usedAndHeld = async () => {
      const { rows } = await holds.pool.query<{ total: string }>(
        `SELECT u.used + coalesce(t.held, 0) AS total FROM quota.used u
         LEFT JOIN hold_totals t USING (scope_id, period, meter) WHERE u.scope_id = 'key_1'`,
      );
      return BigInt(rows[0]?.total ?? 0);
    };
    const seen: bigint[] = [];
    const polling = { over: false };
    const poller = (async () => {
      while (!polling.over) seen.push(await usedAndHeld());
    })();
    const decisions = await Promise.all(Array.from({ length: 200 }, () => ledger.take(holdRequest())));
    polling.over = true;
    await poller;

    expect(decisions.slice(0, 3)).toEqual(Array(3).fill({ granted: true }));
    const refusal = { reason: 'quota', scope: 'key', meter: 'tokens', limit: 1_300n, used: 1_000n, held: 300n };
    expect(decisions.slice(3)).toEqual(Array(197).fill({ granted: false, refusal }));
    expect(seen.every((total) => total <= 1_300n)).toBe(true);
    expect(seen.length).toBeGreaterThan(0);
    expect(await usedAndHeld()).toBe(1_300n);
    expect(await holds.holdCount()).toBe(3);
  });

  it('holds money of an account in its own currency, whichever of its keys calls', async () => {
    await holds.account('acct_1', { spend: { USD: 12_000n } });
    await holds.key('key_1', 'acct_1');
    await holds.key('key_2', 'acct_1');
    const ledger = await holds.ledger();
    const decisions = await Promise.all([
      ledger.take(holdRequest({ keyId: 'key_1' })),
      ledger.take(holdRequest({ keyId: 'key_2' })),
      ledger.take(holdRequest({ keyId: 'key_1' })),
      ledger.take(holdRequest({ keyId: 'key_2', currency: 'CNY' })),
      ledger.take(holdRequest({ keyId: 'key_2', picos: 2_000n })),
    ]);
    const refusal = { reason: 'quota', scope: 'account', meter: 'USD', limit: 12_000n, used: 0n, held: 10_000n };
    expect(decisions).toEqual([
      { granted: true },
      { granted: true },
      { granted: false, refusal },
      { granted: true },
      { granted: true },
    ]);
    expect(await holds.totals()).toMatchObject({ 'acct_1 2026-11 USD': 12_000n, 'acct_1 2026-11 CNY': 5_000n });
  });

  it('does not count a refused call against the calls behind it', async () => {
    await holds.account('acct_1', { tokens: 100 });
    await holds.key('key_1', 'acct_1');
    const ledger = await holds.ledger();
    const decisions = await Promise.all([60, 60, 41, 40, 0].map((tokens) => ledger.take(holdRequest({ tokens }))));
    expect(decisions.map((decision) => decision.granted)).toEqual([true, false, false, true, true]);
    expect(await holds.totals()).toMatchObject({ 'acct_1 2026-11 tokens': 100n });
  });

  it('does not let one key at its limit keep the others back', async () => {
    await holds.account('acct_1');
    await holds.key('key_1', 'acct_1', { tokens: 0 });
    await holds.key('key_2', 'acct_1');
    const ledger = await holds.ledger();
    const decisions = await Promise.all(
      Array.from({ length: 40 }, (_, i) => ledger.take(holdRequest({ keyId: i % 2 === 0 ? 'key_1' : 'key_2' }))),
    );
    expect(decisions.map((decision) => decision.granted)).toEqual(Array.from({ length: 40 }, (_, i) => i % 2 === 1));
    expect(await holds.totals()).toMatchObject({ 'acct_1 2026-11 tokens': 2_000n, 'key_2 2026-11 tokens': 2_000n });
  });

  it('counts each month for itself', async () => {
    await holds.account('acct_1', { tokens: 100 });
    await holds.key('key_1', 'acct_1');
    await holds.used('acct_1', 'tokens', 100n, '2026-10');
    const ledger = await holds.ledger();
    expect(await ledger.take(holdRequest({ period: '2026-10', tokens: 1 }))).toMatchObject({ granted: false });
    expect(await ledger.take(holdRequest({ period: '2026-11' }))).toEqual({ granted: true });
    expect(await ledger.take(holdRequest({ period: '2026-12' }))).toEqual({ granted: true });
  });

  it('names the limit of the key before that of the account, and tokens before money', async () => {
    await holds.account('acct_1', { tokens: 5, spend: { USD: 7n } });
    await holds.key('key_1', 'acct_1', { tokens: 6, spend: { USD: 8n } });
    await holds.key('key_2', 'acct_1', { spend: { USD: 8n } });
    await holds.key('key_3', 'acct_1');
    const ledger = await holds.ledger();
    const limitsMet = async (keyId: string) => {
      const decision = await ledger.take(holdRequest({ keyId }));
      return decision.granted ? null : decision.refusal;
    };
    expect(await limitsMet('key_1')).toMatchObject({ scope: 'key', meter: 'tokens', limit: 6n, used: 0n, held: 0n });
    expect(await limitsMet('key_2')).toMatchObject({ scope: 'key', meter: 'USD', limit: 8n });
    expect(await limitsMet('key_3')).toMatchObject({ scope: 'account', meter: 'tokens', limit: 5n });
  });

  it('refuses a key or an account that the read model does not know, and a key of another account', async () => {
    await holds.account('acct_1');
    await holds.account('acct_2');
    await holds.key('key_1', 'acct_1');
    const ledger = await holds.ledger();
    const decisions = await Promise.all([
      ledger.take(holdRequest({ keyId: 'key_unknown' })),
      ledger.take(holdRequest({ accountId: 'acct_unknown' })),
      ledger.take(holdRequest({ accountId: 'acct_2' })),
      ledger.take(holdRequest({ keyId: 'acct_1' })),
      ledger.take(holdRequest()),
    ]);
    const unknown = { granted: false, refusal: { reason: 'unknown_scope' } };
    expect(decisions).toEqual([unknown, unknown, unknown, unknown, { granted: true }]);
    expect(await holds.holdCount()).toBe(1);
  });

  it('goes on when the quota tables are replaced by a rebuild', async () => {
    await holds.account('acct_1');
    await holds.key('key_1', 'acct_1', { tokens: 150 });
    const ledger = await holds.ledger();
    expect(await ledger.take(holdRequest())).toEqual({ granted: true });
    await holds.pool.query(`
      BEGIN;
      CREATE SCHEMA twin;
      CREATE TABLE twin.scopes (LIKE quota.scopes INCLUDING ALL);
      CREATE TABLE twin.used (LIKE quota.used INCLUDING ALL);
      INSERT INTO twin.scopes SELECT scope_id, kind, account_id, concurrency, 250, spend_max FROM quota.scopes;
      ALTER SCHEMA quota RENAME TO quota_replaced;
      ALTER SCHEMA twin RENAME TO quota;
      DROP SCHEMA quota_replaced CASCADE;
      COMMIT`);
    expect(await ledger.take(holdRequest())).toEqual({ granted: true });
    expect(await ledger.take(holdRequest())).toMatchObject({ granted: false, refusal: { limit: 250n, held: 200n } });
  });

  it('refuses a hold that would spoil the batch, and takes the others', async () => {
    await holds.account('acct_1');
    await holds.key('key_1', 'acct_1');
    const ledger = await holds.ledger();
    const outcomes = await Promise.allSettled([
      ledger.take(holdRequest()),
      ledger.take(holdRequest({ keyId: 'key_1\u001fkey_2' })),
      ledger.take(holdRequest({ tokens: -1 })),
      ledger.take(holdRequest({ tokens: 1.5 })),
      ledger.take(holdRequest({ picos: -1n })),
      ledger.take(holdRequest({ picos: 10n ** 28n })),
      ledger.take(holdRequest({ deadline: Number.NaN })),
      ledger.take(holdRequest({ requestId: 'not-a-uuid' })),
      ledger.take(holdRequest()),
    ]);
    expect(outcomes.map((outcome) => outcome.status === 'fulfilled' || String(outcome.reason).split(':')[0])).toEqual([
      true,
      ...Array<string>(7).fill('TypeError'),
      true,
    ]);
    expect(await holds.holdCount()).toBe(2);
  });

  it('refuses columns of different lengths in the database too', async () => {
    const owner = '0198f000-0000-7000-8000-00000000000a';
    await holds.pool.query(`SELECT begin_hold_session($1, $1, '{}', '{}', '{}')`, [owner]);
    const id = '{0198f000-0000-7000-8000-000000000001}';
    await expect(
      holds.pool.query(
        `SELECT * FROM take_holds($1, $1, '{}', '{}', '{}', '{key_1}', '{acct_1}', '{2026-11}', '{USD}',
           $2, '{1}', '{1}', '{1}', '{0}', $3, '{NULL}', '{NULL}')`,
        [owner, id, '{}\u001f{}'],
      ),
    ).rejects.toMatchObject({ code: 'TLY02' });
    expect(await holds.holdCount()).toBe(0);
  });
});

describe('concurrency', () => {
  it('never lets more calls of a key in flight than its cap, over two relays', async () => {
    await holds.account('acct_1');
    await holds.key('key_1', 'acct_1', { concurrency: 10 });
    const [one, two] = [await holds.ledger(), await holds.ledger()];
    const first = Array.from({ length: 60 }, () => holdRequest());
    const decisions = await Promise.all(first.map((hold, i) => (i % 2 === 0 ? one : two).take(hold)));
    expect(granted(decisions)).toBe(10);
    expect(decisions.find((decision) => !decision.granted)).toEqual({
      granted: false,
      refusal: { reason: 'concurrency', limit: 10 },
    });
    expect(await holds.slots()).toEqual({ key_1: 10 });

    const running = first.filter((_, i) => decisions[i]?.granted);
    for (const hold of running.slice(0, 4)) {
      one.freeSlot(hold.requestId);
      two.freeSlot(hold.requestId);
    }
    await vi.waitFor(async () => expect(await holds.slots()).toEqual({ key_1: 6 }));
    const again = await Promise.all(Array.from({ length: 20 }, () => one.take(holdRequest())));
    expect(granted(again)).toBe(4);
  });

  it('frees the slot of an ended call before it decides about the next one', async () => {
    await holds.account('acct_1');
    await holds.key('key_1', 'acct_1', { concurrency: 1 });
    const ledger = await holds.ledger({ flushMs: 60_000 });
    for (let call = 0; call < 20; call += 1) {
      const hold = holdRequest();
      expect(await ledger.take(hold)).toEqual({ granted: true });
      expect(await ledger.take(holdRequest())).toMatchObject({ granted: false });
      ledger.freeSlot(hold.requestId);
      ledger.freeSlot(hold.requestId);
    }
    expect(await holds.holdCount()).toBe(20);
  });

  it('takes the narrower of key and account, and the account’s for a key without one', async () => {
    await holds.account('acct_1', { concurrency: 3 });
    await holds.key('key_none', 'acct_1');
    await holds.key('key_wide', 'acct_1', { concurrency: 50 });
    await holds.key('key_narrow', 'acct_1', { concurrency: 2 });
    await holds.key('key_shut', 'acct_1', { concurrency: 0 });
    const ledger = await holds.ledger();
    const counts: Record<string, number> = {};
    for (const keyId of ['key_none', 'key_wide', 'key_narrow', 'key_shut']) {
      counts[keyId] = granted(await Promise.all(Array.from({ length: 5 }, () => ledger.take(holdRequest({ keyId })))));
    }
    expect(counts).toEqual({ key_none: 3, key_wide: 3, key_narrow: 2, key_shut: 0 });
  });

  it('keeps the quota held when the slot is freed, and the slot open when the hold is settled', async () => {
    await holds.account('acct_1');
    await holds.key('key_1', 'acct_1');
    const ledger = await holds.ledger({ flushMs: 1 });
    const [first, second] = [holdRequest(), holdRequest()];
    await ledger.take(first);
    await ledger.take(second);
    ledger.freeSlot(first.requestId);
    await vi.waitFor(async () => expect(await holds.slots()).toEqual({ key_1: 1 }));
    expect(await holds.totals()).toMatchObject({ 'key_1 2026-11 tokens': 200n });
    await holds.settle([first.requestId, second.requestId]);
    expect(await holds.slots()).toEqual({ key_1: 1 });
    expect(ledger.openSlots).toBe(1);
    ledger.freeSlot(second.requestId);
    await vi.waitFor(async () => expect(await holds.slots()).toEqual({}));
  });

  it('frees the slot of a call past its deadline even if nobody says that it ended', async () => {
    await holds.account('acct_1');
    await holds.key('key_1', 'acct_1');
    const ledger = await holds.ledger({ heartbeatMs: 10 });
    await ledger.take(holdRequest({ deadline: Date.now() + 50 }));
    expect(await holds.slots()).toEqual({ key_1: 1 });
    await vi.waitFor(async () => expect(await holds.slots()).toEqual({}));
  });
});

describe('an idempotency key', () => {
  const key = (body: string, name = 'k') => ({ keyHash: `hash of ${name}`, bodyHash: `hash of ${body}` });

  beforeEach(async () => {
    await holds.account('acct_1', { tokens: 10_000 });
    await holds.key('key_1', 'acct_1');
    await holds.key('key_2', 'acct_1');
  });

  it('is claimed by one call; others learn who has it and whether the body is the same', async () => {
    const ledger = await holds.ledger();
    const first = holdRequest({ idempotency: key('a') });
    expect(await ledger.take(first)).toEqual({ granted: true });
    const refused = (sameBody: boolean) => ({
      granted: false,
      refusal: { reason: 'idempotency', requestId: first.requestId, sameBody },
    });
    expect(await ledger.take(holdRequest({ idempotency: key('a') }))).toEqual(refused(true));
    expect(await ledger.take(holdRequest({ idempotency: key('b') }))).toEqual(refused(false));
    expect(await ledger.take(holdRequest({ idempotency: key('a', 'other') }))).toEqual({ granted: true });
    expect(await ledger.take(holdRequest({ idempotency: key('a'), keyId: 'key_2' }))).toEqual({ granted: true });
  });

  it('is claimed once when the same call arrives many times at once, over two relays', async () => {
    const [one, two] = [await holds.ledger(), await holds.ledger()];
    const calls = Array.from({ length: 40 }, () => holdRequest({ idempotency: key('a') }));
    const decisions = await Promise.all(calls.map((hold, i) => (i % 2 === 0 ? one : two).take(hold)));
    const winner = calls[decisions.findIndex((decision) => decision.granted)];
    expect(decisions.filter((decision) => decision.granted)).toHaveLength(1);
    expect(decisions.filter((decision) => !decision.granted)).toEqual(
      Array(39).fill({
        granted: false,
        refusal: { reason: 'idempotency', requestId: winner?.requestId, sameBody: true },
      }),
    );
    expect(await holds.holdCount()).toBe(1);
  });

  it('is not claimed by a refused call', async () => {
    const ledger = await holds.ledger();
    expect(await ledger.take(holdRequest({ tokens: 10_001, idempotency: key('a') }))).toMatchObject({ granted: false });
    expect(await ledger.take(holdRequest({ idempotency: key('b') }))).toEqual({ granted: true });
  });

  it('can be used again after it is forgotten, and stays claimed after the hold is settled', async () => {
    const ledger = await holds.ledger();
    const [first, second] = [holdRequest({ idempotency: key('a') }), holdRequest({ idempotency: key('a') })];
    await ledger.take(first);
    await holds.settle([first.requestId]);
    expect(await ledger.take(second)).toMatchObject({ granted: false });
    ledger.forgetIdempotency(first.requestId);
    expect(await ledger.take(second)).toEqual({ granted: true });
  });
});
