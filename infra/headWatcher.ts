import type { Log } from '../services/runtime.ts';
import { pause } from './abortable.ts';

const LONGEST_PAUSE_MS = 1_000;

interface Waiter {
  readonly after: bigint;
  readonly wake: () => void;
}

/**
 * Knows the newest position of the log, for any number of subscriptions: it polls while somebody waits, and is told at
 * once of what this process appends. While the store cannot be reached it asks less and less often, up to once a second.
 */
export class HeadWatcher {
  readonly #read: () => Promise<bigint>;
  readonly #pollMs: number;
  readonly #log: Log;
  readonly #waiters = new Set<Waiter>();
  #head = 0n;
  #polling = false;
  #nextPoll = new AbortController();

  constructor(options: { readonly read: () => Promise<bigint>; readonly pollMs: number; readonly log: Log }) {
    this.#read = options.read;
    this.#pollMs = options.pollMs;
    this.#log = options.log;
  }

  /** The log has come at least this far. */
  advanced(head: bigint): void {
    if (head <= this.#head) return;
    this.#head = head;
    for (const waiter of [...this.#waiters]) if (waiter.after < head) waiter.wake();
  }

  /** Somebody says that the log has come this far: while anybody waits, the store is asked now and not only at the next poll. */
  hinted(head: bigint): void {
    if (head > this.#head) this.#nextPoll.abort();
  }

  /** Resolves when there is an event after this position, or when the signal aborts. */
  async beyond(after: bigint, signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.#head > after) return;
    await new Promise<void>((resolve) => {
      const waiter = {
        after,
        wake: () => {
          this.#waiters.delete(waiter);
          signal.removeEventListener('abort', waiter.wake);
          resolve();
        },
      };
      this.#waiters.add(waiter);
      signal.addEventListener('abort', waiter.wake);
      if (!this.#polling) void this.#poll();
    });
  }

  /** Polls until nobody waits. Never rejects. */
  async #poll(): Promise<void> {
    this.#polling = true;
    let pauseMs = this.#pollMs;
    while (this.#waiters.size > 0) {
      // Before reading, so that a hint that comes meanwhile is not lost.
      this.#nextPoll = new AbortController();
      try {
        this.advanced(await this.#read());
        if (pauseMs > this.#pollMs) this.#log.info({}, 'the event store answers again');
        pauseMs = this.#pollMs;
      } catch (error) {
        if (pauseMs === this.#pollMs) this.#log.warn({ error }, 'the event store does not answer');
        pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
      }
      await pause(pauseMs, this.#nextPoll.signal);
    }
    this.#polling = false;
  }
}
