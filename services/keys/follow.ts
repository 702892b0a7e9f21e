import { decode, type DomainEvent } from '../../events/codec.ts';
import type { EventStore, Page } from '../../events/eventStore.ts';
import { pauseFor } from '../pauseFor.ts';
import type { Runtime } from '../runtime.ts';

const PAGE = 1_000;
const FIRST_RETRY_MS = 50;
const LONGEST_RETRY_MS = 5_000;
const DEFAULT_WAIT_MS = 5_000;

/** Memory that is filled from the log and then kept up to date by it. */
export interface Follower {
  /** Every event up to here was applied or is of no interest. */
  readonly position: bigint;
  /** Why following fails just now; null while it works. The last good state stays in use meanwhile. */
  readonly failure: unknown;
  /** Resolves when `position` is reached; rejects after `timeoutMs` (5 000) or when following has stopped. */
  caughtUp(position: bigint, timeoutMs?: number): Promise<void>;
  /** Resolves when the signal has aborted and nothing will be applied any more. */
  readonly stopped: Promise<void>;
}

export interface FollowOptions {
  readonly signal: AbortSignal;
  readonly runtime: Runtime;
}

/**
 * Applies all events of some categories, from the first on, in order, each once. Resolves when everything that stood in
 * the log at the start is applied, and goes on following. A failure of the store, a malformed event or a throwing `apply`
 * is logged and tried again at the same event, with growing pauses: it is never skipped, for it might be a revocation.
 * Rejects only when the signal aborts first.
 */
export async function followEvents(
  store: EventStore,
  categories: readonly string[],
  apply: (event: DomainEvent) => void,
  options: FollowOptions,
): Promise<Follower> {
  const follower = new EventFollower(store, categories, apply, options);
  await follower.start();
  return follower;
}

interface Waiter {
  readonly position: bigint;
  readonly settle: (error: Error | null) => void;
}

class EventFollower implements Follower {
  readonly #store: EventStore;
  readonly #categories: readonly string[];
  readonly #apply: (event: DomainEvent) => void;
  readonly #signal: AbortSignal;
  readonly #runtime: Runtime;
  readonly #waiters = new Set<Waiter>();
  #position = 0n;
  #failure: unknown = null;
  #stopped: Promise<void> = Promise.resolve();

  constructor(
    store: EventStore,
    categories: readonly string[],
    apply: (event: DomainEvent) => void,
    { signal, runtime }: FollowOptions,
  ) {
    this.#store = store;
    this.#categories = categories;
    this.#apply = apply;
    this.#signal = signal;
    this.#runtime = runtime;
  }

  get position(): bigint {
    return this.#position;
  }

  get failure(): unknown {
    return this.#failure;
  }

  get stopped(): Promise<void> {
    return this.#stopped;
  }

  async start(): Promise<void> {
    const head = await this.#persist(() => this.#store.head());
    this.#stopped = this.#persist(() => this.#follow()).then(() => {
      for (const waiter of this.#waiters) waiter.settle(new Error('following has stopped'));
    });
    this.#signal.throwIfAborted();
    await this.#reached(head ?? 0n, null);
  }

  caughtUp(position: bigint, timeoutMs = DEFAULT_WAIT_MS): Promise<void> {
    return this.#reached(position, timeoutMs);
  }

  #reached(position: bigint, timeoutMs: number | null): Promise<void> {
    if (this.#position >= position) return Promise.resolve();
    if (this.#signal.aborted) return Promise.reject(new Error('following has stopped'));
    return new Promise((resolve, reject) => {
      const settle = (error: Error | null) => {
        cancel();
        this.#waiters.delete(waiter);
        if (error) reject(error);
        else resolve();
      };
      const waiter = { position, settle };
      const late = () => settle(new Error(`position ${String(position)} was not reached in time`));
      const cancel = timeoutMs === null ? () => undefined : this.#runtime.timers.after(timeoutMs, late);
      this.#waiters.add(waiter);
    });
  }

  async #follow(): Promise<void> {
    const pages = this.#store.subscribe({
      after: this.#position,
      limit: PAGE,
      categories: this.#categories,
      signal: this.#signal,
    });
    for await (const page of pages) this.#take(page);
    if (!this.#signal.aborted) throw new Error('the subscription ended');
  }

  #take(page: Page): void {
    for (const recorded of page.events) {
      const event = decode(recorded);
      if (event) this.#apply(event);
      this.#position = recorded.position;
    }
    this.#position = page.position;
    this.#failure = null;
    for (const waiter of this.#waiters) if (waiter.position <= this.#position) waiter.settle(null);
  }

  /** Runs `work` again and again until it succeeds, or gives null once the signal has aborted. Never rejects. */
  async #persist<T>(work: () => Promise<T>): Promise<T | null> {
    let pauseMs = FIRST_RETRY_MS;
    while (!this.#hasStopped()) {
      const before = this.#position;
      try {
        return await work();
      } catch (error) {
        if (this.#hasStopped()) return null;
        this.#failure = error;
        const fields = { error, categories: this.#categories, position: String(this.#position) };
        this.#runtime.log.error(fields, 'following the log failed; trying again');
      }
      if (this.#position > before) pauseMs = FIRST_RETRY_MS;
      await pauseFor(this.#runtime.timers, pauseMs, this.#signal);
      pauseMs = Math.min(pauseMs * 2, LONGEST_RETRY_MS);
    }
    return null;
  }

  #hasStopped(): boolean {
    return this.#signal.aborted;
  }
}
