import type { EventStore } from '../events/eventStore.ts';
import { cut, type EventPage } from './pages.ts';
import { backOffMs, pause } from './pause.ts';
import type { Log, Timers } from './ports.ts';
import { StoredEvent } from './storedEvent.ts';

/** Pages kept for readers that are a little slower than the fastest. */
const KEPT_PAGES = 4;
/** A reader that does not move for this long is stuck, and is left behind. */
const GRACE_MS = 1_000;

export interface FeedOptions {
  readonly store: EventStore;
  readonly timers: Timers;
  readonly log: Log;
  readonly after: bigint;
  readonly pageSize: number;
  /** Types that a reader will want decoded. */
  readonly types: ReadonlySet<string>;
  readonly signal: AbortSignal;
}

/**
 * The end of the log, read and decoded once for several readers. It reads one page ahead of the fastest and waits for the
 * slowest, so that nobody reads a page again; a reader that is stuck is left behind and must catch up by itself.
 */
export class LiveFeed {
  readonly #options: FeedOptions;
  readonly #readers = new Map<string, bigint>();
  #kept: readonly EventPage[] = [];
  #end: bigint;
  #waiting: readonly (() => void)[] = [];

  constructor(options: FeedOptions) {
    this.#options = options;
    this.#end = options.after;
    options.signal.addEventListener('abort', () => this.#changed());
  }

  /** Where a reader must stand, at least, to be served. */
  get begin(): bigint {
    return this.#kept[0]?.after ?? this.#end;
  }

  /** Where the next page will begin. */
  get end(): bigint {
    return this.#end;
  }

  /** Follows the store until the signal aborts. Never rejects: it subscribes again when the store fails. */
  async run(): Promise<void> {
    const { signal, timers, log } = this.#options;
    let failures = 0;
    while (!signal.aborted) {
      const before = this.#end;
      try {
        await this.#follow();
      } catch (error) {
        log.warn({ error, position: this.#end }, 'the subscription of the projections failed and is renewed');
      }
      failures = this.#end > before ? 1 : failures + 1;
      await pause(timers, backOffMs(failures), signal);
    }
  }

  /**
   * The next page for a reader that stands between `begin` and the head of the log; waits for it, no longer than
   * `idleMs`. Null when there was none, and once the signal aborts. Asking means that everything up to `after` is done.
   */
  async next(reader: string, after: bigint, idleMs: number): Promise<EventPage | null> {
    const { signal, timers } = this.#options;
    this.#readers.set(reader, after);
    this.#changed();
    const idle = new AbortController();
    const cancel = timers.after(idleMs, () => {
      idle.abort();
      this.#changed();
    });
    try {
      while (!signal.aborted && !idle.signal.aborted) {
        const page = this.#kept.find((kept) => kept.after <= after && kept.position > after);
        if (page) return cut(page, after, page.position);
        await this.#change();
      }
      return null;
    } finally {
      cancel();
    }
  }

  /** The feed no longer waits for this reader. */
  leave(reader: string): void {
    this.#readers.delete(reader);
    this.#changed();
  }

  async #follow(): Promise<void> {
    const { store, signal, pageSize, types } = this.#options;
    for await (const { events: recorded, position } of store.subscribe({ after: this.#end, limit: pageSize, signal })) {
      if (position === this.#end) continue;
      const events = recorded.map((event) => new StoredEvent(event));
      for (const event of events) if (types.has(event.recorded.type)) event.prepare();
      await this.#room();
      if (signal.aborted) return;
      this.#kept = [...this.#kept, { after: this.#end, position, events }].slice(-KEPT_PAGES);
      this.#end = position;
      this.#changed();
      await this.#demand();
    }
  }

  /** Until a reader has begun the last page. */
  async #demand(): Promise<void> {
    const begin = this.#kept.at(-1)?.after ?? this.#end;
    const wanted = () => [...this.#readers.values()].some((position) => position >= begin);
    while (!wanted() && !this.#options.signal.aborted) await this.#change();
  }

  /** Until every reader is through with the oldest page, or is found to be stuck. */
  async #room(): Promise<void> {
    const [oldest] = this.#kept;
    if (!oldest || this.#kept.length < KEPT_PAGES) return;
    const { timers, signal } = this.#options;
    const slow = () => [...this.#readers].filter(([, position]) => position < oldest.position);
    if (slow().length === 0) return;
    const grace = new AbortController();
    const cancel = timers.after(GRACE_MS, () => {
      grace.abort();
      this.#changed();
    });
    while (slow().length > 0 && !grace.signal.aborted && !signal.aborted) await this.#change();
    cancel();
    for (const [reader] of slow()) this.#readers.delete(reader);
  }

  #change(): Promise<void> {
    return new Promise((resolve) => (this.#waiting = [...this.#waiting, resolve]));
  }

  #changed(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resume of waiting) resume();
  }
}
