import { randomUUID } from 'node:crypto';
import { mkdtemp, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { diskObjects } from '../../../infra/objects/diskObjects.ts';
import { ObjectStoreUnavailable } from '../../../services/files/ports.ts';
import { objectStoreContract } from '../../contract/objects/objectStore.contract.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'objects-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const objects = () => diskObjects(path.join(directory, 'data', 'objects'), randomUUID);

describe('on a local disk', () => {
  objectStoreContract(objects);
});

describe('The local disk', () => {
  it('keeps objects through a restart, readable by the owner only', async () => {
    await (await objects()).put('file-1', Buffer.from('kept'), 'text/plain');
    const again = await objects();
    expect(await again.get('file-1')).not.toBeNull();
    expect((await stat(path.join(directory, 'data', 'objects', 'file-1'))).mode & 0o777).toBe(0o600);
  });

  it('leaves no draft behind when the bytes end in an error', async () => {
    const store = await objects();
    const bytes = (async function* () {
      yield await Promise.resolve(Buffer.from('begun'));
      throw new Error('cut');
    })();
    await expect(store.put('file-1', bytes, 'text/plain')).rejects.toThrow('cut');
    expect(await readdir(path.join(directory, 'data', 'objects'))).toEqual([]);
  });

  it('removes the drafts of processes that died, and of nobody else', async () => {
    const store = await objects();
    await store.put('file-1', Buffer.from('kept'), 'text/plain');
    const inside = (name: string) => path.join(directory, 'data', 'objects', name);
    for (const name of ['.dead', '.alive']) await writeFile(inside(name), 'begun');
    const longAgo = Date.now() / 1_000 - 3_700;
    for (const name of ['.dead', 'file-1']) await utimes(inside(name), longAgo, longAgo);
    await objects();
    expect((await readdir(path.join(directory, 'data', 'objects'))).toSorted()).toEqual(['.alive', 'file-1']);
  });

  it('says that it is unavailable when its directory is gone, with the reason', async () => {
    const store = await objects();
    await rm(path.join(directory, 'data'), { recursive: true });
    const failure = await store.put('file-1', Buffer.from('x'), 'text/plain').catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(ObjectStoreUnavailable);
    expect((failure as Error).cause).toMatchObject({ code: 'ENOENT' });
  });

  it('takes no other file for an object', async () => {
    const store = await objects();
    await writeFile(path.join(directory, 'secret'), 'secret');
    await expect(store.get('../../secret')).rejects.toThrow(TypeError);
  });
});
