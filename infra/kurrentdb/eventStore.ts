import {
  StoreUnavailable,
  type Append,
  type AppendResult,
  type EventStore,
  type Page,
  type RecordedEvent,
} from '../../events/eventStore.ts';
import type { Log } from '../../services/runtime.ts';
import { pause } from '../abortable.ts';
import { HeadWatcher } from '../headWatcher.ts';
import { assertStorable } from '../validAppend.ts';
import { AppendQueue } from './appendQueue.ts';
import { bounded } from './bounded.ts';
import { Connection } from './connection.ts';
import { actualRevision, isStreamNotFound } from './failures.ts';
import { followLog } from './followLog.ts';
import type { KurrentClient, Standing } from './kurrentClient.ts';
import { cannotStand, firstRevision, refusedResult } from './outcomes.ts';
import { isHealthy } from './probe.ts';
import { contentId, positionOf, toRecorded, toStored, type KurrentRecord } from './storedForm.ts';
import { streamFilter, type StreamFilter } from './streamFilter.ts';

export interface KurrentEventStoreOptions {
  /** `kurrentdb://…` or `kurrentdb+discover://…`. In secure mode the user must be allowed to read `$all`. */
  readonly connectionString: string;
  readonly log: Log;
  /** Bounds every call, milliseconds; 5 s by default. */
  readonly timeoutMs?: number;
  /** The least time between two pages of a subscription that are not full, milliseconds; 25 ms by default. */
  readonly pageMs?: number;
  /** How often subscriptions look how far the log has come, for what nobody told them, milliseconds; 250 ms by default. */
  readonly pollMs?: number;
  /** Each has up to 15 appends under way; 4 by default. */
  readonly appendConnections?: number;
  /** Appends that may wait for their turn; more are refused with StoreUnavailable. */
  readonly maxWaiting?: number;
}

/** What was answered, and the newest position that was known when the append was sent. */
interface Answered extends Standing {
  readonly before: bigint;
}

const NOT_SYSTEM = streamFilter(undefined);
const FIRST_READ_PAUSE_MS = 100;
/** Unknown outcomes that are remembered until somebody repeats them. */
const MAX_DOUBTS = 10_000;
/** Events that a subscription keeps for a reader that is busy. */
const MAX_BUFFERED = 512;

/**
 * The event store in KurrentDB 25 and later, or EventStoreDB 23.10 and 24.10. A position is the byte offset of an event
 * in the log, so positions have gaps. What others write into the same database is left out. `close` also ends its
 * subscriptions.
 */
export class KurrentEventStore implements EventStore {
  readonly #log: Log;
  readonly #timeoutMs: number;
  readonly #pageMs: number;
  readonly #feeds: KurrentClient;
  readonly #reads: Connection;
  readonly #appends: readonly Connection[];
  readonly #queue: AppendQueue<Answered>;
  readonly #head: HeadWatcher;
  readonly #closing = new AbortController();
  readonly #doubts = new Set<string>();
  #lookingAgain: Promise<bigint> | null = null;
  /** The newest position that this process knows of. */
  #known = 0n;
  #metForeign = false;

  /**
   * Connects and reads once, for a client whose first read fails never reads again. Throws StoreUnavailable when the
   * server does not answer in time, TypeError when the connection string cannot be used.
   */
  static async open(options: KurrentEventStoreOptions): Promise<KurrentEventStore> {
    if (/throwOnAppendFailure=false/i.test(options.connectionString)) {
      throw new TypeError('throwOnAppendFailure=false hides what a refused append met');
    }
    // Loads a native library, which only those who use KurrentDB need to have.
    const client = await import('./kurrentClient.ts');
    const store = new KurrentEventStore(options, () => new client.KurrentClient(options.connectionString));
    try {
      await store.#firstRead();
      return store;
    } catch (error) {
      await store.close();
      throw error;
    }
  }

  private constructor(options: KurrentEventStoreOptions, makeClient: () => KurrentClient) {
    const { log, timeoutMs = 5_000, appendConnections = 4 } = options;
    this.#log = log;
    this.#timeoutMs = timeoutMs;
    this.#pageMs = options.pageMs ?? 25;
    this.#feeds = makeClient();
    const isServerHealthy = () => isHealthy(this.#feeds, timeoutMs);
    const connection = (name: string) => new Connection({ name, makeClient, isServerHealthy, timeoutMs, log });
    this.#reads = connection('reads');
    this.#appends = Array.from({ length: appendConnections }, (_, index) => connection(`appends ${String(index + 1)}`));
    this.#queue = new AppendQueue({
      connections: this.#appends,
      maxWaiting: options.maxWaiting ?? 50_000,
      timeoutMs,
      send: (append, client) => this.#send(append, client),
      onUnknown: (append) => this.#doubt(append),
    });
    this.#head = new HeadWatcher({ read: () => this.head(), pollMs: options.pollMs ?? 250, log });
  }

  async append(append: Append): Promise<AppendResult> {
    assertStorable(append);
    if (this.#doubts.size === 0 || !this.#doubts.has(keyOf(append))) return this.#append(append);
    // Knowing how far the log has come tells a repetition of what happened from what happens now.
    const repeating = this.#lookAgain().then(() => this.#append(append));
    return bounded(repeating, this.#timeoutMs, 'append');
  }

  async readStream(
    stream: string,
    options: { readonly direction: 'forwards' | 'backwards'; readonly from?: bigint; readonly limit: number },
  ): Promise<readonly RecordedEvent[]> {
    return this.#readStream(stream, options, this.#timeoutMs);
  }

  async readAll(options: {
    readonly after: bigint;
    readonly limit: number;
    readonly categories?: readonly string[];
  }): Promise<Page> {
    const { after, limit, categories } = options;
    const filter = streamFilter(categories);
    // Read first: what stood then, the second read considers.
    const head = categories ? await this.head() : after;
    const read = await this.#readLog('reading events', {
      from: after === 0n ? 'start' : after,
      direction: 'forwards',
      // The first one may be that at `after` itself.
      limit: limit + 1,
      streams: filter.pattern,
    });
    const records = read.filter((record) => positionOf(record) > after).slice(0, limit);
    const last = records.at(-1);
    const position = last ? positionOf(last) : after;
    if (last) this.#seen(position);
    const events = records.flatMap((record) => this.#wanted(filter, record) ?? []);
    return { events, position: records.length < limit && head > position ? head : position };
  }

  subscribe(options: {
    readonly after: bigint;
    readonly limit: number;
    readonly categories?: readonly string[];
    readonly signal: AbortSignal;
  }): AsyncGenerator<Page, void, undefined> {
    const filter = streamFilter(options.categories);
    const buffered = Math.min(options.limit, MAX_BUFFERED);
    const parts = {
      open: (after, onChange) => this.#feeds.subscribe({ after, streams: filter.pattern, buffered, onChange }),
      wanted: (record) => this.#wanted(filter, record),
      readAll: (range) => this.readAll(range),
      head: this.#head,
      pageMs: this.#pageMs,
      silenceMs: this.#timeoutMs,
      log: this.#log,
    } satisfies Parameters<typeof followLog>[0];
    return followLog(parts, { ...options, signal: AbortSignal.any([options.signal, this.#closing.signal]) });
  }

  async head(): Promise<bigint> {
    const newest = { from: 'end', direction: 'backwards', limit: 1, streams: NOT_SYSTEM.pattern } as const;
    const [record] = await this.#readLog('reading the head', newest);
    const position = record ? positionOf(record) : 0n;
    this.#seen(position);
    return position;
  }

  /** Another process says that the log has come this far; subscriptions look at once. It need not be true. */
  hinted(head: bigint): void {
    this.#head.hinted(head);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#queue.close();
    for (const connection of [...this.#appends, this.#reads]) connection.close();
    this.#feeds.dispose();
  }

  async #firstRead(): Promise<void> {
    const until = performance.now() + this.#timeoutMs;
    for (;;) {
      try {
        await this.head();
        return;
      } catch (error) {
        const goesOn = error instanceof StoreUnavailable && performance.now() + FIRST_READ_PAUSE_MS < until;
        if (!goesOn) throw error;
      }
      await pause(FIRST_READ_PAUSE_MS, this.#closing.signal);
    }
  }

  async #append(append: Append): Promise<AppendResult> {
    const until = performance.now() + this.#timeoutMs;
    try {
      const { revision, position, before } = await this.#queue.submit(append);
      if (this.#doubts.size > 0) this.#doubts.delete(keyOf(append));
      if (position !== null) return { outcome: position > before ? 'appended' : 'repeated', revision, position };
      return { outcome: 'repeated', revision, position: await this.#positionOf(append, revision, until) };
    } catch (error) {
      const actual = actualRevision(error);
      if (actual === null) throw error;
      if (cannotStand(append, actual)) return { outcome: 'conflict', actual };
      return refusedResult(append, actual, await this.#standing(append, until));
    }
  }

  async #send(append: Append, client: KurrentClient): Promise<Answered> {
    const before = this.#known;
    const events = append.events.map(toStored);
    const standing = await client.append(append.stream, append.expected, events, this.#timeoutMs);
    if (standing.position !== null) this.#seen(standing.position);
    return { ...standing, before };
  }

  async #readStream(
    stream: string,
    options: { readonly direction: 'forwards' | 'backwards'; readonly from?: bigint; readonly limit: number },
    ms: number,
  ): Promise<readonly RecordedEvent[]> {
    const { direction, from = null, limit } = options;
    try {
      const records = await this.#use('reading a stream', ms, (client) =>
        client.readStream(stream, { direction, from, limit }),
      );
      return records.flatMap((record) => this.#wanted(NOT_SYSTEM, record) ?? []);
    } catch (error) {
      if (isStreamNotFound(error)) return [];
      throw error;
    }
  }

  #readLog(doing: string, options: Parameters<KurrentClient['readLog']>[0]): Promise<readonly KurrentRecord[]> {
    return this.#use(doing, this.#timeoutMs, (client) => client.readLog(options));
  }

  async #use<T>(doing: string, ms: number, work: (client: KurrentClient) => Promise<T>): Promise<T> {
    if (this.#closing.signal.aborted) throw new StoreUnavailable('the event store is closed');
    return this.#reads.use(doing, ms, work);
  }

  async #positionOf({ stream }: Append, revision: bigint, until: number): Promise<bigint> {
    const last = { direction: 'forwards', from: revision, limit: 1 } as const;
    const [standing] = await this.#readStream(stream, last, msTo(until));
    if (!standing) throw new StoreUnavailable('append: what is there already cannot be read yet');
    return standing.position;
  }

  /** The events where the append wanted to write. */
  #standing({ stream, expected, events }: Append, until: number): Promise<readonly RecordedEvent[]> {
    const there = { direction: 'forwards', from: firstRevision(expected), limit: events.length } as const;
    return this.#readStream(stream, there, msTo(until));
  }

  #wanted(filter: StreamFilter, record: KurrentRecord): RecordedEvent | null {
    if (!filter.allows(record.stream)) return null;
    const event = toRecorded(record);
    if (!event && !this.#metForeign) {
      this.#metForeign = true;
      this.#log.warn({ stream: record.stream }, 'events that we did not write stand in this database and are left out');
    }
    return event;
  }

  #doubt(append: Append): void {
    this.#doubts.add(keyOf(append));
    const [oldest] = this.#doubts;
    if (this.#doubts.size > MAX_DOUBTS && oldest !== undefined) this.#doubts.delete(oldest);
  }

  /** Learns how far the log has come; callers at the same time share it. */
  async #lookAgain(): Promise<void> {
    this.#lookingAgain ??= this.head().finally(() => (this.#lookingAgain = null));
    await this.#lookingAgain;
  }

  #seen(position: bigint): void {
    if (position <= this.#known) return;
    this.#known = position;
    this.#head.advanced(position);
  }
}

function msTo(until: number): number {
  return Math.max(0, until - performance.now());
}

function keyOf({ events }: Append): string {
  const last = events.at(-1);
  return last ? contentId(last) : '';
}
