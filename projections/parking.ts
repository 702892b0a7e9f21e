import type { SqlExecutor } from './projection.ts';

export interface ParkedAccount {
  readonly projection: string;
  readonly accountId: string;
  /** The event that could not be applied. */
  readonly position: bigint;
  readonly error: string;
}

/** Reads which accounts projections pass over. May throw StoreUnavailable. */
export class ParkingQueries {
  readonly #sql: SqlExecutor;

  constructor(sql: SqlExecutor) {
    this.#sql = sql;
  }

  /** True while the projection's rows of this account are incomplete. Events that name no account count for all of them. */
  async isParked(projection: string, accountId: string): Promise<boolean> {
    const { rows } = await this.#sql.query(
      `SELECT FROM public.parked_accounts WHERE projection = $1 AND account_id IN ($2, '?') LIMIT 1`,
      [projection, accountId],
    );
    return rows.length > 0;
  }

  async list(): Promise<readonly ParkedAccount[]> {
    const { rows } = await this.#sql.query<Omit<ParkedAccount, 'position'> & { position: string }>(
      `SELECT projection, account_id AS "accountId", position, error
       FROM public.parked_accounts ORDER BY projection, account_id`,
    );
    return rows.map((row) => ({ ...row, position: BigInt(row.position) }));
  }
}
