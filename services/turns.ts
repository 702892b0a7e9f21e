/** Work of one key runs one after another, in the order asked; other keys do not wait. */
export class Turns {
  readonly #lines = new Map<string, { open: number; last: Promise<unknown> | null }>();

  /** Whether work of this key is under way. */
  has(key: string): boolean {
    return this.#lines.has(key);
  }

  /** Runs `work` when all earlier work of the key has ended, however it ended. The outcome is that of `work`. */
  async run<T>(key: string, work: () => Promise<T>): Promise<T> {
    let line = this.#lines.get(key);
    if (!line) this.#lines.set(key, (line = { open: 0, last: null }));
    line.open += 1;
    const turn = line.last ? line.last.then(work, work) : work();
    line.last = turn;
    try {
      return await turn;
    } finally {
      line.open -= 1;
      if (line.open === 0) this.#lines.delete(key);
    }
  }

  /** Resolves when the work that is under way has ended. Never rejects. */
  async settled(): Promise<void> {
    await Promise.allSettled([...this.#lines.values()].flatMap(({ last }) => (last ? [last] : [])));
  }
}
