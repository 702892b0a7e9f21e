import type { Timers } from '../../../projections/ports.ts';

/** Timers that fire when the test says so. */
export class ManualTimers implements Timers {
  readonly delays: number[] = [];
  readonly #actions = new Map<() => void, number>();

  get waiting(): number {
    return this.#actions.size;
  }

  after(delayMs: number, action: () => void): () => void {
    this.delays.push(delayMs);
    this.#actions.set(action, delayMs);
    return () => void this.#actions.delete(action);
  }

  /** Everything that waits happens now, or what waits for so long. */
  fire(delayMs?: number): void {
    for (const [action, delay] of [...this.#actions]) {
      if (delayMs !== undefined && delay !== delayMs) continue;
      this.#actions.delete(action);
      action();
    }
  }
}
