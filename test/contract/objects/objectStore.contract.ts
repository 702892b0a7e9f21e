import { randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import { beforeEach, describe, expect, it } from 'vitest';
import type { ObjectStore } from '../../../services/files/ports.ts';

/** What every object store does; `make` gives one that is empty. */
export function objectStoreContract(make: () => Promise<ObjectStore>): void {
  describe('objects', () => {
    let store: ObjectStore;

    beforeEach(async () => {
      store = await make();
    });

    const read = async (key: string): Promise<Buffer | null> => {
      const bytes = await store.get(key);
      return bytes && buffer(bytes);
    };

    it('come back as they went in, whatever their bytes', async () => {
      const bytes = Buffer.concat([randomBytes(300_000), Buffer.from('\r\n\0 ünïcode')]);
      await store.put('file-1', bytes, 'application/octet-stream');
      expect(await read('file-1')).toEqual(bytes);
    });

    it('may be empty', async () => {
      await store.put('file-1', Buffer.alloc(0), 'text/plain');
      expect(await read('file-1')).toEqual(Buffer.alloc(0));
    });

    it('may come in pieces', async () => {
      await store.put('file-1', pieces('one ', 'two ', 'three'), 'text/plain');
      expect((await read('file-1'))?.toString()).toBe('one two three');
    });

    it('may be a view of other bytes, of which nothing else is stored', async () => {
      await store.put('file-1', Buffer.from('secret-public').subarray(7), 'text/plain');
      expect((await read('file-1'))?.toString()).toBe('public');
    });

    it('are replaced by what is put under the same key', async () => {
      await store.put('file-1', Buffer.from('a longer first text'), 'text/plain');
      await store.put('file-1', Buffer.from('second'), 'text/plain');
      expect((await read('file-1'))?.toString()).toBe('second');
    });

    it('stay what they were when the new bytes end in an error, which is thrown as it is', async () => {
      await store.put('file-1', Buffer.from('first'), 'text/plain');
      const error = new Error('the bytes end here');
      await expect(store.put('file-1', failing(error), 'text/plain')).rejects.toBe(error);
      expect((await read('file-1'))?.toString()).toBe('first');
      await expect(store.put('file-2', failing(error), 'text/plain')).rejects.toBe(error);
      expect(await read('file-2')).toBeNull();
    });

    it('are not there before they are put and after they are removed', async () => {
      expect(await read('file-1')).toBeNull();
      await store.put('file-1', Buffer.from('x'), 'text/plain');
      await store.remove('file-1');
      expect(await read('file-1')).toBeNull();
    });

    it('are removed again without harm', async () => {
      await store.remove('file-1');
      await store.put('file-2', Buffer.from('x'), 'text/plain');
      await store.remove('file-1');
      expect((await read('file-2'))?.toString()).toBe('x');
    });

    it.each(['', '../file', '..', '.hidden', 'a/b', 'a\\b', 'a\0b', '%2e%2e', '/etc/passwd', 'UPPER', 'a'.repeat(129)])(
      'have keys of our own making only, not %j',
      async (key) => {
        await expect(store.put(key, Buffer.from('x'), 'text/plain')).rejects.toThrow(TypeError);
        await expect(store.get(key)).rejects.toThrow(TypeError);
        await expect(store.remove(key)).rejects.toThrow(TypeError);
      },
    );
  });
}

async function* pieces(...texts: readonly string[]): AsyncGenerator<Uint8Array> {
  for (const text of texts) yield await Promise.resolve(Buffer.from(text));
}

async function* failing(error: Error): AsyncGenerator<Uint8Array> {
  yield await Promise.resolve(Buffer.from('begun'));
  throw error;
}
