import { afterEach, describe, expect, it, vi } from 'vitest';
import type { DomainEvent } from '../../../events/codec.ts';
import { MemoryEventStore } from '../../../infra/memory/eventStore.ts';
import { systemRuntime } from '../../../infra/runtime.ts';
import { followEvents } from '../../../services/keys/follow.ts';
import { KEY_INDEX_CATEGORIES, KeyIndex } from '../../../services/keys/keyIndex.ts';
import {
  accountOpened,
  answeredCall,
  apiKeyChanged,
  apiKeyIssued,
  appendAll,
  exampleHash,
  KEY,
  streamOf,
} from '../../support/events.ts';
import { silentLog } from '../../support/log.ts';
import { NOW } from './keyExamples.ts';

const HASH = exampleHash(KEY);
let ending = new AbortController();

afterEach(() => {
  ending.abort();
  ending = new AbortController();
});

function followed(store: MemoryEventStore, apply: (event: DomainEvent) => void, log = silentLog) {
  const options = { signal: ending.signal, runtime: systemRuntime(log) };
  return followEvents(store, KEY_INDEX_CATEGORIES, apply, options);
}

describe('following the log', () => {
  it('resolves when everything that stood in the log is applied, in order, and nothing else', async () => {
    const store = new MemoryEventStore();
    await appendAll(store, [accountOpened(), ...answeredCall(1), apiKeyIssued(), ...answeredCall(2)]);
    const types: string[] = [];
    const follower = await followed(store, (event) => types.push(event.type));
    expect(types).toEqual(['AccountOpened', 'ApiKeyIssued']);
    expect(follower.position).toBe(8n);
    expect(follower.failure).toBeNull();
  });

  it('resolves at once on an empty log', async () => {
    expect((await followed(new MemoryEventStore(), () => undefined)).position).toBe(0n);
  });

  it('denies a revoked key within a second of the revocation', async () => {
    const store = new MemoryEventStore();
    await appendAll(store, [accountOpened(), apiKeyIssued()]);
    const index = new KeyIndex();
    await followed(store, (event) => index.apply(event));
    expect(index.find(HASH, NOW)?.status).toBe('active');
    const revoked = apiKeyChanged('ApiKeyRevoked');
    await appendAll(store, [revoked]);
    await vi.waitFor(() => expect(index.find(HASH, NOW)).toBeNull(), { timeout: 1_000, interval: 5 });
  });

  it('waits for a store that cannot be reached at the start', async () => {
    const store = new MemoryEventStore();
    await appendAll(store, [accountOpened(), apiKeyIssued()]);
    store.reachable = false;
    const warned = vi.fn(() => {
      store.reachable = true;
    });
    const index = new KeyIndex();
    await followed(store, (event) => index.apply(event), { ...silentLog, error: warned });
    expect(warned).toHaveBeenCalledOnce();
    expect(index.find(HASH, NOW)?.status).toBe('active');
  });

  it('keeps what it knows while the store is gone, and goes on where it was', async () => {
    const store = new MemoryEventStore();
    await appendAll(store, [accountOpened(), apiKeyIssued()]);
    const index = new KeyIndex();
    const follower = await followed(store, (event) => index.apply(event));
    store.reachable = false;
    expect(index.find(HASH, NOW)?.status).toBe('active');
    store.reachable = true;
    await follower.caughtUp(await appendAll(store, [apiKeyChanged('ApiKeyDisabled')]));
    expect(index.find(HASH, NOW)?.status).toBe('disabled');
  });

  it('tries the same event again when it cannot be applied, and applies each once', async () => {
    const store = new MemoryEventStore();
    const types: string[] = [];
    let failures = 2;
    const follower = await followed(store, (event) => {
      if (event.type === 'ApiKeyIssued' && failures > 0) {
        failures -= 1;
        throw new Error('not now');
      }
      types.push(event.type);
    });
    const position = await appendAll(store, [accountOpened(), apiKeyIssued(), apiKeyChanged('ApiKeyDisabled')]);
    await vi.waitFor(() => expect(follower.failure).toEqual(new Error('not now')));
    await follower.caughtUp(position);
    expect(types).toEqual(['AccountOpened', 'ApiKeyIssued', 'ApiKeyDisabled']);
    expect(follower.failure).toBeNull();
  });

  it('does not pass a malformed event, which might be a revocation', async () => {
    const store = new MemoryEventStore();
    await appendAll(store, [accountOpened(), apiKeyIssued()]);
    const index = new KeyIndex();
    const follower = await followed(store, (event) => index.apply(event));
    const { eventId, type } = apiKeyChanged('ApiKeyRevoked');
    const stream = streamOf(apiKeyIssued());
    await store.append({ stream, expected: 0n, events: [{ eventId, type, version: 1, data: '{}' }] });
    await vi.waitFor(() => expect(follower.failure).toMatchObject({ name: 'MalformedEvent' }));
    expect(follower.position).toBe(2n);
    await expect(follower.caughtUp(3n, 20)).rejects.toThrow('position 3 was not reached in time');
  });
});

describe('stopping', () => {
  it('rejects when it is told to stop before it has caught up', async () => {
    const store = new MemoryEventStore();
    store.reachable = false;
    const following = followed(store, () => undefined);
    ending.abort(new Error('shutting down'));
    await expect(following).rejects.toThrow('shutting down');
  });

  it('applies nothing afterwards, and tells those who wait', async () => {
    const store = new MemoryEventStore();
    const applied = vi.fn();
    const follower = await followed(store, applied);
    const waiting = follower.caughtUp(1n);
    ending.abort();
    await expect(waiting).rejects.toThrow('following has stopped');
    await follower.stopped;
    await appendAll(store, [accountOpened()]);
    await expect(follower.caughtUp(1n)).rejects.toThrow('following has stopped');
    expect(applied).not.toHaveBeenCalled();
  });
});
