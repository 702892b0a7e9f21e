import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { StoreUnavailable, type EventStore, type Page } from '../../events/eventStore.ts';
import { readingContract } from './eventStoreReading.contract.ts';
import { event, follow, given, id, positions, wholeLog } from './eventStoreSteps.ts';

export interface StoreUnderTest {
  readonly store: EventStore;
  /** Breaks what the store is connected by, once; it may be mended at once. */
  interrupt(): Promise<void>;
  /** Closes the store if the test has not, and removes what it stood on. */
  dispose(): Promise<void>;
}

/** What every event store promises, on an empty one made for each test. */
export function eventStoreContract(name: string, makeStore: () => Promise<StoreUnderTest>): void {
  describe(`event store contract: ${name}`, () => {
    let subject: StoreUnderTest;
    let store: EventStore;
    beforeEach(async () => {
      subject = await makeStore();
      store = subject.store;
    });
    afterEach(() => subject.dispose());

    describe('append', () => {
      it('writes the first events of a stream and tells where the last one stands', async () => {
        const events = [event('a', { version: 2 }), event('b', { type: 'UsageRecorded' })];
        expect(await store.append({ stream: 'request-1', expected: 'no_stream', events })).toEqual({
          outcome: 'appended',
          revision: 1n,
          position: 2n,
        });
        expect(await wholeLog(store)).toEqual([
          { ...events[0], stream: 'request-1', revision: 0n, position: 1n },
          { ...events[1], stream: 'request-1', revision: 1n, position: 2n },
        ]);
      });

      it('writes after the exact revision', async () => {
        await given(store, 'request-1', ['a']);
        await given(store, 'request-2', ['b']);
        expect(await store.append({ stream: 'request-1', expected: 0n, events: [event('c')] })).toEqual({
          outcome: 'appended',
          revision: 1n,
          position: 3n,
        });
        expect(await store.append({ stream: 'request-1', expected: 1n, events: [event('d'), event('e')] })).toEqual({
          outcome: 'appended',
          revision: 3n,
          position: 5n,
        });
        expect((await wholeLog(store)).map((e) => [e.stream, e.revision, e.position, e.eventId])).toEqual([
          ['request-1', 0n, 1n, id('a')],
          ['request-2', 0n, 2n, id('b')],
          ['request-1', 1n, 3n, id('c')],
          ['request-1', 2n, 4n, id('d')],
          ['request-1', 3n, 5n, id('e')],
        ]);
      });

      it.each([
        { claim: 'no stream where there is one', stream: 'key-1', expected: 'no_stream' as const, actual: 1n },
        { claim: 'an older revision', stream: 'key-1', expected: 0n, actual: 1n },
        { claim: 'a later revision', stream: 'key-1', expected: 2n, actual: 1n },
        { claim: 'a revision where there is no stream', stream: 'key-2', expected: 0n, actual: 'no_stream' as const },
      ])('refuses a claim of $claim and writes nothing', async ({ stream, expected, actual }) => {
        await given(store, 'key-1', ['a', 'b']);
        expect(await store.append({ stream, expected, events: [event('new')] })).toEqual({
          outcome: 'conflict',
          actual,
        });
        expect((await wholeLog(store)).map((e) => e.eventId)).toEqual([id('a'), id('b')]);
        expect(await store.head()).toBe(2n);
      });

      it('recognises a repeated append, with the places of the first try', async () => {
        await given(store, 'request-0', ['x']);
        const first = { stream: 'request-1', expected: 'no_stream' as const, events: [event('a'), event('b')] };
        await store.append(first);
        const repeated = { outcome: 'repeated', revision: 1n, position: 3n };
        expect(await store.append(first)).toEqual(repeated);
        const second = { stream: 'request-1', expected: 1n, events: [event('c')] };
        await store.append(second);
        expect(await store.append(first)).toEqual(repeated);
        expect(await store.append(second)).toEqual({ outcome: 'repeated', revision: 2n, position: 4n });
        expect(await store.head()).toBe(4n);
      });

      it.each([
        { part: 'data', changed: { data: '{"other":true}' } },
        { part: 'type', changed: { type: 'UsageCorrected' } },
        { part: 'version', changed: { version: 7 } },
      ])('raises the alarm when the same ids come with another $part', async ({ changed }) => {
        const [a, b] = [event('a'), event('b')];
        await store.append({ stream: 'request-1', expected: 'no_stream', events: [a, b] });
        const again = { stream: 'request-1', expected: 'no_stream' as const, events: [a, { ...b, ...changed }] };
        expect(await store.append(again)).toEqual({ outcome: 'id_reused', eventId: id('b') });
        await given(store, 'request-1', ['c'], 1n);
        expect(await store.append(again)).toEqual({ outcome: 'id_reused', eventId: id('b') });
        expect((await wholeLog(store)).map((e) => e.data)).toEqual([a.data, b.data, event('c').data]);
      });

      it.each([
        { case: 'only the first id stands there', events: [event('a'), event('x')] },
        { case: 'only the last id stands there', events: [event('x'), event('b')] },
        { case: 'the ids stand there in another order', events: [event('b'), event('a')] },
        { case: 'the append goes on past the end', events: [event('a'), event('b'), event('c')] },
        { case: 'one id stands there with another body', events: [event('a', { data: '{}' }), event('x')] },
      ])('takes a partial overlap for a conflict: $case', async ({ events }) => {
        await given(store, 'request-1', ['a', 'b']);
        expect(await store.append({ stream: 'request-1', expected: 'no_stream', events })).toEqual({
          outcome: 'conflict',
          actual: 1n,
        });
        expect(await store.head()).toBe(2n);
      });

      it('gives each of many simultaneous appends its own outcome', async () => {
        await given(store, 'request-taken', ['a']);
        const outcomes = await Promise.all([
          store.append({ stream: 'request-1', expected: 'no_stream', events: [event('b')] }),
          store.append({ stream: 'request-taken', expected: 'no_stream', events: [event('x')] }),
          store.append({ stream: 'request-2', expected: 'no_stream', events: [event('c'), event('d')] }),
          store.append({ stream: 'request-nowhere', expected: 4n, events: [event('y')] }),
          store.append({ stream: 'request-taken', expected: 'no_stream', events: [event('a')] }),
          store.append({ stream: 'request-3', expected: 'no_stream', events: [event('e')] }),
        ]);
        expect(outcomes.map(({ outcome }) => outcome)).toEqual([
          'appended',
          'conflict',
          'appended',
          'conflict',
          'repeated',
          'appended',
        ]);
        expect(outcomes[1]).toEqual({ outcome: 'conflict', actual: 0n });
        expect(outcomes[3]).toEqual({ outcome: 'conflict', actual: 'no_stream' });
        expect(outcomes[4]).toEqual({ outcome: 'repeated', revision: 0n, position: 1n });
        const log = await wholeLog(store);
        expect(log.map((e) => e.position)).toEqual([1n, 2n, 3n, 4n, 5n]);
        for (const [index, last] of [
          [0, 'b'],
          [2, 'd'],
          [5, 'e'],
        ] as const) {
          const standing = log.find((e) => e.eventId === id(last));
          expect(outcomes[index]).toEqual({
            outcome: 'appended',
            revision: standing?.revision,
            position: standing?.position,
          });
        }
      });

      it('lets exactly one of several racing appends to a stream win', async () => {
        const outcomes = await Promise.all(
          ['a', 'b', 'c', 'd'].map((label) =>
            store.append({ stream: 'invoiceseries-1', expected: 'no_stream', events: [event(label)] }),
          ),
        );
        expect(outcomes).toEqual([
          { outcome: 'appended', revision: 0n, position: 1n },
          { outcome: 'conflict', actual: 0n },
          { outcome: 'conflict', actual: 0n },
          { outcome: 'conflict', actual: 0n },
        ]);
      });

      it('keeps the order of simultaneous appends to a stream that build on each other', async () => {
        const outcomes = await Promise.all([
          store.append({ stream: 'key-1', expected: 'no_stream', events: [event('a')] }),
          store.append({ stream: 'key-1', expected: 0n, events: [event('b')] }),
          store.append({ stream: 'key-1', expected: 1n, events: [event('c')] }),
        ]);
        expect(outcomes).toEqual([
          { outcome: 'appended', revision: 0n, position: 1n },
          { outcome: 'appended', revision: 1n, position: 2n },
          { outcome: 'appended', revision: 2n, position: 3n },
        ]);
      });

      it('gives back every byte of large and unusual data', async () => {
        const texts = [
          JSON.stringify({
            text: 'Ünïcödé – 票据 – 👩‍👩‍👧 – e\u0301 is not é – \u202eright to left\u202c – \uffff – \ud83d',
          }),
          ' { "spaces" :\t[ 1.0, 1e2 , 0.10 ],\r\n "order": {"b":1,"a":2} } ',
          JSON.stringify({ control: Array.from({ length: 32 }, (_, code) => String.fromCharCode(code)).join('') }),
          JSON.stringify({ large: '界€\\"'.repeat(120_000) }),
        ];
        const events = texts.map((data, index) => event(`text ${String(index)}`, { data }));
        await store.append({ stream: 'request-1', expected: 'no_stream', events });
        const read = await store.readStream('request-1', { direction: 'forwards', limit: 10 });
        expect(read.length).toBe(texts.length);
        read.forEach((recorded, index) => {
          expect(Buffer.from(recorded.data).equals(Buffer.from(texts[index] ?? ''))).toBe(true);
        });
        expect(await store.append({ stream: 'request-1', expected: 'no_stream', events })).toEqual({
          outcome: 'repeated',
          revision: 3n,
          position: 4n,
        });
      });

      it.each([
        { what: 'no events', append: { events: [] } },
        { what: 'a negative revision', append: { expected: -1n } },
        { what: 'an endless stream name', append: { stream: `request-${'x'.repeat(300)}` } },
        { what: 'a raw separator in the data', append: { events: [event('x', { data: '"\u001f"' })] } },
        { what: 'a raw zero character in the data', append: { events: [event('x', { data: '"\u0000"' })] } },
        { what: 'half a character in the data', append: { events: [event('x', { data: '"\ud83d"' })] } },
        { what: 'an id that is not a uuid', append: { events: [event('x', { eventId: 'evt_1' })] } },
        { what: 'an id in upper case', append: { events: [event('x', { eventId: id('x').toUpperCase() })] } },
        { what: 'a version of 0', append: { events: [event('x', { version: 0 })] } },
        { what: 'no type', append: { events: [event('x', { type: '' })] } },
      ])('refuses $what, which it could not give back, without harm to others', async ({ append }) => {
        const good = { stream: 'request-1', expected: 'no_stream' as const, events: [event('a')] };
        const [bad, neighbour] = await Promise.allSettled([
          store.append({ ...good, stream: 'request-2', ...append }),
          store.append(good),
        ]);
        expect(bad).toMatchObject({ status: 'rejected', reason: expect.any(TypeError) as unknown });
        expect(neighbour).toEqual({
          status: 'fulfilled',
          value: { outcome: 'appended', revision: 0n, position: 1n },
        });
      });
    });

    readingContract(() => store);

    describe('subscription', () => {
      it('gives what is there after a position, then what is appended, in pages up to the limit', async () => {
        await given(store, 'key-1', ['a', 'b', 'c', 'd']);
        const following = follow(store, { after: 1n, limit: 2 });
        await vi.waitFor(() => {
          expect(positions(following)).toEqual([2n, 3n, 4n]);
        });
        await given(store, 'key-2', ['e']);
        await vi.waitFor(() => {
          expect(positions(following)).toEqual([2n, 3n, 4n, 5n]);
        });
        expect(following.pages[0]).toEqual({
          events: [
            { ...event('b'), stream: 'key-1', revision: 1n, position: 2n },
            { ...event('c'), stream: 'key-1', revision: 2n, position: 3n },
          ],
          position: 3n,
        });
        await following.stop();
      });

      it('gives only the wanted categories and moves past the rest', async () => {
        const following = follow(store, { after: 0n, limit: 10, categories: ['key', 'account'] });
        await given(store, 'request-1', ['a']);
        await given(store, 'key-1', ['b']);
        await given(store, 'request-2', ['c']);
        await given(store, 'account-1', ['d']);
        await given(store, 'request-3', ['e']);
        await vi.waitFor(() => {
          expect(following.pages.at(-1)?.position).toBe(5n);
        });
        expect(positions(following)).toEqual([2n, 4n]);
        await following.stop();
      });

      it('waits at the end, and ends as soon as it is aborted', async () => {
        await given(store, 'key-1', ['a']);
        const following = follow(store, { after: 1n, limit: 10 });
        await store.head();
        const before = performance.now();
        await following.stop();
        expect(performance.now() - before).toBeLessThan(200);
        expect(following.pages).toEqual([]);
      });

      it('gives nothing when it was aborted before it began', async () => {
        await given(store, 'key-1', ['a']);
        const pages: Page[] = [];
        for await (const page of store.subscribe({ after: 0n, limit: 1, signal: AbortSignal.abort() }))
          pages.push(page);
        expect(pages).toEqual([]);
      });

      it('goes on where it was after an interruption, without a gap and without a repetition', async () => {
        await given(store, 'key-1', ['a']);
        const following = follow(store, { after: 0n, limit: 10 });
        await vi.waitFor(() => {
          expect(positions(following)).toEqual([1n]);
        });
        for (const round of [2, 3, 4]) {
          await subject.interrupt();
          await vi.waitFor(() => given(store, `key-${String(round)}`, [`round ${String(round)}`]));
        }
        await vi.waitFor(() => {
          expect(positions(following)).toEqual([1n, 2n, 3n, 4n]);
        });
        await following.stop();
      });

      it('ends when the store is closed', async () => {
        await given(store, 'key-1', ['a']);
        const following = follow(store, { after: 0n, limit: 10 });
        await vi.waitFor(() => {
          expect(positions(following)).toEqual([1n]);
        });
        await store.close();
        await following.ended;
      });
    });

    it('shows a reader every position in order while 16 callers append', async () => {
      const following = follow(store, { after: 0n, limit: 50 });
      const polled: bigint[] = [];
      const appending = new AbortController();
      const polling = (async () => {
        for (let after = 0n; !appending.signal.aborted || after < (await store.head());) {
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
            const stream = `request-${label}`;
            const result = await store.append({ stream, expected: 'no_stream', events: [event(label)] });
            if (result.outcome === 'appended') placed.push({ position: result.position, eventId: id(label) });
          }
          return placed;
        }),
      );
      appending.abort();
      await polling;
      const everyPosition = Array.from({ length: 400 }, (_, index) => BigInt(index + 1));
      expect(polled).toEqual(everyPosition);
      await vi.waitFor(() => {
        expect(positions(following)).toEqual(everyPosition);
      });
      await following.stop();
      const told = new Map(results.flat().map(({ position, eventId }) => [position, eventId]));
      expect((await wholeLog(store)).map((e) => told.get(e.position))).toEqual(
        (await wholeLog(store)).map((e) => e.eventId),
      );
    });

    it('is unavailable once it is closed', async () => {
      await store.close();
      await expect(given(store, 'key-1', ['a'])).rejects.toThrow(StoreUnavailable);
      await expect(store.readAll({ after: 0n, limit: 1 })).rejects.toThrow(StoreUnavailable);
      await expect(store.readStream('key-1', { direction: 'forwards', limit: 1 })).rejects.toThrow(StoreUnavailable);
      await expect(store.head()).rejects.toThrow(StoreUnavailable);
    });
  });
}
