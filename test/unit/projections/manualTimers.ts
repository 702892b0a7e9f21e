import type { Timers } from '../../../projections/ports.ts';

/** Timers that fire when the test says so. */
export class ManualTimers implements Timers {
  readonly delays: number[] = [];
  readonly #actions = new Set<() => void>();

  get waiting(): number {
    return this.#actions.size;
  }

  after(delayMs: number, action: () => void): () => void {
    this.delays.push(delayMs);
    this.#actions.add(action);
    return () => void this.#actions.delete(action);
  }

  /** Everything that waits happens now. */
  fire(): void {
    const actions = [...this.#actions];
    this.#actions.clear();
    for (const action of actions) action();
  }
}
