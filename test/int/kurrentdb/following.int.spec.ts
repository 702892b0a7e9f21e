import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StoreUnavailable, type EventStore, type Page } from '../../../events/eventStore.ts';
import type { KurrentEventStoreOptions } from '../../../infra/kurrentdb/eventStore.ts';
import { event, eventually, given, labelOf, LogUnderTest, labels, positions } from '../../contract/eventStoreSteps.ts';
import { ListeningLog } from '../../support/kurrentdb/listeningLog.ts';
import { FakeKurrent } from '../../support/kurrentdb/server.ts';
import { kurrentStore } from '../../support/kurrentdb/storesUnderTest.ts';

describe('Following KurrentDB', () => {
  let fake: FakeKurrent;
  let stores: EventStore[];
  const open = async (more: Partial<KurrentEventStoreOptions> = {}, url = fake.url) => {
    const store = await kurrentStore(url, more);
    stores.push(store);
    return store;
  };
  /** Appends one event to each of many streams. */
  const fill = (store: EventStore, category: string, count: number, from = 0) =>
    Promise.all(
      Array.from({ length: count }, (_, i) =>
        given(store, `${category}-${String(from + i)}`, [`${category} ${String(from + i)}`]),
      ),
    );
  beforeEach(async () => {
    fake = await FakeKurrent.start();
    stores = [];
  });
  afterEach(async () => {
    fake.faults.resume();
    await Promise.all(stores.map((store) => store.close()));
    fake.kill();
  });

  it.each([
    { server: 'named', url: () => fake.url },
    { server: 'found by gossip', url: () => fake.discoverUrl },
  ])('gives each event once and in order, while callers append and the server, $server, restarts', async ({ url }) => {
    const store = await open({ timeoutMs: 2_000 }, url());
    const following = await (await LogUnderTest.of(store)).follow({ afterEvent: 0, limit: 100 });
    const waiting = Array.from({ length: 1_500 }, (_, i) => String(i));
    const appending = Array.from({ length: 16 }, async () => {
      for (let label = waiting.pop(); label !== undefined; label = waiting.pop()) {
        const stream = `request-${label}`;
        const append = { stream, expected: 'no_stream' as const, events: [event(label)] };
        await eventually(async () => {
          expect(['appended', 'repeated']).toContain((await store.append(append)).outcome);
        });
      }
    });
    for (const left of [1_200, 900, 600, 300]) {
      await eventually(() => {
        expect(waiting.length).toBeLessThanOrEqual(left);
      });
      await fake.restart();
    }
    await Promise.all(appending);
    const stored = fake.log.events.filter((e) => e.stream.startsWith('request-')).map((e) => e.position);
    expect(stored.length).toBe(1_500);
    await eventually(() => {
      expect(positions(following).length).toBe(1_500);
    });
    expect(positions(following)).toEqual(stored);
    await following.stop();
  });

  it('reads up 3,000 events in few pages', async () => {
    const store = await open();
    await fill(store, 'request', 3_000);
    const following = await (await LogUnderTest.of(store)).follow({ afterEvent: 0, limit: 1_000 });
    await following.stop();
    const pages: Page[] = [];
    for await (const page of store.subscribe({ after: 0n, limit: 1_000, signal: new AbortController().signal })) {
      pages.push(page);
      if (pages.flatMap(({ events }) => events).length === 3_000) break;
    }
    const stored = fake.log.events.filter((e) => e.stream.startsWith('request-')).map((e) => e.position);
    expect(pages.flatMap(({ events }) => events.map((e) => e.position))).toEqual(stored);
    expect(pages.every(({ events }) => events.length <= 1_000)).toBe(true);
    expect(pages.length).toBeLessThan(100);
  });

  it('moves past thousands of events that nobody wants, and does not look at them again', async () => {
    const store = await open();
    await given(store, 'key-1', ['first']);
    await fill(store, 'request', 2_000);
    const abort = new AbortController();
    const pages: Page[] = [];
    const options = { limit: 100, categories: ['key'], signal: abort.signal };
    const following = (async () => {
      for await (const page of store.subscribe({ after: 0n, ...options })) pages.push(page);
    })();
    const head = await store.head();
    await eventually(() => {
      expect(pages.at(-1)?.position).toBe(head);
    });
    await fake.restart();
    await eventually(() => given(store, 'key-2', ['second']));
    await eventually(() => {
      expect(pages.flatMap(({ events }) => events.map(labelOf))).toEqual(['first', 'second']);
    });
    const resumed = fake.subscribedAfter.slice(1).map(({ commit }) => commit);
    expect(resumed.length).toBeGreaterThan(0);
    expect(resumed.every((commit) => commit >= head)).toBe(true);
    abort.abort();
    await following;
  });

  it('takes up from where the server looked, also before anything was wanted', async () => {
    const store = await open();
    await fill(store, 'request', 1_700);
    // Reads are answered late, so that only the subscription tells how far the log was looked at.
    fake.faults.delayMs = 300;
    const abort = new AbortController();
    const options = { after: 0n, limit: 100, categories: ['key'], signal: abort.signal };
    const following = (async () => {
      for await (const page of store.subscribe(options)) expect(page.events).toEqual([]);
    })();
    await eventually(() => {
      expect(fake.subscribedAfter.length).toBe(1);
    });
    await fake.restart();
    await eventually(() => {
      expect(fake.subscribedAfter.length).toBeGreaterThan(1);
    });
    const taken = fake.subscribedAfter.at(-1);
    expect(taken?.commit).toBeGreaterThan(fake.log.events[500]?.position ?? 0n);
    abort.abort();
    await following;
  });

  it('reaches the head when the last events are those of the system', async () => {
    const store = await open();
    const log = await LogUnderTest.of(store);
    await given(store, 'request-1', ['a']);
    for (let i = 0; i < 700; i += 1) fake.log.writeSystemEvent('$stats-127.0.0.1:2113');
    const position = fake.log.stream('request-1')[0]?.position;
    expect(await store.head()).toBe(position);
    const [all, keys] = await Promise.all([
      log.follow({ afterEvent: 0, limit: 10 }),
      log.follow({ afterEvent: 0, limit: 10, categories: ['key'] }),
    ]);
    await eventually(() => {
      expect(all.pages.at(-1)?.position).toBeGreaterThanOrEqual(position ?? 0n);
      expect(keys.pages.at(-1)?.position).toBeGreaterThanOrEqual(position ?? 0n);
    });
    expect(labels(all)).toEqual(['a']);
    expect(labels(keys)).toEqual([]);
    expect((await store.readAll({ after: 0n, limit: 10 })).events.map(labelOf)).toEqual(['a']);
    await Promise.all([all.stop(), keys.stop()]);
  });

  it('gives what is there although the subscription is dumb, and opens it again', async () => {
    const log = new ListeningLog();
    const store = await open({ log, timeoutMs: 300 });
    fake.faults.subscriptionsAreMute = true;
    const following = await (await LogUnderTest.of(store)).follow({ afterEvent: 0, limit: 10 });
    await eventually(() => {
      expect(fake.subscribedAfter.length).toBe(1);
    });
    for (let round = 0; fake.subscribedAfter.length < 2; round += 1) {
      await given(store, `key-${String(round)}`, [`round ${String(round)}`]);
      await eventually(() => {
        expect(labels(following).at(-1)).toBe(`round ${String(round)}`);
      });
    }
    expect(log.warnings[0]).toBe('a subscription is silent and is opened again');
    fake.faults.subscriptionsAreMute = false;
    expect(new Set(labels(following)).size).toBe(labels(following).length);
    await following.stop();
  });

  it('gives once what a read brought before the subscription did', async () => {
    const store = await open();
    fake.faults.subscriptionsAreMute = true;
    const following = await (await LogUnderTest.of(store)).follow({ afterEvent: 0, limit: 1_000 });
    await fill(store, 'key', 300);
    await eventually(() => {
      expect(labels(following).length).toBe(300);
    });
    fake.faults.subscriptionsAreMute = false;
    await fill(store, 'account', 300);
    await eventually(() => {
      expect(positions(following).at(-1)).toBe(fake.log.events.at(-1)?.position);
    });
    expect(positions(following)).toEqual(
      (await store.readAll({ after: 0n, limit: 1_000 })).events.map((e) => e.position),
    );
    expect(fake.subscribedAfter.length).toBe(1);
    await following.stop();
  });

  it('sees what another process appends', async () => {
    const [here, there] = await Promise.all([open(), open()]);
    const following = await (await LogUnderTest.of(here)).follow({ afterEvent: 0, limit: 10 });
    await given(there, 'key-1', ['a']);
    await eventually(() => {
      expect(labels(following)).toEqual(['a']);
    });
    await following.stop();
  });

  it('looks at once when it is told that the log has grown', async () => {
    const here = await kurrentStore(fake.url, { pollMs: 60_000 });
    stores.push(here);
    const there = await open();
    const log = await LogUnderTest.of(here);
    const following = await log.follow({ afterEvent: 0, limit: 10, categories: ['key'] });
    await eventually(() => {
      expect(fake.subscribedAfter.length).toBe(1);
    });
    await given(there, 'request-1', ['a']);
    const position = fake.log.events.at(-1)?.position ?? 0n;
    await eventually(() => {
      here.hinted(position);
      expect(following.pages.at(-1)?.position).toBe(position);
    });
    await following.stop();
  });

  it('ends at once when it is aborted during an outage', async () => {
    const store = await open();
    const following = await (await LogUnderTest.of(store)).follow({ afterEvent: 0, limit: 10 });
    await given(store, 'key-1', ['a']);
    await eventually(() => {
      expect(labels(following)).toEqual(['a']);
    });
    fake.kill();
    await expect(store.head()).rejects.toThrow(StoreUnavailable);
    const before = performance.now();
    await following.stop();
    expect(performance.now() - before).toBeLessThan(500);
  });

  it('fails when its position is none of this log', async () => {
    const store = await open();
    await given(store, 'key-1', ['a', 'b']);
    const foreign = (fake.log.stream('key-1')[0]?.position ?? 0n) + 1n;
    const following = async () => {
      const options = { after: foreign, limit: 10, signal: new AbortController().signal };
      for await (const page of store.subscribe(options)) expect(page).toBe('nothing');
    };
    const failed = await following().catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(Error);
    expect(failed).not.toBeInstanceOf(StoreUnavailable);
    expect((failed as Error).message).toBe('subscription: KurrentDB refused for good');
  });
});
