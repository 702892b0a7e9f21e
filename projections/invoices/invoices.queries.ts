import type { Mode } from '../../events/envelope.ts';
import type { InvoiceLine } from '../../events/invoice/invoice.events.ts';
import type { Currency, Picos } from '../../events/money.ts';
import type { SqlExecutor } from '../projection.ts';

export interface InvoiceSummary {
  readonly invoiceId: string;
  readonly accountId: string;
  readonly period: string;
  readonly currency: Currency;
  readonly mode: Mode;
  /** Service time, half-open. */
  readonly start: string;
  readonly end: string;
  readonly cutoff: bigint;
  readonly status: 'drafted' | 'final';
  /** Null until it is final. */
  readonly number: string | null;
  readonly exactTotal: Picos;
  /** Minor units. */
  readonly total: bigint;
  readonly rounding: bigint;
  readonly draftedAt: string;
  readonly finalizedAt: string | null;
}

export interface StoredInvoice extends InvoiceSummary {
  readonly lines: readonly InvoiceLine[];
}

export interface BilledPeriod {
  readonly period: string;
  readonly start: string;
  readonly end: string;
  readonly zone: string;
  /** Null while it is open. */
  readonly cutoff: bigint | null;
}

/** An account as the scheduler of billing sees it. */
export interface AccountBooks {
  readonly accountId: string;
  readonly zone: string;
  readonly openedAt: string;
  /** Label of its newest closed period, null before the first. */
  readonly lastClosed: string | null;
}

const ACCOUNT_PAGE = 1_000;

/** Reads of billing periods and invoices. They may lag behind the log. May throw StoreUnavailable. */
export class InvoiceQueries {
  readonly #sql: SqlExecutor;

  constructor(sql: SqlExecutor) {
    this.#sql = sql;
  }

  /** Null too when the invoice belongs to another account. */
  async findInvoice(accountId: string, invoiceId: string): Promise<StoredInvoice | null> {
    const { rows } = await this.#sql.query<InvoiceColumns & { lines: InvoiceLine[] }>(
      `SELECT ${INVOICE_COLUMNS}, lines FROM invoices.invoices WHERE invoice_id = $2 AND account_id = $1`,
      [accountId, invoiceId],
    );
    return rows[0] ? { ...toSummary(rows[0]), lines: rows[0].lines } : null;
  }

  /** Whose number this is; null when it is nobody's. Served by the unique index of `number`. */
  async idOfNumber(number: string): Promise<string | null> {
    const { rows } = await this.#sql.query<{ invoiceId: string }>(
      'SELECT invoice_id AS "invoiceId" FROM invoices.invoices WHERE number = $1',
      [number],
    );
    return rows[0]?.invoiceId ?? null;
  }

  /** Invoices of an account without their lines, newest period first. */
  async listInvoices(accountId: string): Promise<readonly InvoiceSummary[]> {
    const { rows } = await this.#sql.query<InvoiceColumns>(
      `SELECT ${INVOICE_COLUMNS} FROM invoices.invoices WHERE account_id = $1 ORDER BY period DESC, currency`,
      [accountId],
    );
    return rows.map(toSummary);
  }

  /** Periods of an account, oldest first. */
  async periodsOf(accountId: string): Promise<readonly BilledPeriod[]> {
    const { rows } = await this.#sql.query<{
      period: string;
      start: Date;
      end: Date;
      zone: string;
      cutoff: string | null;
    }>(
      `SELECT period, start_at AS start, end_at AS "end", zone, cutoff
       FROM invoices.periods WHERE account_id = $1 ORDER BY period`,
      [accountId],
    );
    return rows.map(({ period, start, end, zone, cutoff }) => ({
      period,
      start: start.toISOString(),
      end: end.toISOString(),
      zone,
      cutoff: cutoff === null ? null : BigInt(cutoff),
    }));
  }

  /** Every account once, in pages, also those that were never billed. Reads the keys projection too. */
  async *accounts(): AsyncGenerator<readonly AccountBooks[], void, undefined> {
    let after = '';
    for (;;) {
      const { rows } = await this.#sql.query<Omit<AccountBooks, 'openedAt'> & { openedAt: Date }>(
        `SELECT a.account_id AS "accountId", a.zone, a.opened_at AS "openedAt",
           (SELECT max(p.period) FROM invoices.periods p
            WHERE p.account_id = a.account_id AND p.cutoff IS NOT NULL) AS "lastClosed"
         FROM keys.accounts a WHERE a.account_id > $1 ORDER BY a.account_id LIMIT ${String(ACCOUNT_PAGE)}`,
        [after],
      );
      if (rows.length > 0) yield rows.map((row) => ({ ...row, openedAt: row.openedAt.toISOString() }));
      const last = rows.at(-1);
      if (!last || rows.length < ACCOUNT_PAGE) return;
      after = last.accountId;
    }
  }
}

const INVOICE_COLUMNS = `invoice_id AS "invoiceId", account_id AS "accountId", period, currency, mode, start_at AS start,
  end_at AS "end", cutoff, status, number, exact_total AS "exactTotal", total, rounding, drafted_at AS "draftedAt",
  finalized_at AS "finalizedAt"`;

interface InvoiceColumns {
  readonly invoiceId: string;
  readonly accountId: string;
  readonly period: string;
  readonly currency: Currency;
  readonly mode: Mode;
  readonly start: Date;
  readonly end: Date;
  readonly cutoff: string;
  readonly status: 'drafted' | 'final';
  readonly number: string | null;
  readonly exactTotal: string;
  readonly total: string;
  readonly rounding: string;
  readonly draftedAt: Date;
  readonly finalizedAt: Date | null;
}

function toSummary(row: InvoiceColumns): InvoiceSummary {
  const { invoiceId, accountId, period, currency, mode, status, number } = row;
  return {
    ...{ invoiceId, accountId, period, currency, mode, status, number },
    start: row.start.toISOString(),
    end: row.end.toISOString(),
    cutoff: BigInt(row.cutoff),
    exactTotal: BigInt(row.exactTotal),
    total: BigInt(row.total),
    rounding: BigInt(row.rounding),
    draftedAt: row.draftedAt.toISOString(),
    finalizedAt: row.finalizedAt?.toISOString() ?? null,
  };
}
