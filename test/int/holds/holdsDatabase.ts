import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { v7 as uuidv7 } from 'uuid';
import { encode } from '../../../events/codec.ts';
import { PostgresHoldLedger, type PostgresHoldLedgerOptions } from '../../../infra/postgres/holdLedger.ts';
import { PostgresTransactions } from '../../../infra/postgres/transactions.ts';
import { systemRuntime } from '../../../infra/runtime.ts';
import { quotaProjection } from '../../../projections/quota/quota.projection.ts';
import { prepareSchemas } from '../../../projections/schema.ts';
import type { HoldRequest } from '../../../services/relay/ports.ts';
import { requestAccepted } from '../../support/events.ts';
import { silentLog } from '../../support/log.ts';
import { testDatabase, type TestDatabase } from '../../support/postgres.ts';

export const NOVEMBER = '2026-11';

interface ScopeLimits {
  readonly tokens?: number;
  readonly spend?: Readonly<Record<string, bigint>>;
  readonly concurrency?: number;
}

/** A migrated database with the quota read model, and what tests of holds do with it. */
export class HoldsDatabase {
  readonly database: TestDatabase;
  readonly #ledgers: PostgresHoldLedger[] = [];

  static async create(): Promise<HoldsDatabase> {
    const database = await testDatabase();
    await prepareSchemas(new PostgresTransactions(database.pool), [quotaProjection]);
    return new HoldsDatabase(database);
  }

  private constructor(database: TestDatabase) {
    this.database = database;
  }

  get pool(): pg.Pool {
    return this.database.pool;
  }

  async close(): Promise<void> {
    await Promise.all(this.#ledgers.map((ledger) => ledger.close()));
    await this.database.close();
  }

  /** A ledger as one relay has it. Closed with the database. */
  async ledger(options: Partial<PostgresHoldLedgerOptions> = {}): Promise<PostgresHoldLedger> {
    const ledger = await PostgresHoldLedger.open({
      connectionString: this.database.url,
      runtime: systemRuntime(silentLog),
      owner: randomUUID(),
      ...options,
    });
    this.#ledgers.push(ledger);
    return ledger;
  }

  account(accountId: string, limits: ScopeLimits = {}): Promise<void> {
    return this.#scope(accountId, 'account', accountId, limits);
  }

  key(keyId: string, accountId: string, limits: ScopeLimits = {}): Promise<void> {
    return this.#scope(keyId, 'key', accountId, limits);
  }

  async #scope(id: string, kind: string, accountId: string, { tokens, spend = {}, concurrency }: ScopeLimits) {
    const spendMax = Object.fromEntries(Object.entries(spend).map(([code, picos]) => [code, String(picos)]));
    await this.pool.query(
      `INSERT INTO quota.scopes (scope_id, kind, account_id, concurrency, tokens_max, spend_max)
       VALUES ($1, $2, $3, $4, $5, $6)`,
      [id, kind, accountId, concurrency ?? null, tokens ?? null, JSON.stringify(spendMax)],
    );
  }

  async used(scopeId: string, meter: string, used: bigint, period = NOVEMBER): Promise<void> {
    await this.pool.query('INSERT INTO quota.used (scope_id, period, meter, used) VALUES ($1, $2, $3, $4)', [
      scopeId,
      period,
      meter,
      String(used),
    ]);
  }

  /** Open holds per scope, month and meter, without those at 0: `key_1 2026-11 tokens` → amount. */
  async totals(): Promise<Record<string, bigint>> {
    const { rows } = await this.pool.query<{ name: string; held: string }>(
      `SELECT scope_id || ' ' || period || ' ' || meter AS name, held FROM hold_totals WHERE held <> 0 ORDER BY 1`,
    );
    return Object.fromEntries(rows.map((row) => [row.name, BigInt(row.held)]));
  }

  /** Calls in flight per key, without those at 0. */
  async slots(): Promise<Record<string, number>> {
    const { rows } = await this.pool.query<{ key_id: string; calls: string }>(
      'SELECT key_id, sum(calls) AS calls FROM hold_slots GROUP BY key_id HAVING sum(calls) <> 0 ORDER BY key_id',
    );
    return Object.fromEntries(rows.map((row) => [row.key_id, Number(row.calls)]));
  }

  async holdCount(): Promise<number> {
    const { rows } = await this.pool.query<{ count: string }>('SELECT count(*) FROM holds');
    return Number(rows[0]?.count);
  }

  async settle(requestIds: readonly string[]): Promise<number> {
    const { rows } = await this.pool.query<{ settled: string }>('SELECT settle_holds($1::uuid[]) AS settled', [
      requestIds,
    ]);
    return Number(rows[0]?.settled);
  }

  /** Keeps everybody from the holds of a scope until the result is called. */
  async lockScope(scopeId: string): Promise<() => Promise<void>> {
    const client = new pg.Client({ connectionString: this.database.url });
    await client.connect();
    await client.query('BEGIN');
    await client.query('SELECT lock_hold_scopes(ARRAY[$1])', [scopeId]);
    return async () => {
      await client.query('COMMIT');
      await client.end();
    };
  }

  /** Backends of hold ledgers that wait for a lock. */
  async blockedLedgers(): Promise<number[]> {
    const { rows } = await this.pool.query<{ pid: number }>(
      `SELECT pid FROM pg_stat_activity
       WHERE datname = current_database() AND application_name = 'tallystick holds' AND wait_event_type = 'Lock'`,
    );
    return rows.map((row) => row.pid);
  }
}

/** A hold of 100 tokens and 5 000 picos in USD on `key_1` of `acct_1`, unless told otherwise. */
export function holdRequest(change: Partial<HoldRequest> = {}): HoldRequest {
  const requestId = change.requestId ?? uuidv7();
  const keyId = change.keyId ?? 'key_1';
  const accountId = change.accountId ?? 'acct_1';
  return {
    requestId,
    keyId,
    accountId,
    period: NOVEMBER,
    tokens: 100,
    picos: 5_000n,
    currency: 'USD',
    deadline: Date.now() + 900_000,
    accepted: encode(requestAccepted({ requestId, keyId, accountId })),
    idempotency: null,
    ...change,
  };
}
