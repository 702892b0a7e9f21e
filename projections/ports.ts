import type { SqlExecutor } from './projection.ts';

export interface TransactionOptions {
  /** Unqualified names resolve in this schema only. */
  readonly schema: string;
  /** A name that only one transaction at a time may hold; waited for before the work starts, free again when it ends. */
  readonly lock: string;
  /**
   * Holds only these parts of the lock: transactions with other parts may go on beside it, none that holds the whole.
   * With no part at all it only keeps those away.
   */
  readonly parts?: readonly number[];
  /** Bounds each statement, milliseconds; a bound of the adapter's own when absent. */
  readonly timeoutMs?: number;
}

/**
 * Runs work in one transaction on one connection. Commits when the work resolves; otherwise rolls back and rejects with
 * what it threw. Throws StoreUnavailable, also out of the work's own queries, when the database failed for a reason that
 * has nothing to do with the values it was given: it cannot be reached, the connection broke, two transactions
 * deadlocked, a table is missing. The outcome is then unknown, and the same work may succeed later.
 */
export interface TransactionRunner {
  transaction<T>(options: TransactionOptions, work: (sql: SqlExecutor) => Promise<T>): Promise<T>;
}

export interface Timers {
  /** Runs `action` once after `delayMs`; the result cancels it. */
  after(delayMs: number, action: () => void): () => void;
}

export interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
