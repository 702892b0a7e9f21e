export interface CoolingOptions {
  /** Failures in a row before a channel cools off. */
  readonly failuresInRow: number;
  /** The first cooling; each further one without a success between doubles it. */
  readonly firstMs: number;
  readonly maxMs: number;
  /** The longest cooling that an upstream may ask for. */
  readonly maxHintMs: number;
  /** How long one probe may keep others away when its outcome is never told. */
  readonly probeMs: number;
}

export const DEFAULT_COOLING: CoolingOptions = {
  failuresInRow: 3,
  firstMs: 5_000,
  maxMs: 60_000,
  maxHintMs: 600_000,
  probeMs: 10_000,
};

export type HealthState = 'ready' | 'cooling' | 'half_open';

/**
 * Whether a channel deserves a call. Failures in a row cool it off for a growing time; then a single probe decides
 * whether it is ready again. All times are monotonic milliseconds given by the caller.
 */
export class ChannelHealth {
  readonly #options: CoolingOptions;
  #failures = 0;
  #coolings = 0;
  #coolsUntil: number | null = null;
  #probeUntil = Number.NEGATIVE_INFINITY;

  constructor(options: CoolingOptions) {
    this.#options = options;
  }

  state(now: number): HealthState {
    if (this.#coolsUntil === null) return 'ready';
    return now < this.#coolsUntil ? 'cooling' : 'half_open';
  }

  /** Milliseconds until the cooling ends, 0 when it does not cool. */
  coolsForMs(now: number): number {
    return this.#coolsUntil === null ? 0 : Math.max(0, this.#coolsUntil - now);
  }

  /** Asks for one call. A half-open channel admits one, its probe, and no other until that one's outcome is known. */
  admit(now: number): boolean {
    const state = this.state(now);
    if (state !== 'half_open') return state === 'ready';
    if (now < this.#probeUntil) return false;
    this.#probeUntil = now + this.#options.probeMs;
    return true;
  }

  /** A success of an older call does not end a cooling before its time. */
  succeeded(now: number): void {
    this.#failures = 0;
    if (this.state(now) === 'cooling') return;
    this.#coolsUntil = null;
    this.#coolings = 0;
  }

  /** `hintMs`: cool off at once for that long. Null: one more failure in a row. */
  failed(now: number, hintMs: number | null): void {
    this.#failures += 1;
    if (hintMs !== null) {
      const until = now + Math.min(hintMs, this.#options.maxHintMs);
      this.#coolsUntil = Math.max(until, this.#coolsUntil ?? until);
      return;
    }
    const state = this.state(now);
    if (state === 'cooling') return;
    if (state === 'ready' && this.#failures < this.#options.failuresInRow) return;
    const durationMs = Math.min(this.#options.maxMs, this.#options.firstMs * 2 ** Math.min(this.#coolings, 30));
    this.#coolings += 1;
    this.#coolsUntil = now + durationMs;
    this.#probeUntil = Number.NEGATIVE_INFINITY;
  }
}
