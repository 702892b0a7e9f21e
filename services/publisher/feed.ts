import type { Page, RecordedEvent } from '../../events/eventStore.ts';
import type { Timers } from '../runtime.ts';

/** Events that may wait to be published; reading goes on when there are fewer. */
const MOST_WAITING = 1_000;

interface Waiter {
  readonly count: number;
  readonly resolve: () => void;
}

/** Reads ahead while a send is on its way, so that what has come meanwhile shares the next one. */
export class Feed {
  readonly #timers: Timers;
  readonly #pageSize: number;
  #waiting: RecordedEvent[] = [];
  /** Everything up to here has been read. */
  #position: bigint;
  #taken: bigint;
  #lastPageWasFull = false;
  #ended = false;
  #failure: { readonly error: unknown } | null = null;
  #waiter: Waiter | null = null;
  #resume: (() => void) | null = null;

  /** Reads until the pages end, which they do when their signal aborts. */
  constructor(options: {
    readonly pages: AsyncIterable<Page>;
    readonly pageSize: number;
    readonly after: bigint;
    readonly timers: Timers;
    readonly signal: AbortSignal;
  }) {
    this.#timers = options.timers;
    this.#pageSize = options.pageSize;
    this.#position = options.after;
    this.#taken = options.after;
    options.signal.addEventListener('abort', () => this.#resume?.());
    void this.#read(options.pages, options.signal);
  }

  /** Nothing more will come. */
  get ended(): boolean {
    return this.#ended;
  }

  /** Whether everything that the store was seen to hold has been taken. */
  get caughtUp(): boolean {
    return this.#position === this.#taken && !this.#lastPageWasFull;
  }

  /**
   * Resolves when so many events wait, or for a count of 0 when the position moved at all; at the latest after `waitMs`,
   * when that is not null, and when the pages have ended. Throws what reading threw.
   */
  async wait(count: number, waitMs: number | null): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#waiter = { count, resolve: () => resolve(undefined) };
    const cancel = waitMs === null ? null : this.#timers.after(waitMs, () => resolve(undefined));
    this.#wake();
    await promise;
    cancel?.();
    this.#waiter = null;
    if (this.#failure) throw this.#failure.error;
  }

  /** At most so many events, and the position up to which they are everything. */
  take(limit: number): Page {
    const events = this.#waiting.splice(0, limit);
    this.#taken = this.#waiting.length > 0 ? (events.at(-1)?.position ?? this.#taken) : this.#position;
    this.#resume?.();
    return { events, position: this.#taken };
  }

  async #read(pages: AsyncIterable<Page>, signal: AbortSignal): Promise<void> {
    try {
      for await (const page of pages) {
        this.#waiting.push(...page.events);
        this.#position = page.position;
        this.#lastPageWasFull = page.events.length >= this.#pageSize;
        this.#wake();
        if (this.#waiting.length >= MOST_WAITING && !signal.aborted) await this.#room();
        if (signal.aborted) break;
      }
    } catch (error) {
      this.#failure = { error };
    }
    this.#ended = true;
    this.#wake();
  }

  async #room(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    this.#resume = () => resolve(undefined);
    await promise;
    this.#resume = null;
  }

  #wake(): void {
    if (!this.#waiter) return;
    const moved = this.#position > this.#taken && this.#waiting.length >= this.#waiter.count;
    if (moved || this.#ended) this.#waiter.resolve();
  }
}
