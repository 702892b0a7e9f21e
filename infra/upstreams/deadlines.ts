import { Roster, type RosterMember } from '../../services/roster.ts';

/** What the deadlines look at. `check` is called about ten times a second until it is taken off the list. */
export interface Watched extends RosterMember {
  check(now: number): void;
}

export const TICK_MS = 100;
/** A tick this late means that our own process stood still: what arrived meanwhile is read before anybody is blamed. */
const STALL_MS = 5 * TICK_MS;

/**
 * One coarse monotonic clock for all calls: a single timer instead of several per call, and nothing at all per chunk.
 * A deadline is noticed up to two ticks late. The timer does not keep the process alive.
 */
export class Deadlines {
  readonly #watched = new Roster<Watched>();
  readonly #timer: NodeJS.Timeout;
  /** Monotonic milliseconds of the last tick. */
  now = performance.now();
  #skipped = false;

  constructor() {
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.#timer.unref();
  }

  watch(watched: Watched): void {
    this.#watched.add(watched);
  }

  unwatch(watched: Watched): void {
    this.#watched.remove(watched);
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const before = this.now;
    this.now = performance.now();
    this.#skipped = !this.#skipped && this.now - before > STALL_MS;
    if (this.#skipped) return;
    for (const watched of this.#watched.all()) watched.check(this.now);
  }
}
