/** How much each name has of something that is limited: a key of places, an account of bytes. */
export class Tally {
  readonly #amounts = new Map<string, number>();

  /** Names that have anything; the others are forgotten. */
  get size(): number {
    return this.#amounts.size;
  }

  /** Gives `amount` more to a name, unless it would then have more than `most`. Tells whether it did. */
  take(name: string, most: number, amount = 1): boolean {
    const after = (this.#amounts.get(name) ?? 0) + amount;
    if (after > most) return false;
    this.#amounts.set(name, after);
    return true;
  }

  /** What was taken before; never leaves a name with less than nothing. */
  giveBack(name: string, amount = 1): void {
    const after = (this.#amounts.get(name) ?? 0) - amount;
    if (after > 0) this.#amounts.set(name, after);
    else this.#amounts.delete(name);
  }
}
