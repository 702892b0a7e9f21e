import { createReadStream } from 'node:fs';
import { open, readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { assertObjectKey, ObjectStoreUnavailable, type ObjectStore } from '../../services/files/ports.ts';
import { makeDirectory, syncDirectory, writeAll } from '../journal/durableFile.ts';

/** A draft that nothing was written to for so long belongs to a process that died. */
const FORGOTTEN_MS = 3_600_000;

/**
 * Objects as files of one directory. Their names are keys, which have neither dots nor separators, so that no name leads
 * elsewhere; what is being written has a dot in its name and is nobody's object, and is removed where its process died.
 * Rejects with the error of the disk when the directory cannot be made.
 */
export async function diskObjects(directory: string, uniqueName: () => string): Promise<ObjectStore> {
  await makeDirectory(directory);
  await removeForgotten(directory);
  const pathOf = (key: string): string => {
    assertObjectKey(key);
    return path.join(directory, key);
  };
  return {
    async put(key, bytes) {
      const target = pathOf(key);
      const draft = path.join(directory, `.${uniqueName()}`);
      try {
        await writeDraft(draft, bytes);
        await onDisk(async () => {
          await rename(draft, target);
          await syncDirectory(directory);
        });
      } catch (error) {
        await rm(draft, { force: true });
        throw error;
      }
    },
    async get(key) {
      const target = pathOf(key);
      const file = await onDisk(() => openIfThere(target));
      return file && pieces(createReadStream(target, { fd: file }));
    },
    async remove(key) {
      const target = pathOf(key);
      await onDisk(async () => {
        await rm(target, { force: true });
        await syncDirectory(directory);
      });
    },
  };
}

async function removeForgotten(directory: string): Promise<void> {
  const drafts = (await readdir(directory)).filter((name) => name.startsWith('.'));
  for (const draft of drafts.map((name) => path.join(directory, name))) {
    if (await isForgotten(draft)) await rm(draft, { force: true });
  }
}

/** Another process of the same directory may have ended it meanwhile. */
async function isForgotten(draft: string): Promise<boolean> {
  try {
    return (await stat(draft)).mtimeMs < Date.now() - FORGOTTEN_MS;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/** The file is whole and on the disk when this resolves, under a name that nobody looks for. */
async function writeDraft(draft: string, bytes: Uint8Array | AsyncIterable<Uint8Array>): Promise<void> {
  const file = await onDisk(() => open(draft, 'wx', 0o600));
  try {
    for await (const piece of piecesOf(bytes)) {
      const buffer = Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength);
      await onDisk(() => writeAll(file, buffer));
    }
    await onDisk(() => file.sync());
  } finally {
    await file.close();
  }
}

function piecesOf(bytes: Uint8Array | AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> | Uint8Array[] {
  return bytes instanceof Uint8Array ? [bytes] : bytes;
}

async function openIfThere(target: string) {
  try {
    return await open(target, 'r');
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

async function* pieces(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* stream;
  } catch (error) {
    throw unavailable(error);
  }
}

async function onDisk<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw unavailable(error);
  }
}

function unavailable(cause: unknown): ObjectStoreUnavailable {
  return new ObjectStoreUnavailable('the directory of objects cannot be used', { cause });
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}
