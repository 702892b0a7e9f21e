import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { v7 as uuidv7 } from 'uuid';
import { decode, encode } from '../../../events/codec.ts';
import type { Append } from '../../../events/eventStore.ts';
import { deriveId, requestStream } from '../../../events/ids.ts';
import { PostgresEventStore } from '../../../infra/postgres/eventStore.ts';
import type { PostgresHoldLedger } from '../../../infra/postgres/holdLedger.ts';
import { PostgresOrphanedHolds } from '../../../infra/postgres/orphanedHolds.ts';
import { PostgresTransactions } from '../../../infra/postgres/transactions.ts';
import { systemRuntime } from '../../../infra/runtime.ts';
import { quotaProjection } from '../../../projections/quota/quota.projection.ts';
import { ProjectionRunner } from '../../../projections/runner.ts';
import { appendSettlement } from '../../../services/relay/settlement/appendSettlement.ts';
import { Reaper } from '../../../services/relay/settlement/reaper.ts';
import { requestAccepted, requestCompleted, usageRecorded } from '../../support/events.ts';
import { silentLog } from '../../support/log.ts';
import { HoldsDatabase, holdRequest } from './holdsDatabase.ts';

const runtime = systemRuntime(silentLog);
let holds: HoldsDatabase;
let store: PostgresEventStore;
let projections: ProjectionRunner;

beforeEach(async () => {
  holds = await HoldsDatabase.create();
  await holds.account('acct_1');
  await holds.key('key_1', 'acct_1');
  store = await PostgresEventStore.open({ connectionString: holds.database.url, log: silentLog });
  projections = new ProjectionRunner({
    store,
    transactions: new PostgresTransactions(holds.pool),
    timers: runtime.timers,
    log: silentLog,
    projections: [quotaProjection],
  });
});
afterEach(async () => {
  await projections.stop();
  await store.close();
  await holds.close();
});

/** A call that is held on `key_1`, and what its relay would append. */
function heldCall() {
  const requestId = uuidv7();
  const common = { requestId, accountId: 'acct_1' };
  const accepted = requestAccepted({ ...common, eventId: deriveId(requestId, 0, 'RequestAccepted') });
  const used = usageRecorded({ ...common, eventId: deriveId(requestId, 1, 'UsageRecorded') });
  const completed = requestCompleted({ ...common, eventId: deriveId(requestId, 1, 'RequestCompleted') });
  const stream = requestStream(requestId);
  const acceptance: Append = { stream, expected: 'no_stream', events: [encode(accepted)] };
  const settlement: Append = { stream, expected: 0n, events: [encode(used), encode(completed)] };
  const hold = holdRequest({ requestId, accepted: encode(accepted), tokens: 2_000, picos: 1_000_000_000n });
  return { requestId, stream, hold, acceptance, settlement };
}

/** A reaper that judges at once. */
const reaper = () => new Reaper({ holds: new PostgresOrphanedHolds(holds.pool), store, runtime, leaseMs: 0 });

/** A reaper waits for a lease before it judges; this moves the sign of life of all owners into the past instead. */
async function loseOwners(): Promise<void> {
  await holds.pool.query(`UPDATE relay_owners SET seen_at = seen_at - interval '1 hour'`);
}

async function usageOf(stream: string) {
  const events = await store.readStream(stream, { direction: 'forwards', limit: 100 });
  return events.flatMap((event) => {
    const decoded = decode(event);
    return decoded?.type === 'UsageRecorded' || decoded?.type === 'UsageCorrected' ? [decoded] : [];
  });
}

async function used(): Promise<Record<string, bigint>> {
  const { rows } = await holds.pool.query<{ meter: string; used: string }>(
    `SELECT meter, used FROM quota.used WHERE scope_id = 'key_1' AND used <> 0`,
  );
  return Object.fromEntries(rows.map((row) => [row.meter, BigInt(row.used)]));
}

async function expectNothingHeld(): Promise<void> {
  await vi.waitFor(async () => expect(await holds.totals()).toEqual({}));
  expect(await holds.holdCount()).toBe(0);
}

describe('a relay that dies', () => {
  it('leaves calls in every state, and each is settled once and its quota freed', async () => {
    await projections.start();
    const ledger: PostgresHoldLedger = await holds.ledger({ heartbeatMs: 60_000 });
    const calls = Array.from({ length: 30 }, heldCall);
    await Promise.all(calls.map((call) => ledger.take(call.hold)));
    for (const [i, call] of calls.entries()) {
      if (i % 3 > 0) await store.append(call.acceptance);
      if (i % 3 > 1) await store.append(call.settlement);
    }
    await ledger.close();
    await loseOwners();
    const [one, two] = [reaper(), reaper()];
    await Promise.all([one.round(), two.round()]);
    expect(one.counts.reaped + two.counts.reaped).toBe(20);
    expect(one.counts.lostOwners + two.counts.lostOwners).toBe(1);
    for (const [i, call] of calls.entries()) {
      expect(await usageOf(call.stream)).toMatchObject([{ policy: i % 3 > 1 ? null : 'unknown_waived' }]);
    }
    await expectNothingHeld();
    expect(await holds.slots()).toEqual({});
    expect(await used()).toEqual({ tokens: 15_000n, USD: 4_500_000_000n });
    expect(await one.round()).toBe(false);
    expect(one.counts.reaped + two.counts.reaped).toBe(20);
  });

  it('is corrected once when it was not dead after all', async () => {
    await projections.start();
    const ledger = await holds.ledger({ heartbeatMs: 60_000 });
    const call = heldCall();
    await ledger.take(call.hold);
    await store.append(call.acceptance);
    await loseOwners();
    await reaper().round();
    await expectNothingHeld();
    expect(await used()).toEqual({});
    expect(await appendSettlement(store, call.settlement)).toMatchObject({ as: 'correction' });
    expect(await appendSettlement(store, call.settlement)).toMatchObject({ as: 'itself' });
    expect(await usageOf(call.stream)).toHaveLength(2);
    await vi.waitFor(async () => expect(await used()).toEqual({ tokens: 1_500n, USD: 450_000_000n }));
  });
});

describe('a call past its deadline', () => {
  it('is settled though its relay lives, and others are not', async () => {
    const ledger = await holds.ledger();
    const [late, running] = [heldCall(), heldCall()];
    await ledger.take({ ...late.hold, deadline: Date.now() - 1 });
    await ledger.take(running.hold);
    const one = new Reaper({ holds: new PostgresOrphanedHolds(holds.pool), store, runtime, leaseMs: 0 });
    await holds.pool.query(`UPDATE relay_owners SET seen_at = now() + interval '1 minute'`);
    await one.round();
    expect(one.counts).toMatchObject({ reaped: 1, lostOwners: 0 });
    expect(await usageOf(late.stream)).toHaveLength(1);
    expect(await usageOf(running.stream)).toEqual([]);
  });
});

describe('a hold that stayed though its usage is counted', () => {
  it('ends when the quota projection has passed the usage, unless the account is parked there', async () => {
    const ledger = await holds.ledger();
    const call = heldCall();
    await ledger.take({ ...call.hold, deadline: Date.now() - 1 });
    await store.append(call.acceptance);
    const settled = await store.append(call.settlement);
    const orphans = new PostgresOrphanedHolds(holds.pool);
    if (settled.outcome !== 'appended') throw new Error(settled.outcome);
    const end = () => orphans.endCounted(call.requestId, 'acct_1', settled.position - 1n);

    expect(await end()).toBe(false);
    await holds.pool.query('UPDATE quota.checkpoint SET position = $1', [String(settled.position - 1n)]);
    await holds.pool.query(`INSERT INTO parked_accounts VALUES ('quota', 'acct_1', 1, 'poison')`);
    expect(await end()).toBe(false);
    expect(await holds.holdCount()).toBe(1);
    await holds.pool.query('DELETE FROM parked_accounts');
    const one = reaper();
    await one.round();
    expect(one.counts).toMatchObject({ ended: 1, reaped: 0 });
    await expectNothingHeld();
    expect(await end()).toBe(false);
  });
});
