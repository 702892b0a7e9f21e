import type { Currency, Picos } from '../../events/money.ts';
import type { SqlExecutor } from '../projection.ts';
import { BOOKS, type Book } from './transfers.ts';

export interface LedgerBalance {
  readonly book: Book;
  readonly currency: Currency;
  readonly debits: Picos;
  readonly credits: Picos;
}

/** Reads of the ledger. May throw StoreUnavailable. */
export class LedgerQueries {
  readonly #sql: SqlExecutor;

  constructor(sql: SqlExecutor) {
    this.#sql = sql;
  }

  /** The books of an account that were ever posted to, by currency and book. Per currency, debits and credits have the same sum. */
  async balances(accountId: string): Promise<readonly LedgerBalance[]> {
    const { rows } = await this.#sql.query<{ book: Book; currency: Currency; debits: string; credits: string }>(
      `SELECT split_part(ledger_account, ':', 1) AS book, currency, debits, credits
       FROM ledger.balances WHERE ledger_account = ANY ($1) ORDER BY currency, ledger_account`,
      [BOOKS.map((book) => `${book}:${accountId}`)],
    );
    return rows.map((row) => ({ ...row, debits: BigInt(row.debits), credits: BigInt(row.credits) }));
  }
}
