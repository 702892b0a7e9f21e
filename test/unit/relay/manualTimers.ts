import type { Timers } from '../../../services/runtime.ts';

interface Waiting {
  readonly at: number;
  readonly action: () => void;
}

/** Timers that run when a test says that time has passed. */
export class ManualTimers implements Timers {
  #now = 0;
  readonly #waiting = new Set<Waiting>();

  /** Milliseconds that have passed. */
  get now(): number {
    return this.#now;
  }

  /** Timers that are neither run nor cancelled. */
  get pending(): number {
    return this.#waiting.size;
  }

  after(delayMs: number, action: () => void): () => void {
    const entry = { at: this.#now + delayMs, action };
    this.#waiting.add(entry);
    return () => this.#waiting.delete(entry);
  }

  /** Lets time pass, running what falls due in its order, also what is set meanwhile. */
  advance(ms: number): void {
    const until = this.#now + ms;
    for (;;) {
      const next = this.#firstUntil(until);
      if (!next) break;
      this.#waiting.delete(next);
      this.#now = next.at;
      next.action();
    }
    this.#now = until;
  }

  #firstUntil(until: number): Waiting | undefined {
    return [...this.#waiting].filter(({ at }) => at <= until).sort((left, right) => left.at - right.at)[0];
  }
}
