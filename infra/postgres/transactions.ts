import pg from 'pg';
import { StoreUnavailable } from '../../events/eventStore.ts';
import type { SqlExecutor } from '../../projections/projection.ts';
import type { TransactionOptions, TransactionRunner } from '../../projections/ports.ts';
import { asStoreError, inTransaction } from './database.ts';

/** Transactions of projections over a pool. The caller ends the pool. */
export class PostgresTransactions implements TransactionRunner {
  readonly #pool: pg.Pool;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  /**
   * Commits without waiting for the disk: effects and checkpoint are lost together or not at all, and what is lost is
   * applied again. The write-ahead log keeps its order, so a later commit that does wait takes these with it.
   */
  async transaction<T>(options: TransactionOptions, work: (sql: SqlExecutor) => Promise<T>): Promise<T> {
    const thrownByWork = new Set<unknown>();
    try {
      return await inTransaction(this.#pool, async (client) => {
        await client.query(opening(options));
        return work(sqlExecutor(client, options.timeoutMs)).catch((error: unknown) => {
          thrownByWork.add(error);
          throw error;
        });
      });
    } catch (error) {
      throw thrownByWork.has(error) ? error : translated(error);
    }
  }
}

/** Less than a statement may take, so that waiting ends by an answer of the server and not by losing the connection. */
const LOCK_TIMEOUT_MS = 3_000;

/** One round trip. Locks are held until the transaction ends; their keys are hashes of their names. */
function opening({ schema, lock, parts }: TransactionOptions): string {
  return `SET LOCAL search_path TO ${pg.escapeIdentifier(schema)}; SET LOCAL synchronous_commit TO off;
    SET LOCAL lock_timeout TO ${String(LOCK_TIMEOUT_MS)};
    ${parts === undefined ? locking('', lock) : lockingParts(lock, parts)}`;
}

/** Who holds parts shares the whole. The order is the same for all, so that nobody waits in a circle. */
function lockingParts(lock: string, parts: readonly number[]): string {
  const ordered = [...new Set(parts)].sort((a, b) => a - b);
  return [locking('_shared', lock), ...ordered.map((part) => locking('', `${lock} ${String(part)}`))].join('; ');
}

function locking(kind: '' | '_shared', name: string): string {
  return `SELECT pg_advisory_xact_lock${kind}(hashtextextended(${pg.escapeLiteral(`projection ${name}`)}, 0))`;
}

/**
 * A connection or pool as read models see it. Its calls throw StoreUnavailable when a later try may succeed, also when a
 * statement takes longer than `timeoutMs`, or else than the connection's own bound.
 */
export function sqlExecutor(connection: pg.Pool | pg.PoolClient, timeoutMs?: number): SqlExecutor {
  // The driver knows a bound per query; its types do not.
  const bound = timeoutMs === undefined ? {} : { query_timeout: timeoutMs };
  return {
    async query<R extends object>(text: string, values: readonly unknown[] = []) {
      try {
        return await connection.query<R & pg.QueryResultRow>({ text, values: [...values], ...bound });
      } catch (error) {
        throw translated(error);
      }
    },
  };
}

/** SQLSTATE classes that blame the schema or the statement, and no value in it: missing tables, wrong syntax, no privilege. */
const STATEMENT_FAULTS = new Set(['0A', '3F', '42']);

function translated(error: unknown): Error {
  if (error instanceof pg.DatabaseError && STATEMENT_FAULTS.has((error.code ?? '').slice(0, 2))) {
    return new StoreUnavailable(`a read model cannot be used as it is: ${error.message}`, { cause: error });
  }
  return asStoreError(error, 'using a read model');
}
