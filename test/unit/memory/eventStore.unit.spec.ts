import { describe, expect, it } from 'vitest';
import { StoreUnavailable } from '../../../events/eventStore.ts';
import { MemoryEventStore } from '../../../infra/memory/eventStore.ts';
import { eventStoreContract } from '../../contract/eventStore.contract.ts';

eventStoreContract(
  'memory',
  () => {
    const store = new MemoryEventStore();
    return Promise.resolve({
      store,
      interrupt() {
        store.reachable = false;
        setImmediate(() => {
          store.reachable = true;
        });
        return Promise.resolve();
      },
      dispose: () => store.close(),
    });
  },
  { contiguous: true },
);

describe('faults of the memory event store', () => {
  const append = {
    stream: 'request-1',
    expected: 'no_stream' as const,
    events: [{ eventId: '00000000-0000-5000-8000-000000000001', type: 'RequestAccepted', version: 1, data: '{}' }],
  };

  it('loses an append before it is applied, so that the retry is the first', async () => {
    const store = new MemoryEventStore();
    store.failNext('before');
    await expect(store.append(append)).rejects.toThrow(StoreUnavailable);
    expect(await store.head()).toBe(0n);
    expect(await store.append(append)).toEqual({ outcome: 'appended', revision: 0n, position: 1n });
  });

  it('loses the answer of an append that was applied, so that the retry is a repetition', async () => {
    const store = new MemoryEventStore();
    store.failNext('after');
    await expect(store.append(append)).rejects.toThrow(StoreUnavailable);
    expect(await store.head()).toBe(1n);
    expect(await store.append(append)).toEqual({ outcome: 'repeated', revision: 0n, position: 1n });
  });

  it('meets the faults in the order told, one per append, and none when reading', async () => {
    const store = new MemoryEventStore();
    store.failNext('before');
    store.failNext('after');
    expect(await store.readAll({ after: 0n, limit: 1 })).toEqual({ events: [], position: 0n });
    await expect(store.append(append)).rejects.toThrow('the append was lost');
    await expect(store.append(append)).rejects.toThrow('the answer was lost');
    expect(await store.append(append)).toEqual({ outcome: 'repeated', revision: 0n, position: 1n });
  });

  it('is unavailable as a whole while it is unreachable', async () => {
    const store = new MemoryEventStore();
    store.reachable = false;
    await expect(store.append(append)).rejects.toThrow(StoreUnavailable);
    await expect(store.head()).rejects.toThrow(StoreUnavailable);
    store.reachable = true;
    expect(await store.head()).toBe(0n);
  });

  it('hands out events that nobody can change', async () => {
    const store = new MemoryEventStore();
    await store.append(append);
    const [read] = await store.readStream('request-1', { direction: 'forwards', limit: 1 });
    expect(() => Object.assign(read ?? {}, { data: 'other' })).toThrow(TypeError);
  });
});
