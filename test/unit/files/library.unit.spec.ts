import { describe, expect, it } from 'vitest';
import { StoreUnavailable } from '../../../events/eventStore.ts';
import { Library } from '../../../services/files/library.ts';
import {
  ObjectStoreUnavailable,
  type FileRecords,
  type Forgetting,
  type ObjectStore,
  type StoredFile,
} from '../../../services/files/ports.ts';
import { ManualTimers } from '../relay/manualTimers.ts';

type Row = StoredFile & { stored: boolean; reservedAt: number };

/** Rows and objects in memory; `down` makes the object store unavailable. */
function world() {
  const rows = new Map<string, Row>();
  const objects = new Map<string, Buffer>();
  const state = { now: 0, down: false };
  const warnings: string[] = [];
  const up = () => {
    if (state.down) throw new ObjectStoreUnavailable('down');
  };
  const store: ObjectStore = {
    put: async (key, bytes) => {
      up();
      expect(rows.get(key)?.stored).toBe(false);
      objects.set(key, await Promise.resolve(Buffer.from(bytes as Uint8Array)));
    },
    get: () => Promise.resolve(null),
    remove: async (key) => {
      await Promise.resolve();
      up();
      expect(rows.has(key)).toBe(true);
      objects.delete(key);
    },
  };
  const records: FileRecords = {
    reserve: (file, most) => {
      const isTaken = file.bytes <= most;
      if (isTaken) rows.set(file.id, { ...file, stored: false, reservedAt: state.now });
      return Promise.resolve(isTaken);
    },
    confirm: (id, reservedForMs) => {
      const row = rows.get(id);
      const isInTime = row !== undefined && state.now - row.reservedAt <= reservedForMs;
      if (isInTime) row.stored = true;
      return Promise.resolve(isInTime);
    },
    release: (id) => {
      const row = rows.get(id);
      if (row) rows.set(id, { ...row, bytes: 0 });
      return Promise.resolve();
    },
    find: (accountId, id) => {
      const row = rows.get(id);
      return Promise.resolve(row?.stored && (accountId === null || row.accountId === accountId) ? row : null);
    },
    list: () => Promise.resolve([...rows.values()]),
    remove: (id) => Promise.resolve(void rows.delete(id)),
    forgotten: (when, limit) =>
      Promise.resolve([...rows.values()].filter((row) => isForgotten(row, when)).slice(0, limit)),
    forget: async (id, when, removeBytes) => {
      const row = rows.get(id);
      if (!row || !isForgotten(row, when)) return;
      await removeBytes();
      rows.delete(id);
    },
  };
  let minted = 0;
  const timers = new ManualTimers();
  const runtime = {
    clock: { now: () => state.now, monotonic: () => 0 },
    ids: { uuid: () => `id-${String((minted += 1))}` },
    random: { bytes: (length: number) => Buffer.alloc(length), fraction: () => 0 },
    timers,
    log: { info: () => undefined, warn: (_: object, text: string) => warnings.push(text), error: () => undefined },
  };
  const limits = { maxFileBytes: 100, maxAccountBytes: 50 };
  const library = new Library({ objects: store, records, runtime, limits });
  const file = { accountId: 'acct_1', name: '../x.txt', purpose: 'user_data', createdBy: null, keptMs: 1_000 } as const;
  const add = (bytes = 10) => library.add({ ...file, bytes: Buffer.alloc(bytes, 'x') });
  return { add, library, objects, rows, state, store, timers, warnings };
}

function isForgotten(row: Row, { now, reservedForMs }: Forgetting): boolean {
  return (row.expiresAt ?? Infinity) <= now || (!row.stored && row.reservedAt < now - reservedForMs);
}

const turns = () => new Promise((resolve) => setImmediate(resolve));

describe('The library', () => {
  it('writes a file down before its bytes, and shows it after them', async () => {
    const { add, library, objects } = world();
    const file = await add();
    expect(file).toMatchObject({ id: 'file-id1', objectKey: 'file-id1', name: 'x.txt', mediaType: 'text/plain' });
    expect(objects.get(file.id)?.length).toBe(10);
    expect(await library.find('acct_1', file.id)).toMatchObject({ bytes: 10, expiresAt: 1_000 });
  });

  it.each([
    [0, 'invalid_request'],
    [101, 'request_too_large'],
    [51, 'invalid_request'],
  ])('refuses a file of %i bytes as %s, and stores nothing', async (bytes, code) => {
    const { add, rows, objects } = world();
    await expect(add(bytes)).rejects.toMatchObject({ code });
    expect([rows.size, objects.size]).toEqual([0, 0]);
  });

  it('shows no file whose bytes could not be stored, counts it for nothing, and forgets it an hour later', async () => {
    const { add, library, rows, state, warnings } = world();
    state.down = true;
    await expect(add()).rejects.toMatchObject({ code: 'service_unavailable', retryAfterMs: 1_000 });
    await expect(library.find('acct_1', 'file-id1')).rejects.toMatchObject({ code: 'not_found' });
    expect(rows.get('file-id1')).toMatchObject({ stored: false, bytes: 0 });
    expect(warnings).toEqual(['what there is of a file that could not be stored is left to a sweep']);
    state.down = false;
    state.now = 900;
    expect(await library.sweep()).toBe(0);
    state.now = 3_600_001;
    expect(await library.sweep()).toBe(1);
    expect(rows.size).toBe(0);
  });

  it('leaves nothing of a file that the object store did not take', async () => {
    const { add, rows, store } = world();
    store.put = () => Promise.reject(new ObjectStoreUnavailable('full'));
    await expect(add()).rejects.toMatchObject({ code: 'service_unavailable' });
    expect(rows.size).toBe(0);
  });

  it('keeps the reservation of a file that others may be storing too', async () => {
    const { add, library, rows, state } = world();
    const file = await add();
    state.down = true;
    const again = library.store({ ...file, id: 'file-2', objectKey: 'file-2' }, Buffer.from('x'));
    await expect(again).rejects.toMatchObject({ code: 'service_unavailable' });
    expect(rows.get('file-2')).toMatchObject({ stored: false, bytes: 10 });
  });

  it('stores nothing whose bytes came an hour after they were announced', async () => {
    const { add, objects, rows, state, store } = world();
    const put = store.put.bind(store);
    store.put = async (...given) => {
      await put(...given);
      state.now = 3_600_001;
    };
    await expect(add()).rejects.toThrow(StoreUnavailable);
    expect([rows.size, objects.size]).toEqual([0, 0]);
  });

  it('goes on knowing a file whose bytes could not be removed', async () => {
    const { add, library, rows, state } = world();
    const { id } = await add();
    state.down = true;
    await expect(library.remove('acct_1', id)).rejects.toMatchObject({ code: 'service_unavailable' });
    expect(rows.has(id)).toBe(true);
    await expect(library.remove('acct_2', id)).rejects.toMatchObject({ code: 'not_found' });
  });

  it('sweeps every ten minutes, also after a sweep that failed, until it is told to stop', async () => {
    const { add, library, rows, state, timers, warnings } = world();
    await add();
    const stop = library.keepSweeping();
    state.now = 2_000;
    state.down = true;
    timers.advance(600_000);
    await turns();
    expect(warnings).toEqual(['expired files could not be removed; the next sweep tries again']);
    state.down = false;
    timers.advance(599_999);
    await turns();
    expect(rows.size).toBe(1);
    timers.advance(1);
    await turns();
    expect(rows.size).toBe(0);
    stop();
    expect(timers.pending).toBe(0);
  });
});
