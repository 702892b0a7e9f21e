import type { Clock } from '../runtime.ts';

/** A follower that is later than this makes its process unready: behind a late projection, holds stay for too long. */
export const MAX_LAG_MS = 30_000;

/**
 * Who is how late, in time: positions of some event stores count bytes, so their difference says little. A follower is
 * late when it has not yet come to a head that was seen `maxMs` ago.
 */
export class LagWatch {
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #maxMs: number;
  readonly #goals = new Map<string, { readonly head: bigint; readonly since: number }>();

  constructor(clock: Pick<Clock, 'monotonic'>, maxMs: number) {
    this.#clock = clock;
    this.#maxMs = maxMs;
  }

  /** To be asked now and then, with the follower's position and the newest one. */
  isLate(name: string, position: bigint, head: bigint): boolean {
    const now = this.#clock.monotonic();
    const goal = this.#goals.get(name);
    if (!goal || position >= goal.head) {
      this.#goals.set(name, { head, since: now });
      return false;
    }
    return now - goal.since > this.#maxMs;
  }
}
