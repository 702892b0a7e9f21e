import type { Timers } from '../../runtime.ts';

/** The timers of a session, which end with it. */
export class Schedule {
  readonly #timers: Timers;
  readonly #pending = new Set<() => void>();

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  after(ms: number, action: () => void): void {
    const cancel = this.#timers.after(ms, () => {
      this.#pending.delete(cancel);
      action();
    });
    this.#pending.add(cancel);
  }

  every(ms: number, action: () => void): void {
    this.after(ms, () => {
      this.every(ms, action);
      action();
    });
  }

  clear(): void {
    for (const cancel of this.#pending) cancel();
    this.#pending.clear();
  }
}
