import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { StoreUnavailable, type EventStore } from '../../events/eventStore.ts';
import { appendContract } from './eventStoreAppend.contract.ts';
import { readingContract } from './eventStoreReading.contract.ts';
import { event, eventually, id, LogUnderTest, positions } from './eventStoreSteps.ts';
import { subscriptionContract } from './eventStoreSubscription.contract.ts';

export interface StoreUnderTest {
  readonly store: EventStore;
  /** Begins every stream name of the test, where the log is not the test's alone. Small letters and digits. */
  readonly tag?: string;
  /** Breaks what the store is connected by, once; it may be mended at once. */
  interrupt(): Promise<void>;
  /** Closes the store if the test has not, and removes what it stood on. */
  dispose(): Promise<void>;
}

export interface Promises {
  /** Positions are 1, 2, 3, … in a log that was empty, and not only rise. */
  readonly contiguous: boolean;
}

/** What every event store promises, on an empty one made for each test, or at the end of one that others used before. */
export function eventStoreContract(
  name: string,
  makeStore: () => Promise<StoreUnderTest>,
  promises: Promises = { contiguous: false },
): void {
  describe(`event store contract: ${name}`, () => {
    let subject: StoreUnderTest;
    let store: EventStore;
    let log: LogUnderTest;
    beforeEach(async () => {
      subject = await makeStore();
      store = subject.store;
      log = await LogUnderTest.of(store, subject.tag);
    });
    afterEach(() => subject.dispose());

    appendContract(() => log);
    readingContract(() => log);
    subscriptionContract(
      () => log,
      () => subject.interrupt(),
    );
    if (promises.contiguous) contiguousContract(() => log);

    it('says whether it counts its events', () => {
      expect(store.isContiguous === true).toBe(promises.contiguous);
    });

    it('shows a reader every position in order while 16 callers append', async () => {
      const following = await log.follow({ afterEvent: 0, limit: 50 });
      const polled: bigint[] = [];
      const appending = new AbortController();
      const polling = (async () => {
        for (let after = log.start; !appending.signal.aborted || after < (await store.head());) {
          const page = await store.readAll({ after, limit: 50 });
          polled.push(...page.events.map((e) => e.position));
          after = page.position;
        }
      })();
      const results = await Promise.all(
        Array.from({ length: 16 }, async (_, caller) => {
          const placed: { position: bigint; eventId: string }[] = [];
          for (let round = 0; round < 25; round += 1) {
            const label = `${String(caller)} ${String(round)}`;
            const stream = log.name(`request-${label}`);
            const result = await store.append({ stream, expected: 'no_stream', events: [event(label)] });
            if (result.outcome === 'appended') placed.push({ position: result.position, eventId: id(label) });
          }
          return placed;
        }),
      );
      appending.abort();
      await polling;
      const everyEvent = await log.whole();
      const everyPosition = everyEvent.map((e) => e.position);
      expect(everyPosition.length).toBe(400);
      expect(polled).toEqual(everyPosition);
      await eventually(() => {
        expect(positions(following)).toEqual(everyPosition);
      });
      await following.stop();
      const told = new Map(results.flat().map(({ position, eventId }) => [position, eventId]));
      expect(everyEvent.map((e) => told.get(e.position))).toEqual(everyEvent.map((e) => e.eventId));
    });

    it('is unavailable once it is closed', async () => {
      await store.close();
      await expect(log.given('key-1', ['a'])).rejects.toThrow(StoreUnavailable);
      await expect(store.readAll({ after: 0n, limit: 1 })).rejects.toThrow(StoreUnavailable);
      const reading = store.readStream(log.name('key-1'), { direction: 'forwards', limit: 1 });
      await expect(reading).rejects.toThrow(StoreUnavailable);
      await expect(store.head()).rejects.toThrow(StoreUnavailable);
    });
  });
}

/** What a store promises beyond that positions rise. */
function contiguousContract(made: () => LogUnderTest): void {
  describe('positions without gaps', () => {
    let log: LogUnderTest;
    let store: EventStore;
    beforeEach(() => {
      log = made();
      store = log.store;
    });

    it('begin at 1 in an empty log, whose head is 0', async () => {
      expect(await store.head()).toBe(0n);
      expect(await store.readAll({ after: 0n, limit: 10 })).toEqual({ events: [], position: 0n });
      const events = [event('a'), event('b')];
      expect(await store.append({ stream: log.name('request-1'), expected: 'no_stream', events })).toEqual({
        outcome: 'appended',
        revision: 1n,
        position: 2n,
      });
      expect((await log.whole()).map((e) => e.position)).toEqual([1n, 2n]);
    });

    it('are not used up by refused, repeated and unstorable appends', async () => {
      const append = { stream: log.name('key-1'), expected: 'no_stream' as const, events: [event('a')] };
      await store.append(append);
      await store.append(append);
      await store.append({ ...append, events: [event('other')] });
      await store.append({ ...append, events: [event('a', { data: '{}' })] });
      await expect(store.append({ ...append, events: [] })).rejects.toThrow(TypeError);
      expect(await store.append({ ...append, expected: 0n, events: [event('b')] })).toEqual({
        outcome: 'appended',
        revision: 1n,
        position: 2n,
      });
      expect(await store.head()).toBe(2n);
    });

    it('are given in the order of simultaneous appends', async () => {
      const appends = Array.from({ length: 50 }, (_, i) =>
        store.append({ stream: log.name(`key-${String(i)}`), expected: 'no_stream', events: [event(String(i))] }),
      );
      const everyPosition = Array.from({ length: 50 }, (_, i) => BigInt(i + 1));
      expect((await Promise.all(appends)).map((result) => 'position' in result && result.position)).toEqual(
        everyPosition,
      );
      expect((await log.whole()).map((e) => e.position)).toEqual(everyPosition);
    });
  });
}
