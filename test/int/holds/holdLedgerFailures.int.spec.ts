import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { StoreUnavailable } from '../../../events/eventStore.ts';
import { PostgresHoldLedger } from '../../../infra/postgres/holdLedger.ts';
import { PostgresOrphanedHolds } from '../../../infra/postgres/orphanedHolds.ts';
import { systemRuntime } from '../../../infra/runtime.ts';
import { silentLog } from '../../support/log.ts';
import { CuttableProxy } from './cuttableProxy.ts';
import { HoldsDatabase, holdRequest } from './holdsDatabase.ts';

let holds: HoldsDatabase;
let proxy: CuttableProxy;

beforeEach(async () => {
  holds = await HoldsDatabase.create();
  proxy = await CuttableProxy.before(holds.database.url);
  await holds.account('acct_1');
  await holds.key('key_1', 'acct_1', { tokens: 1_000, concurrency: 5 });
  await holds.key('key_2', 'acct_1');
});
afterEach(async () => {
  await holds.close();
  await proxy.close();
});

const throughProxy = (timeoutMs = 1_000) =>
  holds.ledger({ connectionString: proxy.url(holds.database.url), timeoutMs });

describe('a take whose outcome is unknown', () => {
  it('holds nothing when the connection is cut and the server commits it later', async () => {
    const ledger = await throughProxy(5_000);
    expect(await ledger.take(holdRequest({ keyId: 'key_2' }))).toEqual({ granted: true });

    const unlock = await holds.lockScope('key_1');
    const idempotency = { keyHash: 'k', bodyHash: 'b' };
    const lost = Promise.allSettled([ledger.take(holdRequest({ idempotency })), ledger.take(holdRequest())]);
    await vi.waitFor(async () => expect(await holds.blockedLedgers()).toHaveLength(1));
    proxy.cut();
    expect(
      (await lost).map((outcome) => outcome.status === 'rejected' && outcome.reason instanceof StoreUnavailable),
    ).toEqual([true, true]);
    // Both the abandoned statement and the next session, which waits for it, are at work.
    await vi.waitFor(async () => expect(await holds.blockedLedgers()).toHaveLength(2));
    await expect(ledger.take(holdRequest())).rejects.toThrow(StoreUnavailable);
    await unlock();

    await vi.waitFor(() => expect(ledger.connected).toBe(true));
    expect(await holds.totals()).toEqual({
      'acct_1 2026-11 USD': 5_000n,
      'acct_1 2026-11 tokens': 100n,
      'key_2 2026-11 USD': 5_000n,
      'key_2 2026-11 tokens': 100n,
    });
    expect(await holds.slots()).toEqual({ key_2: 1 });
    expect(await holds.holdCount()).toBe(1);
    expect(await ledger.take(holdRequest({ idempotency }))).toEqual({ granted: true });
  });

  it('holds nothing when its backend is terminated in mid-flight', async () => {
    const ledger = await holds.ledger({ timeoutMs: 5_000 });
    const unlock = await holds.lockScope('key_1');
    const lost = ledger.take(holdRequest());
    const failure = expect(lost).rejects.toThrow(StoreUnavailable);
    const backend = await vi.waitFor(async () => {
      const [pid] = await holds.blockedLedgers();
      if (pid === undefined) throw new Error('the take does not wait yet');
      return pid;
    });
    await holds.pool.query('SELECT pg_terminate_backend($1)', [backend]);
    await failure;
    await unlock();
    await vi.waitFor(() => expect(ledger.connected).toBe(true));
    expect(await holds.holdCount()).toBe(0);
    expect(await ledger.take(holdRequest())).toEqual({ granted: true });
  });

  it('holds nothing and ends in time when the server freezes, and holds are taken again afterwards', async () => {
    const ledger = await throughProxy(300);
    proxy.frozen = true;
    const startedAt = performance.now();
    await expect(ledger.take(holdRequest())).rejects.toThrow(StoreUnavailable);
    expect(performance.now() - startedAt).toBeLessThan(1_500);
    await expect(ledger.take(holdRequest())).rejects.toThrow(StoreUnavailable);
    proxy.frozen = false;
    await vi.waitFor(() => expect(ledger.connected).toBe(true), { timeout: 10_000 });
    expect(await holds.holdCount()).toBe(0);
    expect(await ledger.take(holdRequest())).toEqual({ granted: true });
  });

  it('holds nothing when the server gives it up after waiting for a lock too long', async () => {
    const ledger = await holds.ledger({ timeoutMs: 200 });
    const unlock = await holds.lockScope('key_1');
    await expect(ledger.take(holdRequest())).rejects.toThrow(StoreUnavailable);
    await unlock();
    await vi.waitFor(() => expect(ledger.connected).toBe(true));
    expect(await holds.totals()).toEqual({});
    expect(await ledger.take(holdRequest())).toEqual({ granted: true });
  });

  it('leaves no trace over many cuts at random moments under load', async () => {
    const ledger = await throughProxy(2_000);
    const granted: string[] = [];
    let failed = 0;
    let over = false;
    const callers = Array.from({ length: 16 }, async () => {
      while (!over) {
        const hold = holdRequest({ keyId: 'key_2' });
        try {
          const decision = await ledger.take(hold);
          if (!decision.granted) throw new Error('refused without a limit');
          granted.push(hold.requestId);
          ledger.freeSlot(hold.requestId);
        } catch (error) {
          if (!(error instanceof StoreUnavailable)) throw error;
          failed += 1;
          await vi.waitFor(() => expect(ledger.connected).toBe(true), { timeout: 5_000 });
        }
      }
    });
    for (let round = 0; round < 15; round += 1) {
      const goal = granted.length + 1 + ((round * 37) % 100);
      await vi.waitFor(() => expect(granted.length).toBeGreaterThanOrEqual(goal), { timeout: 5_000, interval: 1 });
      proxy.cut();
    }
    over = true;
    await Promise.all(callers);
    await vi.waitFor(() => expect(ledger.connected).toBe(true));
    expect(failed).toBeGreaterThan(0);
    const { rows } = await holds.pool.query<{ request_id: string }>('SELECT request_id FROM holds ORDER BY 1');
    expect(rows.map((row) => row.request_id)).toEqual(granted.toSorted());
    await vi.waitFor(async () => expect(await holds.slots()).toEqual({}));
  });
});

async function sessionInDatabase(): Promise<string | undefined> {
  const { rows } = await holds.pool.query<{ session: string }>('SELECT session FROM relay_owners');
  return rows[0]?.session;
}

describe('a session', () => {
  it('states the open slots anew, so that what was freed while there was no connection is free', async () => {
    const ledger = await throughProxy(1_000);
    const [first, second] = [holdRequest(), holdRequest()];
    await ledger.take(first);
    await ledger.take(second);
    const session = await sessionInDatabase();
    proxy.cut();
    ledger.freeSlot(first.requestId);
    await vi.waitFor(async () => expect(await sessionInDatabase()).not.toBe(session));
    await vi.waitFor(() => expect(ledger.connected).toBe(true));
    await ledger.take(holdRequest({ keyId: 'key_2' }));
    expect(await holds.slots()).toEqual({ key_1: 1, key_2: 1 });
  });

  it('of an owner that was given up for lost is refused, and the next one begins where it stood', async () => {
    const ledger = await holds.ledger({ heartbeatMs: 60_000 });
    const orphans = new PostgresOrphanedHolds(holds.pool);
    const hold = holdRequest();
    await ledger.take(hold);
    expect(await orphans.find({ now: 0, after: null, limit: 10 })).toEqual([]);
    await holds.pool.query(`UPDATE relay_owners SET seen_at = seen_at - interval '31 seconds'`);
    expect(await orphans.forgetLostOwners(30_000)).toBe(1);
    expect(await holds.slots()).toEqual({});
    expect(await orphans.find({ now: 0, after: null, limit: 10 })).toMatchObject([
      { requestId: hold.requestId, cause: 'owner_lost', deadline: hold.deadline, accepted: hold.accepted },
    ]);

    await expect(ledger.take(holdRequest())).rejects.toThrow(StoreUnavailable);
    await vi.waitFor(() => expect(ledger.connected).toBe(true));
    expect(await holds.slots()).toEqual({ key_1: 1 });
    expect(await orphans.find({ now: 0, after: null, limit: 10 })).toEqual([]);
    expect(await holds.holdCount()).toBe(1);
  });

  it('renews its lease while no calls come, and with a hold whose lease was stale', async () => {
    const age = async () => {
      const { rows } = await holds.pool.query<{ ms: string }>(
        'SELECT extract(epoch FROM clock_timestamp() - seen_at) * 1000 AS ms FROM relay_owners',
      );
      return Number(rows[0]?.ms);
    };
    const stale = () => holds.pool.query(`UPDATE relay_owners SET seen_at = seen_at - interval '20 seconds'`);
    const quiet = await holds.ledger({ heartbeatMs: 60_000 });
    await stale();
    await quiet.take(holdRequest());
    expect(await age()).toBeLessThan(10_000);
    await quiet.close();

    await holds.pool.query('DELETE FROM relay_owners');
    await holds.ledger({ heartbeatMs: 20 });
    await stale();
    await vi.waitFor(async () => expect(await age()).toBeLessThan(10_000));
  });

  it('is refused to a second process that has the same owner id, whose first session ends', async () => {
    const owner = randomUUID();
    const [first, second] = [await holds.ledger({ owner, heartbeatMs: 60_000 }), await holds.ledger({ owner })];
    expect(await second.take(holdRequest())).toEqual({ granted: true });
    await expect(first.take(holdRequest())).rejects.toThrow(StoreUnavailable);
  });
});

describe('the ledger', () => {
  it('cannot be opened without a database', async () => {
    const connectionString = 'postgres://postgres@127.0.0.1:1/none';
    const runtime = systemRuntime(silentLog);
    await expect(PostgresHoldLedger.open({ connectionString, runtime, owner: randomUUID() })).rejects.toThrow(
      StoreUnavailable,
    );
  });

  it('refuses calls over its bound at once and keeps the others', async () => {
    const ledger = await holds.ledger({ maxWaiting: 3, timeoutMs: 5_000 });
    const unlock = await holds.lockScope('key_1');
    const first = ledger.take(holdRequest());
    await vi.waitFor(async () => expect(await holds.blockedLedgers()).toHaveLength(1));
    const others = Array.from({ length: 4 }, () => ledger.take(holdRequest()));
    await expect(others[3]).rejects.toThrow('too many writes are waiting');
    expect(ledger.waiting).toBe(3);
    await unlock();
    expect(await Promise.all([first, ...others.slice(0, 3)])).toEqual(Array(4).fill({ granted: true }));
  });

  it('gives up a call that waited for its batch longer than its time, and holds nothing for it', async () => {
    const runtime = systemRuntime(silentLog);
    let waitedMs = 0;
    const clock = { now: () => Date.now(), monotonic: () => performance.now() + waitedMs };
    const ledger = await holds.ledger({ runtime: { ...runtime, clock }, heartbeatMs: 60_000 });
    const early = ledger.take(holdRequest());
    waitedMs = 1_001;
    const late = ledger.take(holdRequest());
    await expect(early).rejects.toThrow('the hold waited too long for its batch');
    expect(await late).toEqual({ granted: true });
    expect(await holds.holdCount()).toBe(1);
  });

  it('forgets claims after their age only', async () => {
    const ledger = await holds.ledger();
    const idempotency = { keyHash: 'k', bodyHash: 'b' };
    await ledger.take(holdRequest({ idempotency }));
    const orphans = new PostgresOrphanedHolds(holds.pool);
    expect(await orphans.forgetClaims(86_400_000)).toBe(0);
    await holds.pool.query(`UPDATE idempotency_claims SET claimed_at = claimed_at - interval '25 hours'`);
    expect(await orphans.forgetClaims(86_400_000)).toBe(1);
    expect(await ledger.take(holdRequest({ idempotency }))).toEqual({ granted: true });
  });
});
