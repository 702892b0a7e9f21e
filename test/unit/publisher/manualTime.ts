import type { Clock, Timers } from '../../../services/runtime.ts';

/** Turns of the event loop in which everything that does not wait for time comes to rest. */
const TURNS = 60;

interface Waiting {
  readonly at: number;
  readonly action: () => void;
}

/** A clock and timers that stand still until the test lets time pass. */
export class ManualTime implements Clock, Timers {
  #now = 0;
  readonly #waiting = new Set<Waiting>();

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  after(delayMs: number, action: () => void): () => void {
    const entry = { at: this.#now + delayMs, action };
    this.#waiting.add(entry);
    return () => this.#waiting.delete(entry);
  }

  /** Lets everything come to rest, then time pass, timer by timer, each with what follows from it. */
  async pass(ms: number): Promise<void> {
    const until = this.#now + ms;
    for (;;) {
      await rest();
      const [next] = [...this.#waiting].filter(({ at }) => at <= until).sort((left, right) => left.at - right.at);
      if (!next) break;
      this.#waiting.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.action();
    }
    this.#now = until;
  }
}

async function rest(): Promise<void> {
  for (let turn = 0; turn < TURNS; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
