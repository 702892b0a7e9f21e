/** Admits at most `places` at once and lets at most `maxWaiting` wait, first come first served. Never more of either. */
export class ConnectionGate<T> {
  readonly #maxWaiting: number;
  readonly #waiting = new Set<T>();
  #free: number;

  constructor(places: number, maxWaiting: number) {
    this.#free = places;
    this.#maxWaiting = maxWaiting;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** `admitted`: the caller holds a place and must `leave`. `waiting`: it will be the result of somebody's `leave`. */
  enter(one: T): 'admitted' | 'waiting' | 'full' {
    if (this.#free > 0) {
      this.#free -= 1;
      return 'admitted';
    }
    if (this.#waiting.size >= this.#maxWaiting) return 'full';
    this.#waiting.add(one);
    return 'waiting';
  }

  /** Gives a place up. The result, if any, has waited longest and holds the place from now on. */
  leave(): T | undefined {
    for (const next of this.#waiting) {
      this.#waiting.delete(next);
      return next;
    }
    this.#free += 1;
    return undefined;
  }

  /** Waits no longer. */
  withdraw(one: T): void {
    this.#waiting.delete(one);
  }
}
