import { beforeEach, describe, expect, it } from 'vitest';
import type { EventStore } from '../../events/eventStore.ts';
import { event, FAR, type LogUnderTest } from './eventStoreSteps.ts';

/** What reading any event store promises, on the one made for each test. */
export function readingContract(made: () => LogUnderTest): void {
  describe('reading', () => {
    let log: LogUnderTest;
    let store: EventStore;
    beforeEach(() => {
      log = made();
      store = log.store;
    });

    it('reads a stream forwards and backwards, from a revision and up to a limit', async () => {
      await log.given('key-1', ['a', 'b', 'c', 'd', 'e']);
      await log.given('key-2', ['other']);
      const read = async (options: Parameters<EventStore['readStream']>[1]) =>
        (await store.readStream(log.name('key-1'), options)).map((e) => e.revision);
      expect(await read({ direction: 'forwards', limit: 10 })).toEqual([0n, 1n, 2n, 3n, 4n]);
      expect(await read({ direction: 'forwards', limit: 2 })).toEqual([0n, 1n]);
      expect(await read({ direction: 'forwards', from: 3n, limit: 10 })).toEqual([3n, 4n]);
      expect(await read({ direction: 'forwards', from: 1n, limit: 2 })).toEqual([1n, 2n]);
      expect(await read({ direction: 'forwards', from: 5n, limit: 2 })).toEqual([]);
      expect(await read({ direction: 'backwards', limit: 10 })).toEqual([4n, 3n, 2n, 1n, 0n]);
      expect(await read({ direction: 'backwards', limit: 1 })).toEqual([4n]);
      expect(await read({ direction: 'backwards', from: 2n, limit: 2 })).toEqual([2n, 1n]);
      expect(await read({ direction: 'backwards', from: 0n, limit: 5 })).toEqual([0n]);
      expect(await read({ direction: 'backwards', from: 9n, limit: 1 })).toEqual([4n]);
    });

    it('gives every field of an event of a stream', async () => {
      await log.given('key-0', ['x']);
      const stored = event('a', { type: 'ApiKeyIssued', version: 3, data: '{"a":[1, 2]}' });
      const stream = log.name('key-1');
      const result = await store.append({ stream, expected: 'no_stream', events: [stored] });
      const position = await log.place(2);
      expect(result).toEqual({ outcome: 'appended', revision: 0n, position });
      const recorded = { ...stored, stream, revision: 0n, position };
      expect(await store.readStream(stream, { direction: 'forwards', limit: 1 })).toEqual([recorded]);
      expect(await store.readStream(stream, { direction: 'backwards', limit: 1 })).toEqual([recorded]);
      expect((await log.whole())[1]).toEqual(recorded);
    });

    it('finds nothing in a stream that does not exist', async () => {
      await log.given('key-1', ['a']);
      expect(await store.readStream(log.name('key-2'), { direction: 'forwards', limit: 10 })).toEqual([]);
      expect(await store.readStream(log.name('key-'), { direction: 'backwards', limit: 10 })).toEqual([]);
      expect(await store.readStream(log.name('key-%'), { direction: 'backwards', limit: 10 })).toEqual([]);
    });

    it('reads the log after a position, and says up to where it considered', async () => {
      const start = log.start;
      expect(await store.readAll({ after: start, limit: 10 })).toEqual({ events: [], position: start });
      expect(await store.head()).toBe(start);
      await log.given('request-1', ['a', 'b']);
      await log.given('key-1', ['c']);
      const [first, second, third] = await log.places([1, 2, 3]);
      const read = async (after: bigint, limit: number) => {
        const { events, position } = await store.readAll({ after, limit });
        return { positions: events.map((e) => e.position), position };
      };
      expect(await read(start, 10)).toEqual({ positions: [first, second, third], position: third });
      expect(await read(start, 2)).toEqual({ positions: [first, second], position: second });
      expect(await read(second, 2)).toEqual({ positions: [third], position: third });
      expect(await read(third, 2)).toEqual({ positions: [], position: third });
      expect(await read(third + FAR, 2)).toEqual({ positions: [], position: third + FAR });
      expect(await store.head()).toBe(third);
    });

    it('learns nothing from what a reader asks for', async () => {
      await log.given('key-1', ['a']);
      const far = (await store.head()) + FAR;
      expect(await store.readAll({ after: far, limit: 1 })).toEqual({ events: [], position: far });
      expect(await store.readAll({ after: far, limit: 1, categories: [log.name('key')] })).toEqual({
        events: [],
        position: far,
      });
      const append = { stream: log.name('key-2'), expected: 'no_stream' as const, events: [event('b')] };
      const result = await store.append(append);
      expect(result).toEqual({ outcome: 'appended', revision: 0n, position: await log.place(2) });
      expect(await store.append(append)).toEqual({ ...result, outcome: 'repeated' });
    });

    it('reads only the wanted categories, and considers the rest as read', async () => {
      await log.given('request-1', ['a', 'b']);
      await log.given('key-1', ['c']);
      await log.given('keyring-1', ['d']);
      await log.given('account-1-2', ['e']);
      await log.given('key', ['f']);
      await log.given('request-2', ['g']);
      const [two, three, five, six, seven] = await log.places([2, 3, 5, 6, 7]);
      const read = async (after: bigint, limit: number, categories: string[]) => {
        const { events, position } = await store.readAll({ after, limit, categories: categories.map(inTest) });
        return { streams: events.map((e) => e.stream), position };
      };
      const inTest = (name: string) => log.name(name);
      const inKey = ['key-1', 'key'].map(inTest);
      expect(await read(log.start, 10, ['key'])).toEqual({ streams: inKey, position: seven });
      expect(await read(log.start, 1, ['key'])).toEqual({ streams: inKey.slice(0, 1), position: three });
      expect(await read(three, 1, ['key'])).toEqual({ streams: inKey.slice(1), position: six });
      expect(await read(six, 1, ['key'])).toEqual({ streams: [], position: seven });
      expect(await read(log.start, 3, ['account', 'request'])).toEqual({
        streams: ['request-1', 'request-1', 'account-1-2'].map(inTest),
        position: five,
      });
      expect(await read(log.start, 10, ['nothing'])).toEqual({ streams: [], position: seven });
      expect(await read(seven + FAR, 10, ['key'])).toEqual({ streams: [], position: seven + FAR });
      const { events } = await store.readAll({ after: two, limit: 1, categories: [inTest('key')] });
      expect(events).toEqual([{ ...event('c'), stream: inTest('key-1'), revision: 0n, position: three }]);
    });
  });
}
