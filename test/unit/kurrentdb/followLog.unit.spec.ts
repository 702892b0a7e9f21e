import { describe, expect, it } from 'vitest';
import { StoreUnavailable, type Page } from '../../../events/eventStore.ts';
import { followLog, type FollowParts } from '../../../infra/kurrentdb/followLog.ts';
import type { Subscription } from '../../../infra/kurrentdb/kurrentClient.ts';
import { toRecorded, toStored, type KurrentRecord, type LogPlace } from '../../../infra/kurrentdb/storedForm.ts';
import { HeadWatcher } from '../../../infra/headWatcher.ts';
import { event, labelOf } from '../../contract/eventStoreSteps.ts';
import { silentLog } from '../../support/log.ts';

/** The event that stands at a position. */
function recordAt(position: bigint): KurrentRecord {
  const { type, data, metadata } = toStored(event(String(position)));
  const place = { commit: position, prepare: position };
  return { stream: `key-${String(position)}`, revision: 0n, type, bytes: data, metadata, position: place };
}

/** A subscription that brings what it is told, when it is told. */
class ScriptedSubscription implements Subscription {
  readonly after: LogPlace | 'start';
  readonly #onChange: () => void;
  readonly #waiting: KurrentRecord[] = [];
  readonly confirmed = true;
  failure: Error | null = null;
  lastHeard = performance.now();
  checkpoint: LogPlace | null = null;
  stopped = false;

  constructor(after: LogPlace | 'start', onChange: () => void) {
    this.after = after;
    this.#onChange = onChange;
  }

  next(): KurrentRecord | null {
    return this.#waiting.shift() ?? null;
  }

  stop(): void {
    this.stopped = true;
  }

  bring(...positions: readonly bigint[]): void {
    this.#waiting.push(...positions.map(recordAt));
    this.#onChange();
  }

  reach(commit: bigint, prepare: bigint): void {
    this.checkpoint = { commit, prepare };
    this.#onChange();
  }

  fail(error: Error): void {
    this.failure = error;
    this.#onChange();
  }
}

/** Follows a log whose subscriptions and reads the test scripts, from position 10 on. */
function stage(reads: readonly (Page | Error)[] = []) {
  const subscriptions: ScriptedSubscription[] = [];
  const left = [...reads];
  const head = new HeadWatcher({ read: () => Promise.resolve(0n), pollMs: 1_000, log: silentLog });
  const parts: FollowParts = {
    open(after, onChange) {
      const subscription = new ScriptedSubscription(after, onChange);
      subscriptions.push(subscription);
      return subscription;
    },
    wanted: toRecorded,
    readAll({ after }) {
      const next = left.shift();
      if (next instanceof Error) return Promise.reject(next);
      return Promise.resolve(next ?? { events: [], position: after });
    },
    head,
    pageMs: 0,
    silenceMs: 60_000,
    log: silentLog,
  };
  const abort = new AbortController();
  const pages = followLog(parts, { after: 10n, limit: 3, signal: abort.signal });
  const next = async () => {
    const { value } = await pages.next();
    return value ? { labels: value.events.map(labelOf), position: value.position } : null;
  };
  const subscription = (n: number) => {
    const found = subscriptions[n - 1];
    if (!found) throw new Error(`there is no subscription ${String(n)}`);
    return found;
  };
  return { next, subscription, subscriptions, head, abort };
}

const pageOf = (position: bigint, ...positions: readonly bigint[]): Page => ({
  events: positions.flatMap((each) => toRecorded(recordAt(each)) ?? []),
  position,
});

describe('Following the log of KurrentDB', () => {
  it('puts what has arrived into pages up to the limit', async () => {
    const { next, subscription } = stage();
    const first = next();
    subscription(1).bring(20n, 25n, 31n, 40n);
    expect(await first).toEqual({ labels: ['20', '25', '31'], position: 31n });
    expect(await next()).toEqual({ labels: ['40'], position: 40n });
  });

  it('gives once what a read and the subscription both brought', async () => {
    const { next, subscription, head } = stage([pageOf(30n, 20n, 30n)]);
    const first = next();
    head.advanced(30n);
    expect(await first).toEqual({ labels: ['20', '30'], position: 30n });
    const second = next();
    subscription(1).bring(20n, 30n, 40n);
    expect(await second).toEqual({ labels: ['40'], position: 40n });
  });

  it('moves to what a read considered when the subscription has nothing to say', async () => {
    const { next, head } = stage([new StoreUnavailable('busy'), pageOf(30n)]);
    const first = next();
    head.advanced(30n);
    expect(await first).toEqual({ labels: [], position: 30n });
  });

  it('takes a checkpoint at an event for considered, once what came before it is taken', async () => {
    const { next, subscription } = stage();
    const first = next();
    subscription(1).bring(20n);
    subscription(1).reach(50n, 50n);
    expect(await first).toEqual({ labels: ['20'], position: 50n });
  });

  it('subscribes again from a checkpoint between events, but does not give it as a position', async () => {
    const { next, subscription, subscriptions } = stage();
    const first = next();
    subscription(1).bring(20n);
    subscription(1).reach(50n, 0n);
    expect(await first).toEqual({ labels: ['20'], position: 20n });
    const second = next();
    subscription(1).fail(new Error('lost'));
    await expect.poll(() => subscriptions.length).toBe(2);
    expect(subscription(1).stopped).toBe(true);
    expect(subscription(2).after).toEqual({ commit: 50n, prepare: 0n });
    subscription(2).bring(50n);
    expect(await second).toEqual({ labels: ['50'], position: 50n });
  });

  it('gives what arrived before the subscription was lost, and goes on behind it', async () => {
    const { next, subscription, subscriptions } = stage();
    const first = next();
    subscription(1).bring(20n, 30n);
    subscription(1).fail(new Error('lost'));
    expect(await first).toEqual({ labels: ['20', '30'], position: 30n });
    const second = next();
    await expect.poll(() => subscriptions.length).toBe(2);
    expect(subscription(2).after).toEqual({ commit: 30n, prepare: 30n });
    subscription(2).bring(40n);
    expect(await second).toEqual({ labels: ['40'], position: 40n });
  });

  it('fails with what will not pass', async () => {
    const { next, subscription } = stage();
    const first = next();
    subscription(1).fail(Object.assign(new Error('invalid position'), { code: 3 }));
    await expect(first).rejects.toThrow('subscription: KurrentDB refused for good');
    expect(subscription(1).stopped).toBe(true);
  });

  it('lets go of the subscription when it is aborted', async () => {
    const { next, subscription, abort } = stage();
    const first = next();
    abort.abort();
    expect(await first).toBeNull();
    expect(subscription(1).stopped).toBe(true);
  });
});
