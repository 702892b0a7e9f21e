import net from 'node:net';
import pg from 'pg';
import { StoreUnavailable } from '../../events/eventStore.ts';

/**
 * A commit waits for the disk whatever the server's default is, and sees all that earlier batches committed. Plans are
 * made once, for indexes, and so do not depend on how few events there were at that time.
 */
const SESSION = `
  SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', 'local');
  SET default_transaction_isolation = 'read committed';
  SET plan_cache_mode = force_generic_plan;
  SET enable_seqscan = off`;

/**
 * The one connection that appends, opened when needed. A call that fails or is not answered within `timeoutMs` drops
 * it, so that the next call starts afresh. One call at a time.
 */
export class AppendConnection {
  readonly #connectionString: string;
  readonly #timeoutMs: number;
  #open: { readonly client: pg.Client; readonly socket: net.Socket } | null = null;

  constructor(connectionString: string, timeoutMs: number) {
    this.#connectionString = connectionString;
    this.#timeoutMs = timeoutMs;
  }

  /** Rejects when the server cannot be reached. */
  async open(): Promise<void> {
    await this.#bounded(this.#connected());
  }

  /** The only row of a statement that is a transaction of its own. Rejects with StoreUnavailable when time ran out, else with the driver's error. */
  async row<R extends pg.QueryResultRow>(statement: pg.QueryConfig): Promise<R> {
    const { rows } = await this.#bounded(this.#connected().then((client) => client.query<R>(statement)));
    const [row] = rows;
    if (!row) throw new Error('the statement returned no row');
    return row;
  }

  /** Says goodbye to the server, or leaves without when it does not answer. */
  async close(): Promise<void> {
    const open = this.#open;
    if (!open) return;
    this.#open = null;
    const leave = setTimeout(() => open.socket.destroy(), this.#timeoutMs);
    await open.client.end();
    clearTimeout(leave);
  }

  async #connected(): Promise<pg.Client> {
    if (this.#open) return this.#open.client;
    const socket = new net.Socket();
    const client = new pg.Client({
      connectionString: this.#connectionString,
      application_name: 'tallystick appends',
      keepAlive: true,
      stream: () => socket,
    });
    this.#open = { client, socket };
    client.on('error', () => {
      if (this.#open?.client === client) this.#drop();
    });
    await client.connect();
    // The server gives up when we have, so that a blocked backend does not outlive its caller for long.
    await client.query(`${SESSION}; SET statement_timeout = ${String(this.#timeoutMs)}`);
    return client;
  }

  async #bounded<T>(work: Promise<T>): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const expiry = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        reject(new StoreUnavailable(`the database did not answer within ${String(this.#timeoutMs)} ms`));
      }, this.#timeoutMs);
    });
    try {
      return await Promise.race([work, expiry]);
    } catch (error) {
      this.#drop();
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Destroys the socket: a polite goodbye could wait for a frozen server for ever. */
  #drop(): void {
    this.#open?.socket.destroy();
    this.#open = null;
  }
}
