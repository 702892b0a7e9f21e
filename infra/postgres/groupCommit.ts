import { StoreUnavailable } from '../../events/eventStore.ts';

export interface GroupCommitOptions<T, R> {
  /** Items that may wait for the next batch; one more is refused. */
  readonly maxWaiting: number;
  /** Items in one batch. */
  readonly maxBatch: number;
  /** Makes a batch durable. One outcome per item, in the same order; a rejection fails every item of the batch. */
  readonly commit: (batch: readonly T[]) => Promise<readonly R[]>;
  /** Items with the same key never share a batch and keep their order. */
  readonly conflictKey?: (item: T) => string;
  /** What an item adds to the size of its batch, in the unit of `maxBatchSize`. An item above the maximum goes alone. */
  readonly sizeOf?: (item: T) => number;
  readonly maxBatchSize?: number;
  /** How long a caller waits at most, milliseconds, kept to a tenth; 5 s by default. */
  readonly timeoutMs?: number;
}

interface Entry<T, R> {
  readonly item: T;
  readonly since: number;
  readonly resolve: (result: R) => void;
  readonly reject: (error: Error) => void;
  expired: boolean;
}

const DEFAULT_TIMEOUT_MS = 5_000;

/**
 * A bounded queue whose waiting items are committed together, one batch at a time; the next batch goes as soon as the
 * last one returns, so the batches grow with the load. Items are committed in the order given, save where a conflict
 * key holds one back.
 */
export class GroupCommit<T, R> {
  readonly #options: GroupCommitOptions<T, R>;
  readonly #timeoutMs: number;
  #waiting: Entry<T, R>[] = [];
  #inFlight: readonly Entry<T, R>[] = [];
  #running = false;
  #closed = false;
  #expiry: NodeJS.Timeout | null = null;
  #onIdle: (() => void)[] = [];

  constructor(options: GroupCommitOptions<T, R>) {
    this.#options = options;
    this.#timeoutMs = options.timeoutMs ?? DEFAULT_TIMEOUT_MS;
  }

  /** Items that are not yet in a batch. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /**
   * Resolves with the item's own outcome after its batch is durable. Rejects with what `commit` threw, or with
   * StoreUnavailable when the queue is full or closed (not committed) or time ran out (perhaps committed).
   */
  submit(item: T): Promise<R> {
    if (this.#closed) return Promise.reject(new StoreUnavailable('the queue is closed'));
    if (this.#waiting.length >= this.#options.maxWaiting) {
      return Promise.reject(new StoreUnavailable('too many writes are waiting'));
    }
    return new Promise<R>((resolve, reject) => {
      this.#waiting.push({ item, since: performance.now(), resolve, reject, expired: false });
      if (!this.#running) this.#start();
    });
  }

  /** Refuses further items and resolves when those it has are settled. */
  async close(): Promise<void> {
    this.#closed = true;
    if (!this.#running) return;
    await new Promise<void>((resolve) => this.#onIdle.push(resolve));
  }

  #start(): void {
    this.#running = true;
    this.#expiry = setInterval(() => {
      this.#expire();
    }, this.#timeoutMs / 10);
    // Everything that this turn of the event loop still submits joins the first batch.
    setImmediate(() => void this.#run());
  }

  /** Commits until nothing waits. Never rejects. */
  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      this.#inFlight = this.#takeBatch();
      await this.#commit(this.#inFlight);
      this.#inFlight = [];
      // Lets the callers just answered submit again before the next batch is cut.
      await new Promise((resolve) => setImmediate(resolve));
    }
    this.#running = false;
    if (this.#expiry) clearInterval(this.#expiry);
    for (const resolve of this.#onIdle.splice(0)) resolve();
  }

  async #commit(batch: readonly Entry<T, R>[]): Promise<void> {
    if (batch.length === 0) return;
    try {
      const results = await this.#options.commit(batch.map((entry) => entry.item));
      if (results.length !== batch.length) throw new Error('a commit returned another number of outcomes than items');
      results.forEach((result, index) => batch[index]?.resolve(result));
    } catch (error) {
      const reason = error instanceof Error ? error : new Error('a commit failed', { cause: error });
      for (const entry of batch) entry.reject(reason);
    }
  }

  #takeBatch(): Entry<T, R>[] {
    const { maxBatch, maxBatchSize = Infinity, conflictKey, sizeOf } = this.#options;
    const batch: Entry<T, R>[] = [];
    const heldBack: Entry<T, R>[] = [];
    const keys = new Set<string>();
    let size = 0;
    let next = 0;
    for (; next < this.#waiting.length && batch.length < maxBatch; next += 1) {
      const entry = this.#waiting[next];
      if (!entry) continue;
      const key = conflictKey?.(entry.item);
      if (key !== undefined && keys.has(key)) {
        heldBack.push(entry);
        continue;
      }
      size += sizeOf?.(entry.item) ?? 0;
      if (size > maxBatchSize && batch.length > 0) break;
      if (key !== undefined) keys.add(key);
      batch.push(entry);
    }
    this.#waiting = heldBack.concat(this.#waiting.slice(next));
    return batch;
  }

  /** Answers callers whose time is up; what waits is dropped, what is in flight may still succeed. */
  #expire(): void {
    const bound = performance.now() - this.#timeoutMs;
    for (const entries of [this.#inFlight, this.#waiting]) {
      for (const entry of entries) {
        if (entry.expired || entry.since > bound) continue;
        entry.expired = true;
        entry.reject(new StoreUnavailable(`no answer within ${String(this.#timeoutMs)} ms`));
      }
    }
    this.#waiting = this.#waiting.filter((entry) => !entry.expired);
  }
}
