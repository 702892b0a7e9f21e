import { mkdir, open, type FileHandle } from 'node:fs/promises';
import path from 'node:path';

/** What the journal needs of a file that it writes. */
export type WritableFile = Pick<FileHandle, 'write' | 'datasync' | 'truncate' | 'close'>;

/** Creates a file that must not exist yet, readable by its owner only. */
export type CreateFile = (file: string) => Promise<WritableFile>;

export const createFile: CreateFile = (file) => open(file, 'wx', 0o600);

/** Makes the names in a directory durable: without it a new file may be gone after a power failure. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Creates a directory, and its name durably. Its parent must exist or be creatable. */
export async function makeDirectory(directory: string): Promise<void> {
  const first = await mkdir(directory, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let made = path.resolve(directory); made.length >= first.length; made = path.dirname(made)) {
    await syncDirectory(path.dirname(made));
  }
}

/** Writes all of it. A short write goes on where it stopped. */
export async function writeAll(file: WritableFile, bytes: Buffer): Promise<void> {
  let written = 0;
  while (written < bytes.length) {
    const { bytesWritten } = await file.write(bytes, written, bytes.length - written, null);
    written += bytesWritten;
  }
}
