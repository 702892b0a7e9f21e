import type { Timers } from './ports.ts';

const TIMEOUT_MS = 5_000;

/** A projection did not reach a position in time; it may still do so. */
export class ProjectionLagging extends Error {
  override readonly name = 'ProjectionLagging';
}

interface Waiter {
  readonly arrived: () => boolean;
  readonly resolve: () => void;
}

/** Waits until projections have arrived at positions, as far as somebody else learns where they are. */
export class Arrivals {
  readonly #timers: Timers;
  readonly #names: readonly string[];
  readonly #positionOf: (name: string) => bigint | null;
  readonly #trouble: () => unknown;
  #waiters: readonly Waiter[] = [];

  /** `positionOf` is what is known now, null for nothing; `trouble` why nothing newer is known, undefined for nothing. */
  constructor(
    timers: Timers,
    names: readonly string[],
    positionOf: (name: string) => bigint | null,
    trouble: () => unknown = () => undefined,
  ) {
    this.#trouble = trouble;
    this.#timers = timers;
    this.#names = names;
    this.#positionOf = positionOf;
  }

  /** Whether anybody waits. */
  get awaited(): boolean {
    return this.#waiters.length > 0;
  }

  /** Whoever learns of other positions says so. */
  look(): void {
    for (const waiter of this.#waiters) {
      if (waiter.arrived()) waiter.resolve();
    }
  }

  /**
   * Resolves when the named projections, or all, have committed everything up to a position. Events of parked accounts
   * count as done. Throws ProjectionLagging after `timeoutMs`.
   */
  async wait(position: bigint, names = this.#names, timeoutMs = TIMEOUT_MS): Promise<void> {
    if (names.some((name) => !this.#names.includes(name))) {
      throw new Error(`not all of these are running projections: ${names.join(', ')}`);
    }
    const behind = () => names.filter((name) => (this.#positionOf(name) ?? -1n) < position);
    if (behind().length === 0) return;
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    const cancel = this.#timers.after(timeoutMs, () => {
      const late = behind().map((name) => `${name} at ${String(this.#positionOf(name) ?? 'an unknown position')}`);
      const message = `not at position ${String(position)} in time: ${late.join(', ')}`;
      reject(new ProjectionLagging(message, { cause: this.#trouble() }));
    });
    const waiter = { arrived: () => behind().length === 0, resolve: () => resolve(undefined) };
    this.#waiters = [...this.#waiters, waiter];
    try {
      await promise;
    } finally {
      cancel();
      this.#waiters = this.#waiters.filter((other) => other !== waiter);
    }
  }
}
