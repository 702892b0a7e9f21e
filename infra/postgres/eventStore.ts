import type pg from 'pg';
import type { Append, AppendResult, EventStore, Page, RecordedEvent } from '../../events/eventStore.ts';
import type { Log } from '../../services/runtime.ts';
import { pause, untilAborted } from '../abortable.ts';
import { assertStorable } from '../validAppend.ts';
import { appendResults, appendStatement, type AppendRow } from './appendBatch.ts';
import { AppendConnection } from './appendConnection.ts';
import { asStoreError, closePool, isUnavailable, openPool } from './database.ts';
import { READ, toPage, toRecorded, type EventRow } from './eventRows.ts';
import { GroupCommit } from './groupCommit.ts';
import { HeadWatcher } from '../headWatcher.ts';

export interface PostgresEventStoreOptions {
  readonly connectionString: string;
  readonly log: Log;
  /** Bounds every call, milliseconds; 5 s by default. */
  readonly timeoutMs?: number;
  /** How often subscriptions look for what other processes appended; 25 ms by default. */
  readonly pollMs?: number;
  readonly readConnections?: number;
  /** Appends that may wait for the next commit; more are refused with StoreUnavailable. */
  readonly maxWaiting?: number;
}

const MAX_BATCH = 2_000;
const MAX_BATCH_BYTES = 1_000_000;
/** What an event takes beside its data, about. */
const EVENT_OVERHEAD_BYTES = 120;
const MAX_REVISION = 2n ** 63n - 1n;
const LONGEST_PAUSE_MS = 1_000;
/** The least time between two pages that are not full, unless polls are more frequent. */
const GATHER_MS = 25;

/**
 * The event store in Postgres, on a migrated database. Waiting appends share one transaction (GroupCommit); each has
 * its own outcome. After a lost connection it recovers by itself. `close` also ends its subscriptions.
 */
export class PostgresEventStore implements EventStore {
  readonly isContiguous = true;
  readonly #appends: AppendConnection;
  readonly #commits: GroupCommit<Append, AppendResult>;
  readonly #reads: pg.Pool;
  readonly #head: HeadWatcher;
  readonly #pollMs: number;
  readonly #closing = new AbortController();

  /** Throws StoreUnavailable when the database cannot be reached. */
  static async open(options: PostgresEventStoreOptions): Promise<PostgresEventStore> {
    const store = new PostgresEventStore(options);
    try {
      await store.#appends.open();
      return store;
    } catch (error) {
      await store.close();
      throw asStoreError(error, 'opening the event store');
    }
  }

  private constructor(options: PostgresEventStoreOptions) {
    const timeoutMs = options.timeoutMs ?? 5_000;
    this.#pollMs = options.pollMs ?? 25;
    this.#appends = new AppendConnection(options.connectionString, timeoutMs);
    this.#commits = new GroupCommit({
      maxWaiting: options.maxWaiting ?? 50_000,
      maxBatch: MAX_BATCH,
      maxBatchSize: MAX_BATCH_BYTES,
      sizeOf: bytesOf,
      conflictKey: (append) => append.stream,
      timeoutMs,
      commit: (batch) => this.#commit(batch),
    });
    this.#reads = openPool({
      connectionString: options.connectionString,
      applicationName: 'tallystick event reads',
      maxConnections: options.readConnections ?? 4,
      timeoutMs,
      log: options.log,
      // Prepared while there are few events, a statement would go on scanning the table when there are many.
      settings: '-c enable_seqscan=off',
    });
    this.#head = new HeadWatcher({ read: () => this.head(), pollMs: this.#pollMs, log: options.log });
  }

  async append(append: Append): Promise<AppendResult> {
    assertStorable(append);
    return this.#commits.submit(append);
  }

  async readStream(
    stream: string,
    options: { readonly direction: 'forwards' | 'backwards'; readonly from?: bigint; readonly limit: number },
  ): Promise<readonly RecordedEvent[]> {
    const from = options.from ?? (options.direction === 'forwards' ? 0n : MAX_REVISION);
    const rows = await this.#query<EventRow>(READ[options.direction], [stream, String(from), options.limit]);
    return rows.map(toRecorded);
  }

  async readAll(options: {
    readonly after: bigint;
    readonly limit: number;
    readonly categories?: readonly string[];
  }): Promise<Page> {
    const { after, limit, categories } = options;
    if (categories) return this.#readCategories(after, limit, categories);
    const events = (await this.#query<EventRow>(READ.all, [String(after), limit])).map(toRecorded);
    return { events, position: events.at(-1)?.position ?? after };
  }

  async *subscribe(options: {
    readonly after: bigint;
    readonly limit: number;
    readonly categories?: readonly string[];
    readonly signal: AbortSignal;
  }): AsyncGenerator<Page, void, undefined> {
    const signal = AbortSignal.any([options.signal, this.#closing.signal]);
    let after = options.after;
    let pauseMs = this.#pollMs;
    for (;;) {
      await this.#head.beyond(after, signal);
      if (signal.aborted) return;
      const notBefore = performance.now() + Math.min(this.#pollMs, GATHER_MS);
      const page = await untilAborted(this.#readIfAvailable({ ...options, after }), signal);
      if (!page) {
        await pause(pauseMs, signal);
        pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
        continue;
      }
      pauseMs = this.#pollMs;
      if (page.position === after) continue;
      after = page.position;
      yield page;
      // Under load, many commits share a page instead of each costing a query.
      if (page.events.length < options.limit) await pause(notBefore - performance.now(), signal);
    }
  }

  async head(): Promise<bigint> {
    const [row] = await this.#query<{ position: string }>(READ.head, []);
    if (!row) throw new Error('event_head has no row');
    return BigInt(row.position);
  }

  /** Another process says that the log has come this far; subscriptions look at once. It need not be true. */
  hinted(head: bigint): void {
    this.#head.hinted(head);
  }

  async close(): Promise<void> {
    this.#closing.abort();
    await this.#commits.close();
    await this.#appends.close();
    if (!this.#reads.ending) await closePool(this.#reads);
  }

  async #commit(batch: readonly Append[]): Promise<AppendResult[]> {
    try {
      const results = appendResults(batch, await this.#appends.row<AppendRow>(appendStatement(batch)));
      const newest = results.findLast((result) => result.outcome === 'appended');
      if (newest) this.#head.advanced(newest.position);
      return results;
    } catch (error) {
      throw asStoreError(error, 'append');
    }
  }

  async #readCategories(after: bigint, limit: number, categories: readonly string[]): Promise<Page> {
    const statement = categories.includes('request') ? READ.categories : READ.rareCategories;
    const rows = await this.#query<{ head: string } & (EventRow | { position: null })>(statement, [
      String(after),
      limit,
      categories,
    ]);
    const events = rows.flatMap((row) => (row.position === null ? [] : [toRecorded(row)]));
    return toPage(events, limit, after, BigInt(rows[0]?.head ?? 0));
  }

  /** Null while the store cannot be reached; other errors are bugs and end the subscription. */
  async #readIfAvailable(options: Parameters<EventStore['readAll']>[0]): Promise<Page | null> {
    try {
      return await this.readAll(options);
    } catch (error) {
      if (isUnavailable(error)) return null;
      throw error;
    }
  }

  async #query<R extends pg.QueryResultRow>(
    statement: { readonly name: string; readonly text: string },
    values: readonly unknown[],
  ): Promise<R[]> {
    try {
      return (await this.#reads.query<R>({ ...statement, values: [...values] })).rows;
    } catch (error) {
      throw asStoreError(error, 'reading events');
    }
  }
}

function bytesOf({ events }: Append): number {
  let bytes = 0;
  for (const event of events) bytes += event.data.length + EVENT_OVERHEAD_BYTES;
  return bytes;
}
