import { hash } from 'node:crypto';
import { readdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { createFile, makeDirectory, syncDirectory, writeAll } from './durableFile.ts';

/**
 * Where the journal keeps what it cannot bring to the store and must not drop: one durable file for each thing, named by
 * its hash, so that the same thing found twice is kept once. A person takes them away.
 */
export class Quarantine {
  readonly #directory: string;
  #count: number;

  static async open(directory: string): Promise<Quarantine> {
    await makeDirectory(directory);
    const names = await readdir(directory);
    for (const name of names) if (name.endsWith('.part')) await rm(path.join(directory, name));
    return new Quarantine(directory, names.filter((name) => name.endsWith('.json')).length);
  }

  private constructor(directory: string, count: number) {
    this.#directory = directory;
    this.#count = count;
  }

  /** Files in it. More than none is an alarm. */
  get count(): number {
    return this.#count;
  }

  /** Resolves when it is durable. Throws the error of the disk. */
  async keep(what: string, why: string): Promise<void> {
    const name = `${hash('sha256', what)}.json`;
    if ((await readdir(this.#directory)).includes(name)) return;
    const target = path.join(this.#directory, name);
    const part = `${target}.part`;
    await rm(part, { force: true });
    const file = await createFile(part);
    try {
      await writeAll(file, Buffer.from(`${JSON.stringify({ why, what }, null, 2)}\n`));
      await file.datasync();
    } finally {
      await file.close();
    }
    await rename(part, target);
    await syncDirectory(this.#directory);
    this.#count += 1;
  }
}
