import { beforeEach, describe, expect, it } from 'vitest';
import type { EventStore, Page } from '../../events/eventStore.ts';
import { event, eventually, labels, positions, type LogUnderTest } from './eventStoreSteps.ts';

/** What subscriptions to any event store promise, on the one made for each test. */
export function subscriptionContract(made: () => LogUnderTest, interrupt: () => Promise<void>): void {
  describe('subscription', () => {
    let log: LogUnderTest;
    let store: EventStore;
    beforeEach(() => {
      log = made();
      store = log.store;
    });

    it('gives what is there after a position, then what is appended, in pages up to the limit', async () => {
      await log.given('key-1', ['a', 'b', 'c', 'd']);
      const [two, three, four] = await log.places([2, 3, 4]);
      const following = await log.follow({ afterEvent: 1, limit: 2 });
      await eventually(() => {
        expect(positions(following)).toEqual([two, three, four]);
      });
      await log.given('key-2', ['e']);
      const five = await log.place(5);
      await eventually(() => {
        expect(positions(following)).toEqual([two, three, four, five]);
      });
      expect(following.pages.every((page) => page.events.length <= 2)).toBe(true);
      expect(following.pages.flatMap((page) => page.events).slice(0, 2)).toEqual([
        { ...event('b'), stream: log.name('key-1'), revision: 1n, position: two },
        { ...event('c'), stream: log.name('key-1'), revision: 2n, position: three },
      ]);
      await following.stop();
    });

    it('says with each page up to where it is complete', async () => {
      await log.given('key-1', ['a', 'b', 'c', 'd', 'e']);
      const following = await log.follow({ afterEvent: 0, limit: 2 });
      await eventually(() => {
        expect(labels(following)).toEqual(['a', 'b', 'c', 'd', 'e']);
      });
      let complete = log.start;
      for (const { events, position } of following.pages) {
        expect(events.every((e) => e.position > complete && e.position <= position)).toBe(true);
        expect(position).toBeGreaterThan(complete);
        complete = position;
      }
      expect(complete).toBeGreaterThanOrEqual(await log.place(5));
      await following.stop();
    });

    it('gives only the wanted categories and moves past the rest', async () => {
      const categories = ['key', 'account'].map((name) => log.name(name));
      const following = await log.follow({ afterEvent: 0, limit: 10, categories });
      await log.given('request-1', ['a']);
      await log.given('key-1', ['b']);
      await log.given('request-2', ['c']);
      await log.given('account-1', ['d']);
      await log.given('request-3', ['e']);
      const [two, four, five] = await log.places([2, 4, 5]);
      await eventually(() => {
        expect(following.pages.at(-1)?.position).toBe(five);
      });
      expect(positions(following)).toEqual([two, four]);
      await following.stop();
    });

    it('reaches the head also when nothing in the log is wanted', async () => {
      await log.given('request-1', ['a', 'b', 'c']);
      const following = await log.follow({ afterEvent: 0, limit: 10, categories: [log.name('key')] });
      const head = await store.head();
      await eventually(() => {
        expect(following.pages.at(-1)?.position).toBe(head);
      });
      await log.given('request-2', ['d']);
      await eventually(async () => {
        expect(following.pages.at(-1)?.position).toBe(await log.place(4));
      });
      expect(labels(following)).toEqual([]);
      await following.stop();
    });

    it('waits at the end, and ends as soon as it is aborted', async () => {
      await log.given('key-1', ['a']);
      const following = await log.follow({ afterEvent: 1, limit: 10 });
      await store.head();
      const before = performance.now();
      await following.stop();
      expect(performance.now() - before).toBeLessThan(200);
      expect(following.pages).toEqual([]);
    });

    it('gives nothing when it was aborted before it began', async () => {
      await log.given('key-1', ['a']);
      const pages: Page[] = [];
      for await (const page of store.subscribe({ after: log.start, limit: 1, signal: AbortSignal.abort() })) {
        pages.push(page);
      }
      expect(pages).toEqual([]);
    });

    it('goes on where it was after an interruption, without a gap and without a repetition', async () => {
      await log.given('key-1', ['first']);
      const following = await log.follow({ afterEvent: 0, limit: 10 });
      await eventually(() => {
        expect(labels(following)).toEqual(['first']);
      });
      for (const round of [2, 3, 4]) {
        await interrupt();
        await eventually(() => log.given(`key-${String(round)}`, [`round ${String(round)}`]));
      }
      await eventually(() => {
        expect(labels(following)).toEqual(['first', 'round 2', 'round 3', 'round 4']);
      });
      expect(positions(following)).toEqual(await eventually(() => log.places([1, 2, 3, 4])));
      await following.stop();
    });

    it('ends when the store is closed', async () => {
      await log.given('key-1', ['a']);
      const following = await log.follow({ afterEvent: 0, limit: 10 });
      await eventually(() => {
        expect(labels(following)).toEqual(['a']);
      });
      await store.close();
      await following.ended;
    });
  });
}
