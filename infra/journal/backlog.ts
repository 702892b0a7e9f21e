import type { Entry } from './segments.ts';

/** The journal's entries that are not in the store yet, oldest first. */
export class Backlog {
  readonly #entries = new Set<Entry>();
  readonly #perStream = new Map<string, number>();
  #bytes = 0;

  get size(): number {
    return this.#entries.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  has(stream: string): boolean {
    return this.#perStream.has(stream);
  }

  add(entry: Entry): void {
    this.#entries.add(entry);
    this.#bytes += entry.bytes;
    const { stream } = entry.append;
    this.#perStream.set(stream, (this.#perStream.get(stream) ?? 0) + 1);
  }

  /** The entry is done with; its file has one less. */
  remove(entry: Entry): void {
    if (!this.#entries.delete(entry)) return;
    this.#bytes -= entry.bytes;
    entry.segment.pending -= 1;
    const { stream } = entry.append;
    const left = (this.#perStream.get(stream) ?? 1) - 1;
    if (left > 0) this.#perStream.set(stream, left);
    else this.#perStream.delete(stream);
  }

  /** The oldest entries, at most one of each stream, so that they may go to the store at once. */
  heads(limit: number): readonly Entry[] {
    const heads = new Map<string, Entry>();
    for (const entry of this.#entries) {
      if (heads.size === limit) break;
      const { stream } = entry.append;
      if (!heads.has(stream)) heads.set(stream, entry);
    }
    return [...heads.values()];
  }
}
