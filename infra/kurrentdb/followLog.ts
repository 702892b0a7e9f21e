import type { EventStore, Page, RecordedEvent } from '../../events/eventStore.ts';
import { StoreUnavailable } from '../../events/eventStore.ts';
import type { Log } from '../../services/runtime.ts';
import { pause, untilAborted } from '../abortable.ts';
import type { HeadWatcher } from '../headWatcher.ts';
import { asStoreError } from './failures.ts';
import type { Subscription } from './kurrentClient.ts';
import { positionOf, type KurrentRecord, type LogPlace } from './storedForm.ts';

export interface FollowOptions {
  readonly after: bigint;
  readonly limit: number;
  readonly categories?: readonly string[];
  readonly signal: AbortSignal;
}

export interface FollowParts {
  readonly open: (after: LogPlace | 'start', onChange: () => void) => Subscription;
  /** The event that a record holds, or null when it is not wanted. */
  readonly wanted: (record: KurrentRecord) => RecordedEvent | null;
  readonly readAll: EventStore['readAll'];
  readonly head: HeadWatcher;
  /** The least time between two pages that are not full, milliseconds. */
  readonly pageMs: number;
  /** After this long without a word, a subscription that missed something is opened anew, milliseconds. */
  readonly silenceMs: number;
  readonly log: Log;
}

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1_000;
/** So long a subscription may take to tell what is known to be in the log, before it is read instead. */
const QUIET_MS = 50;

/**
 * Pages after a position until the signal aborts. A subscription brings the events. The server says how far it looked
 * only now and then, so where it stays quiet although the log has grown, one read moves the position; events that both
 * bring are given once. A lost subscription is opened again behind what was given. Throws only what will not pass.
 */
export async function* followLog(parts: FollowParts, options: FollowOptions): AsyncGenerator<Page, void, undefined> {
  const { signal, limit } = options;
  const feed = new Feed(parts, options);
  try {
    while (!signal.aborted) {
      const notBefore = performance.now() + parts.pageMs;
      const page = feed.arrived() ?? (await feed.overdue());
      if (!page) continue;
      yield page;
      // Under load, many appends share a page.
      if (page.events.length < limit) await pause(notBefore - performance.now(), signal);
    }
  } finally {
    feed.stop();
  }
}

class Feed {
  readonly #parts: FollowParts;
  readonly #options: FollowOptions;
  #after: bigint;
  /** Where to subscribe again: at least behind `#after`, and as far as the server says that it looked. */
  #resume: LogPlace | 'start';
  #subscription: Subscription | null = null;
  #failures = 0;
  #changed = false;
  #wake: () => void = () => undefined;

  constructor(parts: FollowParts, options: FollowOptions) {
    this.#parts = parts;
    this.#options = options;
    this.#after = options.after;
    this.#resume = options.after === 0n ? 'start' : { commit: options.after, prepare: options.after };
  }

  stop(): void {
    this.#subscription?.stop();
    this.#subscription = null;
  }

  /** What the subscription has brought, or null when it has brought nothing new. */
  arrived(): Page | null {
    this.#changed = false;
    const subscription = this.#subscription;
    if (!subscription) return null;
    const events: RecordedEvent[] = [];
    let position = this.#after;
    while (events.length < this.#options.limit) {
      const record = subscription.next();
      if (!record) return this.#moved(events, this.#looked(subscription, position));
      // A read was faster.
      if (positionOf(record) <= this.#after) continue;
      position = positionOf(record);
      const event = this.#parts.wanted(record);
      if (event) events.push(event);
    }
    return this.#moved(events, position);
  }

  /**
   * Waits until the subscription brings something (null), or, when it does not although the log has grown, reads what
   * there is. Meanwhile it renews a lost subscription.
   */
  async overdue(): Promise<Page | null> {
    const { signal } = this.#options;
    if (this.#subscription?.failure) await this.#lost(this.#subscription.failure);
    if (signal.aborted) return null;
    this.#subscription ??= this.#parts.open(this.#resume, () => this.#onChange());
    if (!(await this.#staysQuiet())) return null;
    const page = await untilAborted(this.#readIfAvailable(), signal);
    if (!page) {
      await pause(QUIET_MS, signal);
      return null;
    }
    if (page.events.length > 0) this.#suspect();
    return this.#moved(page.events, page.position);
  }

  #moved(events: readonly RecordedEvent[], position: bigint): Page | null {
    if (position <= this.#after) return null;
    this.#after = position;
    if (this.#resume === 'start' || this.#resume.commit < position) {
      this.#resume = { commit: position, prepare: position };
    }
    this.#failures = 0;
    return { events, position };
  }

  /**
   * How far the server looked, when everything that it sent is taken. A checkpoint whose two offsets differ stands before
   * the record that begins there: good to subscribe from, but not a position of an event.
   */
  #looked({ checkpoint }: Subscription, position: bigint): bigint {
    if (!checkpoint || checkpoint.commit <= position) return position;
    if (checkpoint.commit === checkpoint.prepare) return checkpoint.commit;
    if (this.#resume === 'start' || this.#resume.commit < checkpoint.commit) this.#resume = checkpoint;
    return position;
  }

  async #lost(failure: Error): Promise<void> {
    const { log } = this.#parts;
    this.stop();
    const error = asStoreError(failure, 'subscription');
    if (!(error instanceof StoreUnavailable)) throw error;
    if (this.#failures === 0) log.warn({ error, position: this.#after }, 'a subscription was lost and is opened again');
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** this.#failures, LONGEST_PAUSE_MS);
    this.#failures += 1;
    await pause(pauseMs, this.#options.signal);
  }

  /** Events had to be read that the subscription should have brought: when it has been dumb for long, it is dead. */
  #suspect(): void {
    const silentMs = performance.now() - (this.#subscription?.lastHeard ?? 0);
    if (silentMs < this.#parts.silenceMs) return;
    this.#parts.log.warn({ position: this.#after }, 'a subscription is silent and is opened again');
    this.stop();
  }

  #onChange(): void {
    this.#changed = true;
    this.#wake();
  }

  /** True when the log has grown and the subscription has not said so in time; false when it has, or at the end. */
  async #staysQuiet(): Promise<boolean> {
    if (this.#changed) return false;
    const { signal } = this.#options;
    const over = new AbortController();
    const end = () => over.abort();
    this.#wake = end;
    signal.addEventListener('abort', end);
    await this.#parts.head.beyond(this.#after, over.signal);
    await pause(QUIET_MS, over.signal);
    signal.removeEventListener('abort', end);
    return !over.signal.aborted;
  }

  /** Null while the store cannot be reached; other errors are bugs and end the subscription. */
  async #readIfAvailable(): Promise<Page | null> {
    const { limit, categories } = this.#options;
    try {
      return await this.#parts.readAll({ after: this.#after, limit, ...(categories && { categories }) });
    } catch (error) {
      if (error instanceof StoreUnavailable) return null;
      throw error;
    }
  }
}
