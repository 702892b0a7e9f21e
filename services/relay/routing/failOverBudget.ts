const BUCKET_MS = 1_000;

export interface FailOverBudgetOptions {
  /** Fail-overs per call that are always fine. */
  readonly ratio: number;
  /** Fail-overs per window that are fine however few calls there are. */
  readonly floor: number;
  readonly windowMs: number;
}

export const DEFAULT_FAIL_OVER_BUDGET: FailOverBudgetOptions = { ratio: 0.1, floor: 10, windowMs: 10_000 };

/**
 * Keeps an outage from doubling the load on what still works: fail-overs are at most a share of the calls of a sliding
 * window, in buckets of one second. Times are monotonic milliseconds given by the caller.
 */
export class FailOverBudget {
  readonly #options: FailOverBudgetOptions;
  readonly #calls: number[];
  readonly #failOvers: number[];
  #totalCalls = 0;
  #totalFailOvers = 0;
  #bucket = 0;

  constructor(options: FailOverBudgetOptions) {
    this.#options = options;
    const buckets = Math.max(1, Math.ceil(options.windowMs / BUCKET_MS));
    this.#calls = new Array<number>(buckets).fill(0);
    this.#failOvers = new Array<number>(buckets).fill(0);
  }

  countCall(now: number): void {
    const index = this.#advance(now);
    this.#calls[index] = (this.#calls[index] ?? 0) + 1;
    this.#totalCalls += 1;
  }

  countFailOver(now: number): void {
    const index = this.#advance(now);
    this.#failOvers[index] = (this.#failOvers[index] ?? 0) + 1;
    this.#totalFailOvers += 1;
  }

  exhausted(now: number): boolean {
    this.#advance(now);
    return this.#totalFailOvers >= Math.max(this.#options.floor, this.#options.ratio * this.#totalCalls);
  }

  /** Forgets buckets that left the window; returns the index of the current one. */
  #advance(now: number): number {
    const size = this.#calls.length;
    const bucket = Math.floor(now / BUCKET_MS);
    const oldest = Math.max(this.#bucket + 1, bucket - size + 1);
    for (let passed = oldest; passed <= bucket; passed += 1) {
      const index = passed % size;
      this.#totalCalls -= this.#calls[index] ?? 0;
      this.#totalFailOvers -= this.#failOvers[index] ?? 0;
      this.#calls[index] = 0;
      this.#failOvers[index] = 0;
    }
    this.#bucket = Math.max(this.#bucket, bucket);
    return this.#bucket % size;
  }
}
