import { beforeEach, describe, expect, it } from 'vitest';
import { decode } from '../../../events/codec.ts';
import { StoreUnavailable, type Append, type EventStore } from '../../../events/eventStore.ts';
import { MemoryEventStore } from '../../../infra/memory/eventStore.ts';
import { appendSettlement } from '../../../services/relay/settlement/appendSettlement.ts';
import type { OrphanedHold, OrphanedHolds } from '../../../services/relay/settlement/ports.ts';
import { Reaper, type ReaperOptions } from '../../../services/relay/settlement/reaper.ts';
import type { Runtime } from '../../../services/runtime.ts';
import { exampleCall } from './calls.ts';

/** Time that moves when told to. */
class ManualRuntime implements Runtime {
  nowMs = Date.parse('2026-11-20T10:00:00.000Z');
  monotonicMs = 0;
  readonly errors: object[] = [];
  due: { readonly at: number; readonly action: () => void }[] = [];
  readonly clock = { now: () => this.nowMs, monotonic: () => this.monotonicMs };
  readonly ids = { uuid: () => '' };
  readonly random = { bytes: (length: number) => Buffer.alloc(length), fraction: () => 0 };
  readonly log = { info: () => undefined, warn: () => undefined, error: (fields: object) => this.errors.push(fields) };
  readonly timers = {
    after: (delayMs: number, action: () => void) => {
      const timer = { at: this.monotonicMs + delayMs, action };
      this.due.push(timer);
      return () => {
        this.due = this.due.filter((other) => other !== timer);
      };
    },
  };

  pass(ms: number): void {
    this.nowMs += ms;
    this.monotonicMs += ms;
    for (const timer of this.due.filter(({ at }) => at <= this.monotonicMs)) {
      this.due = this.due.filter((other) => other !== timer);
      timer.action();
    }
  }
}

/** Orphans in memory. `counted`: up to where the quota projection has come. */
class ListedHolds implements OrphanedHolds {
  orphans: OrphanedHold[] = [];
  lostOwners = 0;
  counted = 0n;
  available = true;
  readonly finds: (string | null)[] = [];

  find({ after, limit }: { readonly after: string | null; readonly limit: number }): Promise<readonly OrphanedHold[]> {
    if (!this.available) return Promise.reject(new StoreUnavailable('as told by the test'));
    this.finds.push(after);
    const sorted = this.orphans.toSorted((a, b) => (a.requestId < b.requestId ? -1 : 1));
    return Promise.resolve(sorted.filter((orphan) => orphan.requestId > (after ?? '')).slice(0, limit));
  }
  forgetLostOwners(): Promise<number> {
    return Promise.resolve(this.lostOwners);
  }
  endCounted(requestId: string, _accountId: string, position: bigint): Promise<boolean> {
    if (position > this.counted) return Promise.resolve(false);
    this.orphans = this.orphans.filter((orphan) => orphan.requestId !== requestId);
    return Promise.resolve(true);
  }
  forgetClaims(): Promise<number> {
    return Promise.resolve(0);
  }
}

const LEASE_MS = 30_000;
let runtime: ManualRuntime;
let store: MemoryEventStore;
let holds: ListedHolds;

beforeEach(() => {
  runtime = new ManualRuntime();
  store = new MemoryEventStore();
  holds = new ListedHolds();
});

function makeReaper(options: Partial<ReaperOptions> = {}): Reaper {
  return new Reaper({ holds, store, runtime, ...options });
}

/** A reaper that has waited long enough to judge. */
function ripeReaper(options: Partial<ReaperOptions> = {}): Reaper {
  const reaper = makeReaper({ intervalMs: LEASE_MS, ...options });
  runtime.pass(LEASE_MS);
  return reaper;
}

async function usageEvents(source: EventStore, stream: string): Promise<string[]> {
  const events = await source.readStream(stream, { direction: 'forwards', limit: 100 });
  return events.filter((event) => event.type.startsWith('Usage')).map((event) => event.type);
}

describe('the reaper', () => {
  it('settles each orphan once and then finds nothing to do', async () => {
    const calls = ['a', 'b', 'c'].map((name) => exampleCall(name));
    holds.orphans = calls.map((call) => call.orphan);
    const reaper = ripeReaper();
    expect(await reaper.round()).toBe(false);
    expect(await reaper.round()).toBe(false);
    expect(reaper.counts).toEqual({ rounds: 2, failedRounds: 0, reaped: 3, ended: 0, lostOwners: 0, foreign: 0 });
    for (const call of calls) expect(await usageEvents(store, call.stream)).toEqual(['UsageRecorded']);
  });

  it('goes on where the last round ended, so that holds which wait for the projection keep nobody back', async () => {
    const calls = Array.from({ length: 7 }, (_, i) => exampleCall(`call ${String(i)}`));
    holds.orphans = calls.map((call) => call.orphan);
    const reaper = ripeReaper({ batch: 3 });
    expect([await reaper.round(), await reaper.round(), await reaper.round(), await reaper.round()]).toEqual([
      true,
      true,
      false,
      true,
    ]);
    expect(reaper.counts.reaped).toBe(7);
    expect(holds.finds[0]).toBe(null);
    expect(holds.finds[3]).toBe(null);
  });

  it('ends holds whose usage is counted already, and no others', async () => {
    const [counted, waiting] = [exampleCall('counted'), exampleCall('waiting')];
    await store.append(counted.whole);
    await store.append(waiting.whole);
    holds.orphans = [counted.orphan, waiting.orphan];
    holds.counted = 3n;
    const reaper = ripeReaper();
    await reaper.round();
    expect(reaper.counts).toMatchObject({ reaped: 0, ended: 1 });
    expect(holds.orphans).toEqual([waiting.orphan]);
  });

  it('judges nobody in the first lease after its start, after a failed round, or after a pause of its own', async () => {
    holds.orphans = [exampleCall('a').orphan];
    holds.lostOwners = 1;
    const reaper = makeReaper({ leaseMs: LEASE_MS, intervalMs: 5_000 });
    for (let waited = 0; waited < LEASE_MS; waited += 5_000) {
      await reaper.round();
      expect(reaper.counts).toMatchObject({ reaped: 0, lostOwners: 0 });
      runtime.pass(5_000);
    }
    holds.available = false;
    await reaper.round();
    expect(reaper.counts).toMatchObject({ reaped: 0, failedRounds: 1 });
    holds.available = true;
    runtime.pass(5_000);
    await reaper.round();
    expect(reaper.counts.reaped).toBe(0);

    runtime.pass(LEASE_MS);
    await reaper.round();
    expect(reaper.counts.reaped).toBe(0);
    for (let waited = 0; waited < LEASE_MS; waited += 5_000) {
      runtime.pass(5_000);
      await reaper.round();
    }
    expect(reaper.counts).toMatchObject({ reaped: 1 });
  });

  it('keeps off what waits in the local journal', async () => {
    const call = exampleCall('a');
    holds.orphans = [call.orphan];
    let waits = true;
    const reaper = ripeReaper({ waitsInJournal: (stream) => waits && stream === call.stream });
    await reaper.round();
    expect(reaper.counts.reaped).toBe(0);
    waits = false;
    await reaper.round();
    expect(reaper.counts.reaped).toBe(1);
  });

  it('settles the others when one hold is damaged, and says so', async () => {
    const [damaged, foreign, fine] = [exampleCall('a'), exampleCall('b'), exampleCall('c')];
    await store.append({ ...foreign.acceptance, events: fine.acceptance.events });
    holds.orphans = [
      { ...damaged.orphan, accepted: { ...damaged.orphan.accepted, data: '{' } },
      foreign.orphan,
      fine.orphan,
    ];
    const reaper = ripeReaper();
    await reaper.round();
    expect(reaper.counts).toMatchObject({ reaped: 1, foreign: 2, failedRounds: 0 });
    expect(runtime.errors).toMatchObject([
      { requestId: expect.any(String) as string },
      { requestId: expect.any(String) as string },
    ]);
    expect(await usageEvents(store, fine.stream)).toEqual(['UsageRecorded']);
  });

  it('runs on timers until it is stopped, and at once again while there is more', async () => {
    holds.orphans = Array.from({ length: 5 }, (_, i) => exampleCall(`call ${String(i)}`).orphan);
    const reaper = makeReaper({ leaseMs: 10, intervalMs: 1_000, batch: 2 });
    reaper.start();
    expect(runtime.due.map(({ at }) => at)).toEqual([1_000]);
    const rounds = async (count: number) => {
      while (reaper.counts.rounds < count || runtime.due.length === 0) await new Promise(setImmediate);
    };
    runtime.pass(1_000);
    await rounds(1);
    expect(runtime.due.map(({ at }) => at)).toEqual([1_000]);
    runtime.pass(0);
    await rounds(2);
    runtime.pass(0);
    await rounds(3);
    expect(reaper.counts.reaped).toBe(5);
    expect(runtime.due.map(({ at }) => at)).toEqual([2_000]);
    await reaper.stop();
    expect(runtime.due).toEqual([]);
  });
});

/** A store that loses the n-th append or its answer, and lets others run while an append is on its way. */
function failing(fault: 'before' | 'after', nth: number): { store: EventStore; appends: () => number } {
  let appends = 0;
  const append = (wanted: Append) => {
    appends += 1;
    if (appends === nth) store.failNext(fault);
    return store.append(wanted);
  };
  const wrapped: EventStore = {
    append,
    readStream: (stream, options) => store.readStream(stream, options),
    readAll: (options) => store.readAll(options),
    subscribe: (options) => store.subscribe(options),
    head: () => store.head(),
    close: () => store.close(),
  };
  return { store: wrapped, appends: () => appends };
}

describe('exactly once', () => {
  const crashes = (['before', 'after'] as const).flatMap((fault) => [1, 2, 3, 4].map((nth) => [fault, nth] as const));

  it.each(crashes)('whatever append is lost, %s it is applied, at the %d. try', async (fault, nth) => {
    const accepted = exampleCall('accepted');
    const calls = [exampleCall('not accepted'), accepted, exampleCall('not accepted either')];
    await store.append(accepted.acceptance);
    holds.orphans = calls.map((call) => call.orphan);
    const faulty = failing(fault, nth);
    const reaper = ripeReaper({ store: faulty.store, intervalMs: 10 * LEASE_MS });
    await reaper.round();
    runtime.pass(LEASE_MS);
    await reaper.round();
    for (const call of calls) {
      expect(await usageEvents(store, call.stream)).toEqual(['UsageRecorded']);
      const events = await store.readStream(call.stream, { direction: 'forwards', limit: 100 });
      expect(events.map((event) => event.type)).toEqual([
        'RequestAccepted',
        'HoldExpired',
        'UsageRecorded',
        'RequestAborted',
      ]);
    }
    expect(reaper.counts.failedRounds).toBe(nth <= 3 ? 1 : 0);
  });

  it('also with two reapers at once, whose clocks differ', async () => {
    const calls = Array.from({ length: 20 }, (_, i) => exampleCall(`call ${String(i)}`));
    holds.orphans = calls.map((call) => call.orphan);
    const ahead = new ManualRuntime();
    ahead.nowMs += 7;
    const [one, two] = [makeReaper({ leaseMs: 0 }), makeReaper({ leaseMs: 0, runtime: ahead })];
    await Promise.all([one.round(), two.round()]);
    expect(one.counts.reaped + two.counts.reaped).toBe(20);
    expect(one.counts.foreign + two.counts.foreign).toBe(0);
    for (const call of calls) expect(await usageEvents(store, call.stream)).toEqual(['UsageRecorded']);
  });

  it('also when the relay comes back at that very moment: its usage stands, as itself or as a correction', async () => {
    const calls = Array.from({ length: 40 }, (_, i) => exampleCall(`call ${String(i)}`));
    for (const call of calls) await store.append(call.acceptance);
    holds.orphans = calls.map((call) => call.orphan);
    const reaper = makeReaper({ leaseMs: 0 });
    const relay = async () => {
      for (const call of calls.toReversed()) await appendSettlement(store, call.settlement);
    };
    await Promise.all([reaper.round(), relay()]);
    let corrected = 0;
    for (const call of calls) {
      const events = await store.readStream(call.stream, { direction: 'forwards', limit: 100 });
      const usage = events.filter((event) => event.type.startsWith('Usage')).map((event) => decode(event));
      const last = usage.at(-1);
      if (last?.type === 'UsageCorrected') {
        corrected += 1;
        expect(usage).toMatchObject([{ policy: 'unknown_waived' }, { corrected: { amountPicos: '450000000' } }]);
      } else expect(usage).toMatchObject([{ amountPicos: '450000000' }]);
    }
    expect(corrected).toBe(reaper.counts.reaped);
    expect(corrected).toBeGreaterThan(0);
    expect(corrected).toBeLessThan(40);
  });
});
