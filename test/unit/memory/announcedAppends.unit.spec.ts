import { describe, expect, it } from 'vitest';
import { announcedAppends } from '../../../infra/announcedAppends.ts';
import { MemoryEventStore } from '../../../infra/memory/eventStore.ts';
import { event, given } from '../../contract/eventStoreSteps.ts';

describe('A store that announces', () => {
  it('tells of what was appended to the streams of interest, and of nothing else', async () => {
    const told: bigint[] = [];
    const store = announcedAppends(new MemoryEventStore(), ['key', 'account'], (position) => told.push(position));
    await given(store, 'key-1', ['a', 'b']);
    await given(store, 'request-1', ['c']);
    await given(store, 'keyring-1', ['d']);
    await given(store, 'account-1', ['e']);
    expect(told).toEqual([1n, 2n, 5n]);
    expect(await store.append({ stream: 'key-1', expected: 'no_stream', events: [event('x')] })).toMatchObject({
      outcome: 'conflict',
    });
    expect(await store.append({ stream: 'key-1', expected: 'no_stream', events: [event('a')] })).toMatchObject({
      outcome: 'repeated',
    });
    expect(told).toHaveLength(3);
    expect(await store.head()).toBe(5n);
  });
});
