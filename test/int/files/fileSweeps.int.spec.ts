import { randomUUID } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { StoreUnavailable } from '../../../events/eventStore.ts';
import { diskObjects } from '../../../infra/objects/diskObjects.ts';
import { postgresFiles } from '../../../infra/postgres/files.ts';
import { Library } from '../../../services/files/library.ts';
import { ObjectStoreUnavailable, type FileRecords, type ObjectStore } from '../../../services/files/ports.ts';
import { runBatch } from '../../../services/relay/batches/runBatch.ts';
import { submitBatch } from '../../../services/relay/batches/submit.ts';
import { BatchStage, wish } from './batchStage.ts';
import { CALLER, chatAnswer, chatLine, type BatchWorld } from './batchWorld.ts';

const HOUR_MS = 3_600_000;
const never = new AbortController().signal;

let stage: BatchStage;
let world: BatchWorld;
let objects: ObjectStore;
let records: FileRecords;
beforeEach(async () => {
  stage = await BatchStage.open();
  ({ world } = stage);
  stage.upstream.otherwise((call) => call.answer(200, chatAnswer('done')));
  objects = await diskObjects(path.join(stage.directory, 'objects'), randomUUID);
  records = postgresFiles(world.pool);
});
afterEach(() => stage.close());

/** The library of another process, over the same database and the same directory. */
function another(change: { objects?: Partial<ObjectStore>; records?: Partial<FileRecords> } = {}): Library {
  return new Library({
    objects: { ...objects, ...change.objects },
    records: { ...records, ...change.records },
    runtime: world.runtime,
    limits: { maxFileBytes: 1_000_000, maxAccountBytes: 1_000 },
  });
}

/** A library in which this happens before the bytes of a file are stored. */
const whilePutting = (happens: () => Promise<unknown>) =>
  another({
    objects: {
      put: async (...given) => {
        await happens();
        await objects.put(...given);
      },
    },
  });

const gone = () => Promise.reject(new ObjectStoreUnavailable('down'));
/** No object can be stored or removed. */
const away = () => another({ objects: { put: gone, remove: gone } });

async function aged(): Promise<void> {
  await stage.holds.pool.query(`UPDATE files SET reserved_at = now() - interval '61 minutes' WHERE NOT stored`);
}

const objectNames = () => readdir(path.join(stage.directory, 'objects'));
const rowCount = async () => (await stage.holds.pool.query('SELECT FROM files')).rowCount;

async function submitted(): Promise<string> {
  const input = await stage.uploaded([chatLine('a')]);
  return (await submitBatch(world.submit, CALLER, wish(input, { filesKeptMs: 86_400_000 }))).id;
}

/** A batch that was settled two hours ago, and whose output could not be stored then. */
async function unfinished(): Promise<string> {
  const id = await submitted();
  await expect(runBatch({ ...world.run, library: away() }, id, never)).rejects.toMatchObject({
    code: 'service_unavailable',
  });
  await aged();
  world.aheadMs = 2 * HOUR_MS;
  return id;
}

async function expectWholeOutput(id: string): Promise<void> {
  const ended = await world.run.records.find(id);
  expect(ended).toMatchObject({ status: 'completed', completed: 1 });
  const file = await world.library.find('acct_1', ended?.outputFileId ?? '');
  const bytes = await buffer((await world.library.content(file)) as AsyncIterable<Buffer>);
  expect(bytes.length).toBe(file.bytes);
}

describe('A sweep', () => {
  it('spares the copy of an input that was uploaded hours before', async () => {
    const input = await stage.uploaded([chatLine('a')]);
    world.aheadMs = 2 * HOUR_MS;
    const library = whilePutting(() => world.library.sweep());
    const { id } = await submitBatch({ ...world.submit, library }, CALLER, wish(input));
    await runBatch(world.run, id, never);
    await expectWholeOutput(id);
  });

  it('spares the output of a batch that was settled hours before', async () => {
    const id = await unfinished();
    await runBatch({ ...world.run, library: whilePutting(() => world.library.sweep()) }, id, never);
    await expectWholeOutput(id);
  });

  it('spares what another process has confirmed since it was listed', async () => {
    const id = await unfinished();
    const listed: number[] = [];
    const sweeper = another({
      records: {
        forgotten: async (...given) => {
          const files = await records.forgotten(...given);
          listed.push(files.length);
          await runBatch(world.run, id, never);
          return files;
        },
      },
    });
    await sweeper.sweep();
    expect(listed).toEqual([1]);
    await expectWholeOutput(id);
  });

  it('lets nobody store a file again while it removes it', async () => {
    const id = await unfinished();
    const finished: Promise<void>[] = [];
    const sweeper = another({
      objects: {
        remove: async (key) => {
          finished.push(runBatch(world.run, id, never));
          await vi.waitFor(async () => expect(await waitingForLocks()).toBe(1), { timeout: 5_000 });
          await objects.remove(key);
        },
      },
    });
    await sweeper.sweep();
    await Promise.all(finished);
    await expectWholeOutput(id);
  });

  it('goes on knowing what it could not remove', async () => {
    await unfinished();
    const before = await rowCount();
    await expect(away().sweep()).rejects.toThrow(ObjectStoreUnavailable);
    expect(await rowCount()).toBe(before);
    expect(await world.library.sweep()).toBe(1);
    expect(await world.library.sweep()).toBe(0);
  });
});

async function waitingForLocks(): Promise<number | null> {
  const { rowCount: waiting } = await stage.holds.pool.query(
    `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
  );
  return waiting;
}

describe('A file whose bytes came too late', () => {
  const late = {
    'and was swept': () => whilePutting(() => aged().then(() => world.library.sweep())),
    'and may be swept at any moment': () => whilePutting(aged),
  };
  const cases = Object.entries(late);
  const FILE = { accountId: 'acct_1', name: 'x', purpose: 'user_data', createdBy: null, keptMs: null } as const;

  it.each(cases)('%s is not stored, and leaves nothing', async (_, library) => {
    const adding = library().add({ ...FILE, bytes: Buffer.from('x') });
    await expect(adding).rejects.toThrow(StoreUnavailable);
    expect([await objectNames(), await rowCount()]).toEqual([[], 0]);
  });

  it.each(cases)('%s begins no batch', async (_, library) => {
    const input = await stage.uploaded([chatLine('a')]);
    const parts = { ...world.submit, library: library() };
    await expect(submitBatch(parts, CALLER, wish(input))).rejects.toThrow(StoreUnavailable);
    await stage.expectNothingHeld();
    expect([await objectNames(), await rowCount()]).toEqual([[input], 1]);
    expect(await world.run.records.list('acct_1', null, 10)).toEqual([]);
  });

  it.each(cases)('%s ends no batch, and the next run stores it', async (_, library) => {
    const id = await submitted();
    await expect(runBatch({ ...world.run, library: library() }, id, never)).rejects.toThrow(StoreUnavailable);
    expect(await world.run.records.find(id)).toMatchObject({ status: 'finalizing' });
    await runBatch(world.run, id, never);
    await expectWholeOutput(id);
  });
});

describe('A file whose bytes could not be stored', () => {
  const FILE = { accountId: 'acct_1', name: 'x', purpose: 'user_data', createdBy: null, keptMs: null } as const;
  const add = (library: Library) => library.add({ ...FILE, bytes: Buffer.alloc(600, 'x') });

  it('leaves nothing', async () => {
    await expect(add(another({ objects: { put: gone } }))).rejects.toMatchObject({ code: 'service_unavailable' });
    expect([await objectNames(), await rowCount()]).toEqual([[], 0]);
  });

  it('counts for nothing, also while its object cannot be removed, and is forgotten an hour later', async () => {
    await expect(add(away())).rejects.toMatchObject({ code: 'service_unavailable' });
    expect(await rowCount()).toBe(1);
    await add(another());
    await expect(add(another())).rejects.toMatchObject({ code: 'invalid_request' });
    expect(await world.library.sweep()).toBe(0);
    await aged();
    expect(await world.library.sweep()).toBe(1);
    expect(await rowCount()).toBe(1);
  });

  it('keeps its reservation when others may be storing it too', async () => {
    await unfinished();
    const { rows } = await stage.holds.pool.query('SELECT bytes FROM files WHERE NOT stored');
    expect(rows).toEqual([{ bytes: expect.not.stringMatching(/^0$/) as string }]);
  });
});
