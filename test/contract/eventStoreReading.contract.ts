import { beforeEach, describe, expect, it } from 'vitest';
import type { EventStore } from '../../events/eventStore.ts';
import { event, given } from './eventStoreSteps.ts';

/** What reading any event store promises, on the one made for each test. */
export function readingContract(made: () => EventStore): void {
  describe('reading', () => {
    let store: EventStore;
    beforeEach(() => {
      store = made();
    });

    it('reads a stream forwards and backwards, from a revision and up to a limit', async () => {
      await given(store, 'key-1', ['a', 'b', 'c', 'd', 'e']);
      await given(store, 'key-2', ['other']);
      const read = async (options: Parameters<EventStore['readStream']>[1]) =>
        (await store.readStream('key-1', options)).map((e) => e.revision);
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
      await given(store, 'key-0', ['x']);
      const stored = event('a', { type: 'ApiKeyIssued', version: 3, data: '{"a":[1, 2]}' });
      await store.append({ stream: 'key-1', expected: 'no_stream', events: [stored] });
      const recorded = { ...stored, stream: 'key-1', revision: 0n, position: 2n };
      expect(await store.readStream('key-1', { direction: 'forwards', limit: 1 })).toEqual([recorded]);
      expect(await store.readStream('key-1', { direction: 'backwards', limit: 1 })).toEqual([recorded]);
    });

    it('finds nothing in a stream that does not exist', async () => {
      await given(store, 'key-1', ['a']);
      expect(await store.readStream('key-2', { direction: 'forwards', limit: 10 })).toEqual([]);
      expect(await store.readStream('key-', { direction: 'backwards', limit: 10 })).toEqual([]);
      expect(await store.readStream('key-%', { direction: 'backwards', limit: 10 })).toEqual([]);
    });

    it('reads the log after a position, and says up to where it considered', async () => {
      expect(await store.readAll({ after: 0n, limit: 10 })).toEqual({ events: [], position: 0n });
      expect(await store.head()).toBe(0n);
      await given(store, 'request-1', ['a', 'b']);
      await given(store, 'key-1', ['c']);
      const read = async (after: bigint, limit: number) => {
        const { events, position } = await store.readAll({ after, limit });
        return { positions: events.map((e) => e.position), position };
      };
      expect(await read(0n, 10)).toEqual({ positions: [1n, 2n, 3n], position: 3n });
      expect(await read(0n, 2)).toEqual({ positions: [1n, 2n], position: 2n });
      expect(await read(2n, 2)).toEqual({ positions: [3n], position: 3n });
      expect(await read(3n, 2)).toEqual({ positions: [], position: 3n });
      expect(await read(8n, 2)).toEqual({ positions: [], position: 8n });
      expect(await store.head()).toBe(3n);
    });

    it('reads only the wanted categories, and considers the rest as read', async () => {
      await given(store, 'request-1', ['a', 'b']);
      await given(store, 'key-1', ['c']);
      await given(store, 'keyring-1', ['d']);
      await given(store, 'account-1-2', ['e']);
      await given(store, 'key', ['f']);
      await given(store, 'request-2', ['g']);
      const read = async (after: bigint, limit: number, categories: string[]) => {
        const { events, position } = await store.readAll({ after, limit, categories });
        return { streams: events.map((e) => e.stream), position };
      };
      expect(await read(0n, 10, ['key'])).toEqual({ streams: ['key-1', 'key'], position: 7n });
      expect(await read(0n, 1, ['key'])).toEqual({ streams: ['key-1'], position: 3n });
      expect(await read(3n, 1, ['key'])).toEqual({ streams: ['key'], position: 6n });
      expect(await read(6n, 1, ['key'])).toEqual({ streams: [], position: 7n });
      expect(await read(0n, 3, ['account', 'request'])).toEqual({
        streams: ['request-1', 'request-1', 'account-1-2'],
        position: 5n,
      });
      expect(await read(0n, 10, ['nothing'])).toEqual({ streams: [], position: 7n });
      expect(await read(9n, 10, ['key'])).toEqual({ streams: [], position: 9n });
      expect((await store.readAll({ after: 2n, limit: 1, categories: ['key'] })).events).toEqual([
        { ...event('c'), stream: 'key-1', revision: 0n, position: 3n },
      ]);
    });
  });
}
