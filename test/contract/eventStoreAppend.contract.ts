import { beforeEach, describe, expect, it } from 'vitest';
import type { EventStore } from '../../events/eventStore.ts';
import { event, id, labelOf, type LogUnderTest } from './eventStoreSteps.ts';

/** What appending to any event store promises, on the one made for each test. */
export function appendContract(made: () => LogUnderTest): void {
  describe('append', () => {
    let log: LogUnderTest;
    let store: EventStore;
    beforeEach(() => {
      log = made();
      store = log.store;
    });

    it('writes the first events of a stream and tells where the last one stands', async () => {
      const events = [event('a', { version: 2 }), event('b', { type: 'UsageRecorded' })];
      const stream = log.name('request-1');
      const result = await store.append({ stream, expected: 'no_stream', events });
      const [first, second] = await log.places([1, 2]);
      expect(result).toEqual({ outcome: 'appended', revision: 1n, position: second });
      expect(await log.whole()).toEqual([
        { ...events[0], stream, revision: 0n, position: first },
        { ...events[1], stream, revision: 1n, position: second },
      ]);
    });

    it('writes after the exact revision', async () => {
      await log.given('request-1', ['a']);
      await log.given('request-2', ['b']);
      const stream = log.name('request-1');
      const third = await store.append({ stream, expected: 0n, events: [event('c')] });
      const fifth = await store.append({ stream, expected: 1n, events: [event('d'), event('e')] });
      expect(third).toEqual({ outcome: 'appended', revision: 1n, position: await log.place(3) });
      expect(fifth).toEqual({ outcome: 'appended', revision: 3n, position: await log.place(5) });
      expect((await log.whole()).map((e) => [e.stream, e.revision, e.eventId])).toEqual([
        [stream, 0n, id('a')],
        [log.name('request-2'), 0n, id('b')],
        [stream, 1n, id('c')],
        [stream, 2n, id('d')],
        [stream, 3n, id('e')],
      ]);
    });

    it.each([
      { claim: 'no stream where there is one', stream: 'key-1', expected: 'no_stream' as const, actual: 1n },
      { claim: 'an older revision', stream: 'key-1', expected: 0n, actual: 1n },
      { claim: 'a later revision', stream: 'key-1', expected: 2n, actual: 1n },
      { claim: 'a revision where there is no stream', stream: 'key-2', expected: 0n, actual: 'no_stream' as const },
    ])('refuses a claim of $claim and writes nothing', async ({ stream, expected, actual }) => {
      await log.given('key-1', ['a', 'b']);
      expect(await store.append({ stream: log.name(stream), expected, events: [event('new')] })).toEqual({
        outcome: 'conflict',
        actual,
      });
      expect((await log.whole()).map(labelOf)).toEqual(['a', 'b']);
      expect(await store.head()).toBe(await log.place(2));
    });

    it('recognises a repeated append, with the places of the first try', async () => {
      await log.given('request-0', ['x']);
      const stream = log.name('request-1');
      const first = { stream, expected: 'no_stream' as const, events: [event('a'), event('b')] };
      await store.append(first);
      const repeated = { outcome: 'repeated', revision: 1n, position: await log.place(3) };
      expect(await store.append(first)).toEqual(repeated);
      const second = { stream, expected: 1n, events: [event('c')] };
      await store.append(second);
      expect(await store.append(first)).toEqual(repeated);
      const fourth = await log.place(4);
      expect(await store.append(second)).toEqual({ outcome: 'repeated', revision: 2n, position: fourth });
      expect(await store.head()).toBe(fourth);
      expect((await log.whole()).map(labelOf)).toEqual(['x', 'a', 'b', 'c']);
    });

    it('appends once when several callers append the same at once', async () => {
      const append = { stream: log.name('request-1'), expected: 'no_stream' as const, events: [event('a')] };
      const outcomes = await Promise.all([store.append(append), store.append(append), store.append(append)]);
      const position = await log.place(1);
      expect(outcomes).toEqual([
        { outcome: 'appended', revision: 0n, position },
        { outcome: 'repeated', revision: 0n, position },
        { outcome: 'repeated', revision: 0n, position },
      ]);
      expect(await store.head()).toBe(position);
    });

    it.each([
      { part: 'data', changed: { data: '{"other":true}' } },
      { part: 'type', changed: { type: 'UsageCorrected' } },
      { part: 'version', changed: { version: 7 } },
    ])('raises the alarm when the same ids come with another $part', async ({ changed }) => {
      const [a, b] = [event('a'), event('b')];
      const stream = log.name('request-1');
      await store.append({ stream, expected: 'no_stream', events: [a, b] });
      const again = { stream, expected: 'no_stream' as const, events: [a, { ...b, ...changed }] };
      expect(await store.append(again)).toEqual({ outcome: 'id_reused', eventId: id('b') });
      await log.given('request-1', ['c'], 1n);
      expect(await store.append(again)).toEqual({ outcome: 'id_reused', eventId: id('b') });
      expect((await log.whole()).map((e) => e.data)).toEqual([a.data, b.data, event('c').data]);
    });

    it.each([
      { case: 'only the first id stands there', events: [event('a'), event('x')] },
      { case: 'only the last id stands there', events: [event('x'), event('b')] },
      { case: 'the ids stand there in another order', events: [event('b'), event('a')] },
      { case: 'the append goes on past the end', events: [event('a'), event('b'), event('c')] },
      { case: 'one id stands there with another body', events: [event('a', { data: '{}' }), event('x')] },
    ])('takes a partial overlap for a conflict: $case', async ({ events }) => {
      await log.given('request-1', ['a', 'b']);
      expect(await store.append({ stream: log.name('request-1'), expected: 'no_stream', events })).toEqual({
        outcome: 'conflict',
        actual: 1n,
      });
      expect((await log.whole()).map(labelOf)).toEqual(['a', 'b']);
      expect(await store.head()).toBe(await log.place(2));
    });

    it('gives each of many simultaneous appends its own outcome', async () => {
      await log.given('request-taken', ['a']);
      const outcomes = await Promise.all(
        [
          { stream: 'request-1', expected: 'no_stream' as const, events: [event('b')] },
          { stream: 'request-taken', expected: 'no_stream' as const, events: [event('x')] },
          { stream: 'request-2', expected: 'no_stream' as const, events: [event('c'), event('d')] },
          { stream: 'request-nowhere', expected: 4n, events: [event('y')] },
          { stream: 'request-taken', expected: 'no_stream' as const, events: [event('a')] },
          { stream: 'request-3', expected: 'no_stream' as const, events: [event('e')] },
        ].map((append) => store.append({ ...append, stream: log.name(append.stream) })),
      );
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
      expect(outcomes[4]).toEqual({ outcome: 'repeated', revision: 0n, position: await log.place(1) });
      const standing = await log.whole();
      expect(standing.map(labelOf).sort()).toEqual(['a', 'b', 'c', 'd', 'e']);
      for (const [index, last] of [
        [0, 'b'],
        [2, 'd'],
        [5, 'e'],
      ] as const) {
        const there = standing.find((e) => e.eventId === id(last));
        expect(outcomes[index]).toEqual({
          outcome: 'appended',
          revision: there?.revision,
          position: there?.position,
        });
      }
    });

    it('lets exactly one of several racing appends to a stream win', async () => {
      const outcomes = await Promise.all(
        ['a', 'b', 'c', 'd'].map((label) =>
          store.append({ stream: log.name('invoiceseries-1'), expected: 'no_stream', events: [event(label)] }),
        ),
      );
      expect(outcomes).toEqual([
        { outcome: 'appended', revision: 0n, position: await log.place(1) },
        { outcome: 'conflict', actual: 0n },
        { outcome: 'conflict', actual: 0n },
        { outcome: 'conflict', actual: 0n },
      ]);
      expect((await log.whole()).map(labelOf)).toEqual(['a']);
    });

    it('keeps the order of simultaneous appends to a stream that build on each other', async () => {
      const stream = log.name('key-1');
      const outcomes = await Promise.all([
        store.append({ stream, expected: 'no_stream', events: [event('a')] }),
        store.append({ stream, expected: 0n, events: [event('b')] }),
        store.append({ stream, expected: 1n, events: [event('c')] }),
      ]);
      const [first, second, third] = await log.places([1, 2, 3]);
      expect(outcomes).toEqual([
        { outcome: 'appended', revision: 0n, position: first },
        { outcome: 'appended', revision: 1n, position: second },
        { outcome: 'appended', revision: 2n, position: third },
      ]);
    });

    it('gives back every byte of large and unusual data', async () => {
      const texts = [
        JSON.stringify({
          text: 'Ünïcödé – 票据 – 👩‍👩‍👧 – e\u0301 is not é – \u202eright to left\u202c – \uffff – \ud83d',
        }),
        ' { "spaces" :\t[ 1.0, 1e2 , 0.10 ],\r\n "order": {"b":1,"a":2} } ',
        JSON.stringify({ control: Array.from({ length: 32 }, (_, code) => String.fromCharCode(code)).join('') }),
        // 1.0 MB: with the others just below the 1 MiB that KurrentDB takes unless configured.
        JSON.stringify({ large: '界€\\"'.repeat(100_000) }),
      ];
      const events = texts.map((data, index) => event(`text ${String(index)}`, { data }));
      const stream = log.name('request-1');
      await store.append({ stream, expected: 'no_stream', events });
      const read = await store.readStream(stream, { direction: 'forwards', limit: 10 });
      const all = await log.whole();
      expect([read.length, all.length]).toEqual([texts.length, texts.length]);
      for (const found of [read, all]) {
        found.forEach((recorded, index) => {
          expect(Buffer.from(recorded.data).equals(Buffer.from(texts[index] ?? ''))).toBe(true);
        });
      }
      expect(await store.append({ stream, expected: 'no_stream', events })).toEqual({
        outcome: 'repeated',
        revision: 3n,
        position: all[3]?.position,
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
      const good = { stream: log.name('request-1'), expected: 'no_stream' as const, events: [event('a')] };
      const [bad, neighbour] = await Promise.allSettled([
        store.append({ ...good, stream: log.name('request-2'), ...append }),
        store.append(good),
      ]);
      expect(bad).toMatchObject({ status: 'rejected', reason: expect.any(TypeError) as unknown });
      expect(neighbour).toEqual({
        status: 'fulfilled',
        value: { outcome: 'appended', revision: 0n, position: await log.place(1) },
      });
      expect((await log.whole()).map(labelOf)).toEqual(['a']);
    });
  });
}
