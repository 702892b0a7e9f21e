import type { Clock, Random } from '../../../services/runtime.ts';

/** Time that passes only when told to. */
export class ManualClock implements Clock {
  #elapsedMs = 0;

  now(): number {
    return 1_700_000_000_000 + this.#elapsedMs;
  }

  monotonic(): number {
    return this.#elapsedMs;
  }

  pass(milliseconds: number): void {
    this.#elapsedMs += milliseconds;
  }
}

/** A repeatable random source (mulberry32). */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const fraction = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  return { fraction, bytes: (length) => Buffer.from(Array.from({ length }, () => Math.floor(fraction() * 256))) };
}
