import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { HoldDecision } from '../../../services/relay/ports.ts';
import { HoldsDatabase, holdRequest } from './holdsDatabase.ts';

let holds: HoldsDatabase;

beforeEach(async () => {
  holds = await HoldsDatabase.create();
});
afterEach(() => holds.close());

function granted(decisions: readonly HoldDecision[]): number {
  return decisions.filter((decision) => decision.granted).length;
}

describe('settling', () => {
  beforeEach(async () => {
    await holds.account('acct_1');
    await holds.key('key_1', 'acct_1');
    await holds.key('key_2', 'acct_1');
  });

  it('lowers the totals by exactly what was held, once, however often it is called', async () => {
    const ledger = await holds.ledger();
    const calls = [
      holdRequest({ tokens: 7, picos: 11n }),
      holdRequest({ tokens: 13, picos: 17n, keyId: 'key_2', currency: 'EUR' }),
      holdRequest({ tokens: 19, picos: 23n, period: '2026-12' }),
    ];
    await Promise.all(calls.map((hold) => ledger.take(hold)));
    const [first, second, third] = calls.map((hold) => hold.requestId) as [string, string, string];
    expect(await holds.settle([first, first, holdRequest().requestId])).toBe(1);
    expect(await holds.totals()).toEqual({
      'acct_1 2026-11 EUR': 17n,
      'acct_1 2026-11 tokens': 13n,
      'acct_1 2026-12 USD': 23n,
      'acct_1 2026-12 tokens': 19n,
      'key_1 2026-12 USD': 23n,
      'key_1 2026-12 tokens': 19n,
      'key_2 2026-11 EUR': 17n,
      'key_2 2026-11 tokens': 13n,
    });
    expect(await holds.settle([first, second, third])).toBe(2);
    expect(await holds.settle([first, second, third])).toBe(0);
    expect(await holds.settle([])).toBe(0);
    expect(await holds.totals()).toEqual({});
    expect(await holds.holdCount()).toBe(0);
  });

  it('counts a call as held or as used, never as both or neither, while calls are taken', async () => {
    const ledger = await holds.ledger();
    const running = holdRequest({ tokens: 40 });
    await ledger.take(running);
    await holds.pool.query(`UPDATE quota.scopes SET tokens_max = 100 WHERE scope_id = 'acct_1'`);
    const client = await holds.pool.connect();
    await client.query('BEGIN');
    await client.query('SELECT settle_holds($1::uuid[])', [[running.requestId]]);
    const waiting = ledger.take(holdRequest({ tokens: 61 }));
    await vi.waitFor(async () => expect(await holds.blockedLedgers()).toHaveLength(1));
    await client.query(`INSERT INTO quota.used VALUES ('acct_1', '2026-11', 'tokens', 40)`);
    await client.query('COMMIT');
    client.release();
    expect(await waiting).toEqual({
      granted: false,
      refusal: { reason: 'quota', scope: 'account', meter: 'tokens', limit: 100n, used: 40n, held: 0n },
    });
  });

  it('does not deadlock with two relays that take and a projection that settles the same keys', async () => {
    const keys = Array.from({ length: 12 }, (_, i) => `key_many_${String(i)}`);
    for (const keyId of keys) await holds.key(keyId, 'acct_1');
    const [one, two] = [await holds.ledger({ timeoutMs: 10_000 }), await holds.ledger({ timeoutMs: 10_000 })];
    const taken: string[] = [];
    const relay = async (ledger: typeof one, order: readonly string[]) => {
      for (let round = 0; round < 25; round += 1) {
        const calls = order.map((keyId) => holdRequest({ keyId }));
        expect(granted(await Promise.all(calls.map((hold) => ledger.take(hold))))).toBe(order.length);
        taken.push(...calls.map((hold) => hold.requestId));
        for (const hold of calls) ledger.freeSlot(hold.requestId);
      }
    };
    const relays = { over: false };
    const projection = (async () => {
      let settled = 0;
      while (!relays.over || taken.length > 0) settled += await holds.settle(taken.splice(0).reverse());
      return settled;
    })();
    await Promise.all([relay(one, keys), relay(two, keys.toReversed())]);
    relays.over = true;
    expect(await projection).toBe(2 * 25 * 12);
    expect(await holds.totals()).toEqual({});
    await vi.waitFor(async () => expect(await holds.slots()).toEqual({}));
  });
});
