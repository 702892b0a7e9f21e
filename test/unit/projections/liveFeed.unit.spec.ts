import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { EventStore, Page } from '../../../events/eventStore.ts';
import { MemoryEventStore } from '../../../infra/memory/eventStore.ts';
import { LiveFeed } from '../../../projections/liveFeed.ts';
import { appendAll, requestIdOf, usageRecorded } from '../../support/events.ts';
import { silentLog } from '../../support/log.ts';
import { ManualTimers } from './manualTimers.ts';

/** Tells how far subscriptions have read. */
class WatchedStore extends MemoryEventStore {
  reached = 0n;
  subscriptions = 0;
  failNextSubscription = false;

  override async *subscribe(options: Parameters<EventStore['subscribe']>[0]): AsyncGenerator<Page, void, undefined> {
    this.subscriptions += 1;
    if (this.failNextSubscription) {
      this.failNextSubscription = false;
      throw new Error('as told by the test');
    }
    for await (const page of super.subscribe(options)) {
      this.reached = page.position;
      yield page;
    }
  }
}

let store: WatchedStore;
let timers: ManualTimers;
let stopping: AbortController;
let running: Promise<void>;

beforeEach(() => {
  store = new WatchedStore();
  timers = new ManualTimers();
  stopping = new AbortController();
});
afterEach(async () => {
  stopping.abort();
  await running;
});

/** A feed with pages of two events. */
function startFeed(after = 0n): LiveFeed {
  const types = new Set(['UsageRecorded']);
  const feed = new LiveFeed({ store, timers, log: silentLog, after, pageSize: 2, types, signal: stopping.signal });
  running = feed.run();
  return feed;
}

const IDLE_MS = 5_000;

/** Whatever waits for another time than this happens now. */
function fireAllBut(delayMs: number): void {
  for (const delay of new Set(timers.delays)) if (delay !== delayMs) timers.fire(delay);
}

const append = (count: number) =>
  appendAll(
    store,
    Array.from({ length: count }, (_, n) =>
      usageRecorded({ requestId: requestIdOf(`${String(n)} of ${String(count)}`) }),
    ),
  );

const places = (page: { after: bigint; position: bigint } | null) => page && [page.after, page.position];

describe('the live feed', () => {
  it('hands the same events to all readers', async () => {
    await append(2);
    const feed = startFeed();
    const [one, two] = await Promise.all([feed.next('one', 0n, IDLE_MS), feed.next('two', 0n, IDLE_MS)]);
    expect(places(one)).toEqual([0n, 2n]);
    expect(one?.events[0]).toBe(two?.events[0]);
    expect(one?.events.map(({ event }) => event?.type)).toEqual(['UsageRecorded', 'UsageRecorded']);
  });

  it('tells a reader that there was nothing for so long', async () => {
    const feed = startFeed();
    const waiting = feed.next('one', 0n, IDLE_MS);
    timers.fire(IDLE_MS);
    expect(await waiting).toBeNull();
    await append(1);
    expect(places(await feed.next('one', 0n, IDLE_MS))).toEqual([0n, 1n]);
  });

  it('lets readers wait at the end for what is appended later', async () => {
    const feed = startFeed();
    const waiting = feed.next('one', 0n, IDLE_MS);
    await append(1);
    expect(places(await waiting)).toEqual([0n, 1n]);
  });

  it('gives a reader in the middle of a page the rest of it', async () => {
    await append(2);
    const feed = startFeed();
    expect(places(await feed.next('one', 1n, IDLE_MS))).toEqual([1n, 2n]);
  });

  it('lets a reader wait that is further than the feed', async () => {
    await append(2);
    const feed = startFeed();
    const waiting = feed.next('far', 3n, IDLE_MS);
    await feed.next('near', 0n, IDLE_MS);
    await append(4);
    await feed.next('near', 2n, IDLE_MS);
    expect(places(await waiting)).toEqual([3n, 4n]);
  });

  it('reads one page ahead of the fastest reader and no further', async () => {
    await append(20);
    const feed = startFeed();
    await vi.waitFor(() => expect(store.reached).toBe(2n));
    await feed.next('one', 0n, IDLE_MS);
    await vi.waitFor(() => expect(feed.end).toBe(4n));
    await new Promise(setImmediate);
    expect(store.reached).toBe(4n);
  });

  it('waits for a slow reader, so that it needs no page twice', async () => {
    await append(20);
    const feed = startFeed();
    await feed.next('slow', 0n, IDLE_MS);
    for (let position = 0n; position < 6n; position += 2n) await feed.next('fast', position, IDLE_MS);
    const blocked = feed.next('fast', 8n, IDLE_MS);
    await vi.waitFor(() => expect(timers.waiting).toBe(1));
    expect(feed.begin).toBe(0n);
    await feed.next('slow', 2n, IDLE_MS);
    expect(places(await blocked)).toEqual([8n, 10n]);
    expect(feed.begin).toBe(2n);
    expect(timers.waiting).toBe(0);
  });

  it('leaves a reader behind that is stuck', async () => {
    await append(20);
    const feed = startFeed();
    await feed.next('stuck', 0n, IDLE_MS);
    for (let position = 0n; position < 6n; position += 2n) await feed.next('fast', position, IDLE_MS);
    const blocked = feed.next('fast', 8n, IDLE_MS);
    await vi.waitFor(() => expect(timers.waiting).toBe(2));
    fireAllBut(IDLE_MS);
    expect(places(await blocked)).toEqual([8n, 10n]);
    expect(feed.begin).toBe(2n);
    expect(places(await feed.next('fast', 10n, IDLE_MS))).toEqual([10n, 12n]);
  });

  it('does not wait for a reader that has left', async () => {
    await append(20);
    const feed = startFeed();
    await feed.next('leaving', 0n, IDLE_MS);
    feed.leave('leaving');
    for (let position = 0n; position < 20n; position += 2n) await feed.next('fast', position, IDLE_MS);
    expect(feed.end).toBe(20n);
  });

  it('subscribes again after a failure, where it was', async () => {
    store.failNextSubscription = true;
    await append(1);
    const feed = startFeed();
    const waiting = feed.next('one', 0n, IDLE_MS);
    await vi.waitFor(() => expect(timers.waiting).toBe(2));
    fireAllBut(IDLE_MS);
    expect(places(await waiting)).toEqual([0n, 1n]);
    expect(store.subscriptions).toBe(2);
  });

  it('sends waiting readers away when it is stopped', async () => {
    const feed = startFeed();
    const waiting = feed.next('one', 0n, IDLE_MS);
    stopping.abort();
    expect(await waiting).toBeNull();
    expect(await feed.next('two', 0n, IDLE_MS)).toBeNull();
  });
});
