import pg from 'pg';
import { StoreUnavailable } from '../../events/eventStore.ts';
import type { Log } from '../../services/runtime.ts';
import { pause } from '../abortable.ts';

const GOODBYE_MS = 1_000;

export interface PoolOptions {
  readonly connectionString: string;
  /** Shown in `pg_stat_activity`. */
  readonly applicationName: string;
  readonly maxConnections: number;
  /** Bounds connecting and each statement, milliseconds. */
  readonly timeoutMs: number;
  readonly log: Log;
  /** Server settings of each connection, as command line options: `-c name=value`. */
  readonly settings?: string;
}

/** Connections to one database; the driver's own type, named here so that nobody else names the driver. */
export type Pool = pg.Pool;

/**
 * A pool whose calls never hang: connecting and every statement end within `timeoutMs`, also when the server is frozen.
 * Losing an idle connection is logged and mended by the next call. The caller ends the pool, by `closePool`.
 */
export function openPool(options: PoolOptions): pg.Pool {
  const pool = new pg.Pool({
    connectionString: options.connectionString,
    application_name: options.applicationName,
    max: options.maxConnections,
    connectionTimeoutMillis: options.timeoutMs,
    query_timeout: options.timeoutMs,
    keepAlive: true,
    ...(options.settings === undefined ? {} : { options: options.settings }),
  });
  pool.on('error', ({ message: reason }) => {
    // The error itself carries the whole client, with what it knows of the server.
    if (!pool.ending)
      options.log.warn({ reason, pool: options.applicationName }, 'an idle database connection was lost');
  });
  // A server can end a connection in the very packet that opened it, before whoever asked for it listens. Without a
  // listener that would end the process; with one, the next query tells.
  pool.on('connect', (client) => client.on('error', () => undefined));
  return pool;
}

/**
 * Ends a pool. Resolves when the server has let go of every connection, so that it can be stopped without a complaint;
 * a server that does not answer is waited for no longer than a second.
 */
export async function closePool(pool: pg.Pool): Promise<void> {
  const allGone = new AbortController();
  let open = pool.totalCount;
  pool.on('remove', () => {
    open -= 1;
    if (open <= 0) allGone.abort();
  });
  await pool.end();
  if (open > 0) await pause(GOODBYE_MS, allGone.signal);
}

/**
 * Runs `work` in one transaction on one connection and commits, or rolls back and throws what it threw. A connection
 * that failed is not used again. An error while committing leaves the outcome unknown.
 */
export async function inTransaction<T>(pool: pg.Pool, work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken = false;
  // Without a listener, losing the connection between two statements would end the process.
  const onLost = () => {
    broken = true;
  };
  client.on('error', onLost);
  try {
    await client.query('BEGIN');
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    // Dropping the connection rolls back too, and works when the server no longer answers.
    broken ||= isUnavailable(error) || !(await rolledBack(client));
    throw error;
  } finally {
    client.off('error', onLost);
    client.release(broken);
  }
}

function rolledBack(client: pg.PoolClient): Promise<boolean> {
  return client.query('ROLLBACK').then(
    () => true,
    () => false,
  );
}

/** SQLSTATE classes that mean that the statement itself is wrong; everything else may pass if tried again. */
const OUR_FAULT = new Set(['0A', '21', '22', '23', '26', '2F', '34', '3F', '42', '44', 'P0']);

/** Whether the database could not be reached or could not serve just now, rather than refused a wrong statement. */
export function isUnavailable(error: unknown): boolean {
  return error instanceof StoreUnavailable || !(error instanceof pg.DatabaseError) || !OUR_FAULT.has(classOf(error));
}

function classOf(error: pg.DatabaseError): string {
  return (error.code ?? '').slice(0, 2);
}

/** The error as callers of a port know it: StoreUnavailable with the cause, or the error itself when it is a bug. */
export function asStoreError(error: unknown, doing: string): Error {
  if (error instanceof StoreUnavailable) return error;
  if (error instanceof pg.DatabaseError && OUR_FAULT.has(classOf(error))) return error;
  return new StoreUnavailable(`${doing}: the database did not answer`, { cause: error });
}
