import type { Mode } from '../../events/envelope.ts';
import type { Currency, Picos } from '../../events/money.ts';
import type { SqlExecutor } from '../projection.ts';

/** Usage of one key with one model in one currency on one UTC day. `requests` includes `failed`; latencies are of `latencyCount` of them. */
export interface DailyUsage {
  /** `2026-11-30`. */
  readonly day: string;
  readonly model: string;
  readonly currency: Currency;
  readonly requests: bigint;
  readonly failed: bigint;
  readonly tokens: bigint;
  readonly amount: Picos;
  readonly latencyMsSum: bigint;
  readonly latencyCount: bigint;
}

/** Usage of one key with one model in one currency over some time. `requests` includes `failed`. */
export interface KeyModelUsage extends ModelUsage {
  readonly accountId: string;
  readonly keyId: string;
}

/** Usage with one model in one currency over some time. `requests` includes `failed`. */
export interface ModelUsage {
  readonly model: string;
  readonly currency: Currency;
  readonly requests: bigint;
  readonly failed: bigint;
  readonly tokens: bigint;
  readonly amount: Picos;
}

/** Reads of usage roll-ups. May throw StoreUnavailable. */
export class UsageQueries {
  readonly #sql: SqlExecutor;

  constructor(sql: SqlExecutor) {
    this.#sql = sql;
  }

  /** From the UTC hour of an instant on, ordered by day, model and currency. Served by the primary key. */
  async dailyUsageOfKey(accountId: string, keyId: string, from: string): Promise<readonly DailyUsage[]> {
    const { rows } = await this.#sql.query<Record<keyof DailyUsage, string> & { currency: Currency }>(
      `SELECT to_char(hour AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day, model, currency,
         sum(requests) AS requests, sum(failed) AS failed, sum(tokens) AS tokens, sum(amount) AS amount,
         sum(latency_ms_sum) AS "latencyMsSum", sum(latency_count) AS "latencyCount"
       FROM usage.hourly
       WHERE account_id = $1 AND key_id = $2 AND hour >= date_trunc('hour', $3::timestamptz, 'UTC')
       GROUP BY 1, 2, 3 ORDER BY 1, 2, 3`,
      [accountId, keyId, from],
    );
    return rows.map((row) => ({
      day: row.day,
      model: row.model,
      currency: row.currency,
      requests: BigInt(row.requests),
      failed: BigInt(row.failed),
      tokens: BigInt(row.tokens),
      amount: BigInt(row.amount),
      latencyMsSum: BigInt(row.latencyMsSum),
      latencyCount: BigInt(row.latencyCount),
    }));
  }

  /** Per key and model, from one UTC hour on and before another (stored texts). Served by the primary key. */
  async usageByKeyAndModel(
    accountIds: readonly string[],
    from: string,
    before: string,
  ): Promise<readonly KeyModelUsage[]> {
    const { rows } = await this.#sql.query<Record<keyof KeyModelUsage, string> & { currency: Currency }>(
      `SELECT account_id AS "accountId", key_id AS "keyId", model, currency, sum(requests) AS requests,
         sum(failed) AS failed, sum(tokens) AS tokens, sum(amount) AS amount
       FROM usage.hourly
       WHERE account_id = ANY ($1) AND hour >= $2::timestamptz AND hour < $3::timestamptz
       GROUP BY account_id, key_id, model, currency ORDER BY account_id, key_id, model, currency`,
      [accountIds, from, before],
    );
    return rows.map((row) => ({
      ...row,
      requests: BigInt(row.requests),
      failed: BigInt(row.failed),
      tokens: BigInt(row.tokens),
      amount: BigInt(row.amount),
    }));
  }

  /**
   * Of all accounts of a mode, per model, from one UTC hour on and before another (stored texts). Reads every row of the
   * span, and the keys read model for the mode: an account that is not there yet is left out.
   */
  async usageByModel(mode: Mode, from: string, before: string): Promise<readonly ModelUsage[]> {
    const { rows } = await this.#sql.query<Record<keyof ModelUsage, string> & { currency: Currency }>(
      `SELECT h.model, h.currency, sum(h.requests) AS requests, sum(h.failed) AS failed, sum(h.tokens) AS tokens,
         sum(h.amount) AS amount
       FROM usage.hourly h JOIN keys.accounts a ON a.account_id = h.account_id
       WHERE a.mode = $1 AND h.hour >= $2::timestamptz AND h.hour < $3::timestamptz
       GROUP BY h.model, h.currency ORDER BY h.model, h.currency`,
      [mode, from, before],
    );
    return rows.map((row) => ({
      ...row,
      requests: BigInt(row.requests),
      failed: BigInt(row.failed),
      tokens: BigInt(row.tokens),
      amount: BigInt(row.amount),
    }));
  }
}
