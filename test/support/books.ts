import type pg from 'pg';
import { expect, vi } from 'vitest';
import { PostgresEventStore } from '../../infra/postgres/eventStore.ts';
import { openPool } from '../../infra/postgres/database.ts';
import { partitionOfKey } from '../../infra/kafka/partitionOfKey.ts';
import { PostgresTransactions, sqlExecutor } from '../../infra/postgres/transactions.ts';
import { AuditQueries } from '../../projections/audit/audit.queries.ts';
import { verifyAudit } from '../../projections/audit/verify.ts';
import { PROJECTIONS } from '../../projections/catalogue.ts';
import { ParkingQueries } from '../../projections/parking.ts';
import { rebuild } from '../../projections/rebuild.ts';
import { InvoiceFacts } from '../../projections/requests/invoiceFacts.ts';
import { systemRuntime } from '../../infra/runtime.ts';
import { closePeriod } from '../../services/billing/invoicing/closePeriod.ts';
import { InvoiceNumbers } from '../../services/billing/invoicing/invoiceNumbers.ts';
import type { IssuedInvoice } from '../../services/billing/invoicing/invoicePeriod.ts';
import { monthOf } from '../../services/billing/period.ts';
import { verifyInvoice } from '../../services/billing/verification/verifyInvoice.ts';
import { silentLog } from './log.ts';

/** What the record says of one call. */
export interface RecordedCall {
  readonly requestId: string;
  readonly accepted: number;
  readonly usages: number;
  readonly endings: number;
  readonly corrections: number;
  readonly picos: bigint;
  readonly tokens: Readonly<Record<string, number>>;
  readonly source: string;
  /** Type of the terminal event. */
  readonly ending: string;
  readonly heldTokens: number;
  readonly heldPicos: bigint;
}

/** What is held just now. */
export interface Held {
  readonly holds: number;
  /** Σ of all held totals, of whatever meter. */
  readonly amount: bigint;
  readonly slots: number;
}

/** An accountant with a connection of its own, who believes nothing but what is committed. */
export class Books {
  readonly pool: pg.Pool;
  readonly #url: string;

  constructor(databaseUrl: string) {
    this.#url = databaseUrl;
    this.pool = openPool({
      connectionString: databaseUrl,
      applicationName: 'test books',
      maxConnections: 4,
      timeoutMs: 30_000,
      log: silentLog,
    });
  }

  async close(): Promise<void> {
    await this.pool.end();
  }

  /** What the record says of one call; null when it has none. */
  async call(requestId: string): Promise<RecordedCall | null> {
    return (await this.#recorded('stream = $1', `request-${requestId}`)).get(requestId) ?? null;
  }

  /** Every call of the record, by request id. */
  async calls(): Promise<ReadonlyMap<string, RecordedCall>> {
    return this.#recorded('stream LIKE $1', 'request-%');
  }

  /** `condition`: which streams, by the parameter `$1`. */
  async #recorded(condition: string, parameter: string): Promise<ReadonlyMap<string, RecordedCall>> {
    const { rows } = await this.pool.query<RecordedRow>(
      `SELECT substr(stream, 9) AS "requestId",
         count(*) FILTER (WHERE type = 'RequestAccepted')::int AS accepted,
         count(*) FILTER (WHERE type = 'UsageRecorded')::int AS usages,
         count(*) FILTER (WHERE type IN ('RequestCompleted', 'RequestFailed', 'RequestAborted'))::int AS endings,
         count(*) FILTER (WHERE type = 'UsageCorrected')::int AS corrections,
         max(data::jsonb ->> 'amountPicos') FILTER (WHERE type = 'UsageRecorded') AS picos,
         (array_agg(data::jsonb -> 'usage') FILTER (WHERE type = 'UsageRecorded'))[1] AS tokens,
         max(data::jsonb ->> 'source') FILTER (WHERE type = 'UsageRecorded') AS source,
         max(type) FILTER (WHERE type IN ('RequestCompleted', 'RequestFailed', 'RequestAborted')) AS ending,
         max((data::jsonb ->> 'heldTokens')::int) AS "heldTokens", max(data::jsonb ->> 'heldPicos') AS "heldPicos"
       FROM events WHERE ${condition} GROUP BY stream`,
      [parameter],
    );
    return new Map(
      rows.map((row) => [
        row.requestId,
        { ...row, picos: BigInt(row.picos ?? -1), heldPicos: BigInt(row.heldPicos ?? -1) },
      ]),
    );
  }

  async held(): Promise<Held> {
    const { rows } = await this.pool.query<{ holds: number; amount: string; slots: number }>(
      `SELECT (SELECT count(*)::int FROM holds) AS holds,
         (SELECT coalesce(sum(held), 0) FROM hold_totals) AS amount,
         (SELECT coalesce(sum(calls), 0)::int FROM hold_slots) AS slots`,
    );
    const [row] = rows;
    if (!row) throw new Error('nothing was counted');
    return { ...row, amount: BigInt(row.amount) };
  }

  /** Waits until nothing is held any more: no hold, no total, no slot. */
  async nothingHeld(timeoutMs: number): Promise<void> {
    await vi.waitFor(async () => expect(await this.held()).toEqual({ holds: 0, amount: 0n, slots: 0 }), {
      timeout: timeoutMs,
      interval: 50,
    });
  }

  /** Waits until every projection has applied the whole log. */
  async projected(timeoutMs = 20_000): Promise<void> {
    const checkpoints = PROJECTIONS.map(({ name }) => `SELECT '${name}' AS name, position FROM ${name}.checkpoint`);
    await vi.waitFor(
      async () => {
        const { rows } = await this.pool.query<{ name: string }>(
          `SELECT name FROM (${checkpoints.join(' UNION ALL ')}) AS c, event_head h WHERE c.position < h.position`,
        );
        expect(rows).toEqual([]);
      },
      { timeout: timeoutMs, interval: 50 },
    );
  }

  /** Asserts that each call was accepted, metered and ended exactly once, and never corrected. */
  async eachSettledOnce(): Promise<ReadonlyMap<string, RecordedCall>> {
    const calls = await this.calls();
    const wrong = [...calls.values()].filter(
      ({ accepted, usages, endings, corrections }) =>
        accepted !== 1 || usages !== 1 || endings !== 1 || corrections !== 0,
    );
    expect(wrong).toEqual([]);
    return calls;
  }

  /**
   * Asserts that the books are in order: no account is parked, the audit chains prove every event, debits equal credits and
   * revenue equals the usage of the record, and every read model, filled again from the first event, is the same to the byte.
   */
  async inOrder(): Promise<void> {
    await this.projected();
    const { rows: parked } = await this.pool.query('SELECT * FROM parked_accounts');
    expect(parked).toEqual([]);
    await this.#ledgerBalances();
    await this.#withStore(async (store) => {
      const audit = await verifyAudit(store, new AuditQueries(sqlExecutor(this.pool)));
      expect(audit).toMatchObject({ ok: true, firstDifference: null, position: await store.head() });
      const transactions = new PostgresTransactions(this.pool);
      const parts = { store, transactions, log: silentLog, partitionOf: partitionOfKey };
      for (const projection of PROJECTIONS) {
        const { name, tables, parked } = await rebuild(parts, projection, { swap: 'never' });
        const different = tables.filter((table) => !table.equal);
        expect({ name, different, parked }).toEqual({ name, different: [], parked: [] });
      }
    });
  }

  /**
   * Closes the running month of an account, and asserts that its invoices can be made again from events alone. Waits for
   * the projections of a running service.
   */
  async invoiced(accountId: string): Promise<readonly IssuedInvoice[]> {
    return this.#withStore(async (store) => {
      const sql = sqlExecutor(this.pool);
      const parking = new ParkingQueries(sql);
      const { clock } = systemRuntime(silentLog);
      const ports = {
        store,
        facts: new InvoiceFacts(sql),
        readModels: {
          caughtUp: () => this.projected(),
          isParked: (account: string) => parking.isParked('requests', account),
        },
        numbers: new InvoiceNumbers(store),
        clock,
      };
      const outcome = await closePeriod(ports, { accountId, period: monthOf(clock.now(), 'UTC'), early: true });
      if (!outcome.ok) throw new Error(`the period was not closed: ${JSON.stringify(outcome.refusal)}`);
      for (const { invoiceId } of outcome.invoices) {
        expect(await verifyInvoice(store, invoiceId)).toMatchObject({ equal: true });
      }
      return outcome.invoices;
    });
  }

  async #withStore<T>(work: (store: PostgresEventStore) => Promise<T>): Promise<T> {
    const store = await PostgresEventStore.open({ connectionString: this.#url, log: silentLog, timeoutMs: 30_000 });
    try {
      return await work(store);
    } finally {
      await store.close();
    }
  }

  async #ledgerBalances(): Promise<void> {
    const { rows } = await this.pool.query<Record<'debits' | 'credits' | 'revenue' | 'recorded', string>>(
      `SELECT sum(debits) AS debits, sum(credits) AS credits,
         coalesce(sum(credits - debits) FILTER (WHERE ledger_account LIKE 'revenue:%'), 0) AS revenue,
         (SELECT coalesce(sum(CASE type WHEN 'UsageRecorded' THEN (data::jsonb ->> 'amountPicos')::numeric
            ELSE (data::jsonb #>> '{corrected,amountPicos}')::numeric
              - (data::jsonb #>> '{previous,amountPicos}')::numeric END), 0)
          FROM events e WHERE type IN ('UsageRecorded', 'UsageCorrected')
            AND data::jsonb ->> 'currency' = b.currency) AS recorded
       FROM ledger.balances b GROUP BY currency`,
    );
    expect(rows.length).toBeGreaterThan(0);
    for (const { debits, credits, revenue, recorded } of rows) {
      expect({ debits, revenue }).toEqual({ debits: credits, revenue: recorded });
    }
  }
}

type RecordedRow = Omit<RecordedCall, 'picos' | 'heldPicos'> & {
  readonly picos: string | null;
  readonly heldPicos: string | null;
};
