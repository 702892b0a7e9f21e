import net from 'node:net';
import pg from 'pg';
import { StoreUnavailable } from '../../events/eventStore.ts';
import type { Runtime } from '../../services/runtime.ts';
import { asStoreError } from './database.ts';

export interface HoldSessionOptions {
  readonly connectionString: string;
  readonly owner: string;
  readonly runtime: Runtime;
  /** Bounds connecting, and each statement. */
  readonly timeoutMs: number;
  /** Open slots per key of this process, asked for whenever a session begins. */
  readonly busySlots: () => ReadonlyMap<string, number>;
}

/**
 * A commit waits for the disk whatever the server's default is. Plans must not depend on how full the tables were when
 * the connection began; see the migration.
 */
const SETTINGS = `
  SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', 'local');
  SET default_transaction_isolation = 'read committed';
  SET plan_cache_mode = force_generic_plan;
  SET enable_seqscan = off;
  SET enable_hashjoin = off;
  SET enable_mergejoin = off;
  SET jit = off`;

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1_000;

interface Connection {
  readonly client: pg.Client;
  readonly socket: net.Socket;
  readonly session: string;
}

/**
 * The one connection that takes holds. It reconnects by itself; while it has none, calls fail at once.
 *
 * Every failed call ends the session, for its outcome may be unknown: the server may still be running it, and commit it
 * later. The next session begins with `begin_hold_session`, which waits for that statement or bars it, and only then
 * undoes what it took. So a hold whose caller was told "unavailable" is gone before the next one is taken. If this
 * process dies first, the hold is an orphan like any other and the reaper settles it, waived.
 */
export class HoldSession {
  readonly #options: HoldSessionOptions;
  #connection: Connection | null = null;
  /** The takes of a call whose outcome is unknown. */
  #unanswered: readonly string[] = [];
  #pauseMs = FIRST_PAUSE_MS;
  #cancelRetry: (() => void) | null = null;
  #closed = false;

  constructor(options: HoldSessionOptions) {
    this.#options = options;
  }

  /** The current session; null while there is none. */
  get id(): string | null {
    return this.#connection?.session ?? null;
  }

  /** Throws StoreUnavailable when the first session cannot begin; then nothing is retried. */
  async open(): Promise<void> {
    try {
      await this.#begin();
    } catch (error) {
      throw asStoreError(error, 'opening the hold ledger');
    }
  }

  /**
   * Runs a statement that is a transaction of its own, and reads its only row. `takes` are the requests that it takes
   * holds for. Throws StoreUnavailable, or an error when statement or answer are wrong; the holds are then undone.
   */
  async run<R extends pg.QueryResultRow, T>(
    statement: pg.QueryConfig,
    takes: readonly string[],
    read: (row: R) => T,
  ): Promise<T> {
    const connection = this.#connection;
    if (!connection) throw new StoreUnavailable('the hold ledger has no connection');
    try {
      const { rows } = await this.#bounded(connection.socket, connection.client.query<R>(statement));
      if (!rows[0]) throw new Error('the statement returned no row');
      return read(rows[0]);
    } catch (error) {
      this.#unanswered = isRolledBack(error) ? [] : takes;
      this.#lost(connection, error);
      throw asStoreError(error, 'taking holds');
    }
  }

  /** Says goodbye to the server, or leaves without when it does not answer. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelRetry?.();
    const connection = this.#connection;
    this.#connection = null;
    if (!connection) return;
    const cancel = this.#options.runtime.timers.after(this.#options.timeoutMs, () => connection.socket.destroy());
    await connection.client.end();
    cancel();
  }

  async #begin(): Promise<void> {
    const { connectionString, owner, runtime, timeoutMs, busySlots } = this.#options;
    const socket = new net.Socket();
    const session = runtime.ids.uuid();
    const client = new pg.Client({
      connectionString,
      application_name: 'tallystick holds',
      // The server gives up before we do: its refusal leaves nothing unknown.
      statement_timeout: Math.ceil(timeoutMs * 0.8),
      stream: () => socket,
    });
    const connection = { client, socket, session };
    client.on('error', (error) => this.#lost(connection, error));
    const unanswered = this.#unanswered;
    await this.#bounded(socket, client.connect());
    await this.#bounded(socket, client.query(SETTINGS));
    const busy = busySlots();
    await this.#bounded(
      socket,
      client.query('SELECT begin_hold_session($1, $2, $3, $4, $5)', [
        owner,
        session,
        [...unanswered],
        [...busy.keys()],
        [...busy.values()],
      ]),
    );
    this.#unanswered = [];
    this.#pauseMs = FIRST_PAUSE_MS;
    if (this.#closed) socket.destroy();
    else this.#connection = connection;
  }

  /** Begins anew, once for each connection that was in use. */
  #lost(connection: Connection, error: unknown): void {
    connection.socket.destroy();
    if (this.#connection !== connection) return;
    this.#connection = null;
    this.#options.runtime.log.warn({ err: error }, 'the hold ledger lost its connection and begins a new session');
    this.#retry(0);
  }

  #retry(delayMs: number): void {
    if (this.#closed) return;
    this.#cancelRetry = this.#options.runtime.timers.after(delayMs, () => {
      this.#begin().catch((error: unknown) => {
        this.#options.runtime.log.warn({ err: error, pauseMs: this.#pauseMs }, 'the hold ledger cannot connect');
        this.#retry(this.#pauseMs);
        this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS);
      });
    });
  }

  /** What fails here has lost its connection: the socket is destroyed, for a polite goodbye could wait for ever. */
  async #bounded<T>(socket: net.Socket, work: Promise<T>): Promise<T> {
    const { timers } = this.#options.runtime;
    const { timeoutMs } = this.#options;
    let cancel: (() => void) | undefined;
    const expiry = new Promise<never>((_, reject) => {
      cancel = timers.after(timeoutMs, () => {
        reject(new StoreUnavailable(`the database did not answer within ${String(timeoutMs)} ms`));
      });
    });
    try {
      return await Promise.race([work, expiry]);
    } catch (error) {
      socket.destroy();
      throw error;
    } finally {
      cancel?.();
    }
  }
}

/** The server answered with an error and went on: the transaction did not commit. A FATAL one may come after a commit. */
function isRolledBack(error: unknown): boolean {
  return error instanceof pg.DatabaseError && error.severity === 'ERROR';
}
