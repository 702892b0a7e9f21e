import { open, readFile, readdir, rm } from 'node:fs/promises';
import path from 'node:path';
import type { Append } from '../../events/eventStore.ts';
import { makeDirectory, syncDirectory, writeAll, type CreateFile, type WritableFile } from './durableFile.ts';
import { readPieces, type Piece } from './journalLine.ts';

/** An append in the journal and the file that holds it. */
export interface Entry {
  readonly append: Append;
  readonly bytes: number;
  readonly segment: Segment;
}

/** One file of the journal. It goes when it is sealed and nothing in it is left to bring to the store. */
export interface Segment {
  readonly file: string;
  bytes: number;
  pending: number;
}

export interface SegmentsOptions {
  readonly directory: string;
  /** A file of this size is followed by a new one. */
  readonly segmentBytes: number;
  readonly create: CreateFile;
}

const LINE_FEED = 0x0a;
const NAME = /^journal-(\d{10})\.ndjson$/;
const nameOf = (number: number) => `journal-${String(number).padStart(10, '0')}.ndjson`;

/**
 * The journal's files, in order. Only the newest is written, each write is durable before it returns, and after a failed
 * write that file is given up, for nobody knows what the disk still holds of it.
 */
export class Segments {
  readonly #options: SegmentsOptions;
  readonly #segments = new Set<Segment>();
  #active: { readonly segment: Segment; readonly handle: WritableFile } | null = null;
  #next = 1;
  #busy: Promise<void> = Promise.resolve();

  constructor(options: SegmentsOptions) {
    this.#options = options;
  }

  /** Bytes of all files. */
  get bytes(): number {
    let bytes = 0;
    for (const segment of this.#segments) bytes += segment.bytes;
    return bytes;
  }

  /**
   * Reads what an earlier process left. An incomplete last line of the last file was never acknowledged and is cut off;
   * any other damage is returned, and stays in its file.
   */
  async open(): Promise<{ readonly entries: Entry[]; readonly damaged: Buffer[]; readonly cutBytes: number }> {
    const { directory } = this.#options;
    await makeDirectory(directory);
    const names = (await readdir(directory)).filter((name) => NAME.test(name)).sort();
    const entries: Entry[] = [];
    const damaged: Buffer[] = [];
    let cutBytes = 0;
    for (const name of names) {
      const file = path.join(directory, name);
      const pieces = readPieces(await readFile(file));
      if (name === names.at(-1)) cutBytes = await cutTornEnd(file, pieces);
      const segment: Segment = { file, bytes: 0, pending: 0 };
      this.#segments.add(segment);
      for (const piece of pieces) this.#adopt(piece, segment, entries, damaged);
      this.#next = Number(NAME.exec(name)?.[1]) + 1;
    }
    return { entries, damaged, cutBytes };
  }

  #adopt(piece: Piece, segment: Segment, entries: Entry[], damaged: Buffer[]): void {
    if (piece.kind === 'damaged') {
      segment.bytes += piece.raw.length;
      damaged.push(piece.raw);
      return;
    }
    segment.bytes += piece.bytes;
    segment.pending += 1;
    entries.push({ append: piece.append, bytes: piece.bytes, segment });
  }

  /** Writes lines behind all others; durable when it resolves. Throws the error of the disk; the lines may then be there or not. */
  write(lines: readonly { readonly append: Append; readonly line: Buffer }[]): Promise<Entry[]> {
    return this.#alone(() => this.#write(lines));
  }

  /** Deletes files that hold nothing any more. Returns whether there were any. Throws the error of the disk. */
  removeDrained(): Promise<boolean> {
    return this.#alone(() => this.#removeDrained());
  }

  async close(): Promise<void> {
    await this.#alone(() => this.#seal());
  }

  /** What writes or closes files runs one after another. */
  #alone<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#busy.then(work, work);
    this.#busy = turn.then(
      () => undefined,
      () => undefined,
    );
    return turn;
  }

  async #write(lines: readonly { readonly append: Append; readonly line: Buffer }[]): Promise<Entry[]> {
    const { segment, handle } = await this.#writable();
    const bytes = Buffer.concat(lines.map(({ line }) => line));
    try {
      await writeAll(handle, bytes);
      await handle.datasync();
    } catch (error) {
      await this.#giveUp(segment, handle, error);
      throw error;
    }
    segment.bytes += bytes.length;
    segment.pending += lines.length;
    return lines.map(({ append, line }) => ({ append, bytes: line.length, segment }));
  }

  async #removeDrained(): Promise<boolean> {
    const drained = [...this.#segments].filter((segment) => segment.pending === 0);
    if (drained.length === 0) return false;
    for (const segment of drained) {
      if (this.#active?.segment === segment) await this.#seal();
      await rm(segment.file, { force: true });
      this.#segments.delete(segment);
    }
    await syncDirectory(this.#options.directory);
    return true;
  }

  async #writable(): Promise<{ readonly segment: Segment; readonly handle: WritableFile }> {
    if (this.#active && this.#active.segment.bytes >= this.#options.segmentBytes) await this.#seal();
    if (this.#active) return this.#active;
    const { directory, create } = this.#options;
    const file = path.join(directory, nameOf(this.#next));
    this.#next += 1;
    const handle = await create(file);
    const segment: Segment = { file, bytes: 0, pending: 0 };
    this.#segments.add(segment);
    try {
      await syncDirectory(directory);
    } catch (error) {
      await this.#giveUp(segment, handle, error);
      throw error;
    }
    this.#active = { segment, handle };
    return this.#active;
  }

  async #seal(): Promise<void> {
    const active = this.#active;
    this.#active = null;
    await active?.handle.close();
  }

  /** What was acknowledged stays; the rest is cut off if the disk still does that. If not, the next start finds it damaged. */
  async #giveUp(segment: Segment, handle: WritableFile, cause: unknown): Promise<void> {
    this.#active = null;
    try {
      await handle.truncate(segment.bytes);
      await handle.close();
    } catch (error) {
      throw new AggregateError([cause, error], 'the journal was not written, and its failed write not undone', {
        cause: error,
      });
    }
  }
}

/** A write that was cut short has no line feed at its end. Removes it from file and list; returns how many bytes it had. */
async function cutTornEnd(file: string, pieces: Piece[]): Promise<number> {
  const last = pieces.at(-1);
  if (last?.kind !== 'damaged' || last.raw.at(-1) === LINE_FEED) return 0;
  pieces.pop();
  const handle = await open(file, 'r+');
  try {
    const { size } = await handle.stat();
    await handle.truncate(size - last.raw.length);
    await handle.sync();
  } finally {
    await handle.close();
  }
  return last.raw.length;
}
