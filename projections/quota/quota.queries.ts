import type { Currency, Picos } from '../../events/money.ts';
import type { SqlExecutor } from '../projection.ts';

/** What settled calls used, in tokens and in money per currency. */
export interface UsedInPeriod {
  readonly tokens: bigint;
  readonly amounts: ReadonlyMap<Currency, Picos>;
}

/** Reads of what is used up. Open holds are not in it. May throw StoreUnavailable. */
export class QuotaQueries {
  readonly #sql: SqlExecutor;

  constructor(sql: SqlExecutor) {
    this.#sql = sql;
  }

  /** Of a key or an account, in a UTC month such as `2026-11`. Served by the primary key. */
  async usedInPeriod(scopeId: string, period: string): Promise<UsedInPeriod> {
    const { rows } = await this.#sql.query<{ meter: 'tokens' | Currency; used: string }>(
      'SELECT meter, used FROM quota.used WHERE scope_id = $1 AND period = $2',
      [scopeId, period],
    );
    const amounts = new Map<Currency, Picos>();
    let tokens = 0n;
    for (const { meter, used } of rows) {
      if (meter === 'tokens') tokens = BigInt(used);
      else amounts.set(meter, BigInt(used));
    }
    return { tokens, amounts };
  }

  /** Tokens that each of these keys or accounts used in a UTC month; one that used none is left out. Served by the primary key. */
  async tokensInPeriod(scopeIds: readonly string[], period: string): Promise<ReadonlyMap<string, bigint>> {
    const { rows } = await this.#sql.query<{ scopeId: string; used: string }>(
      `SELECT scope_id AS "scopeId", used FROM quota.used
       WHERE scope_id = ANY ($1) AND period = $2 AND meter = 'tokens'`,
      [scopeIds, period],
    );
    return new Map(rows.map(({ scopeId, used }) => [scopeId, BigInt(used)]));
  }
}
