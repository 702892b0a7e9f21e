import type { Mode } from '../../events/envelope.ts';
import type { Limits } from '../../events/quota/limits.ts';
import type { SqlExecutor } from '../projection.ts';

export interface KeySummary {
  readonly keyId: string;
  readonly accountId: string;
  readonly mode: Mode;
  readonly name: string;
  readonly prefix: string;
  readonly last4: string;
  readonly status: 'active' | 'disabled' | 'revoked' | 'expired';
  readonly limits: Limits;
  readonly models: readonly string[] | null;
  readonly expiresAt: string | null;
  readonly previousValidUntil: string | null;
  readonly issuedAt: string;
}

/** A key together with whose it is. */
export interface OwnedKey extends KeySummary {
  readonly userId: string;
}

export interface InstallationCounts {
  readonly users: number;
  readonly keys: Readonly<Record<KeySummary['status'], number>>;
}

export interface UserSummary {
  readonly userId: string;
  readonly sealedProfile: string;
  readonly sealedPasswordHash: string;
  readonly accounts: { readonly live: string; readonly test: string };
  readonly registeredAt: string;
}

export interface AccountSummary {
  readonly accountId: string;
  readonly userId: string;
  readonly mode: Mode;
  readonly zone: string;
  readonly limits: Limits;
  readonly maxKeys: number;
  readonly openedAt: string;
}

/** Reads of users, accounts and API keys. They may lag behind the log. Every method may throw StoreUnavailable. */
export class KeyQueries {
  readonly #sql: SqlExecutor;

  constructor(sql: SqlExecutor) {
    this.#sql = sql;
  }

  async findUser(userId: string): Promise<UserSummary | null> {
    return this.#userWhere('user_id', userId);
  }

  async findUserByEmailIndex(emailIndex: string): Promise<UserSummary | null> {
    return this.#userWhere('email_index', emailIndex);
  }

  async findAccount(accountId: string): Promise<AccountSummary | null> {
    const { rows } = await this.#sql.query<AccountColumns>(
      `SELECT ${ACCOUNT_COLUMNS} FROM keys.accounts WHERE account_id = $1`,
      [accountId],
    );
    return rows[0] ? toAccount(rows[0]) : null;
  }

  /** In the order in which they were opened, of one user or (null) of all, in pages. */
  async *accounts(userId: string | null): AsyncGenerator<readonly AccountSummary[], void, undefined> {
    let after = { openedAt: '-infinity', accountId: '' };
    for (;;) {
      const { rows } = await this.#sql.query<AccountColumns & { place: string }>(
        `SELECT ${ACCOUNT_COLUMNS}, opened_at::text AS place FROM keys.accounts
         WHERE ($1::text IS NULL OR user_id = $1) AND (opened_at, account_id) > ($2::timestamptz, $3)
         ORDER BY opened_at, account_id LIMIT ${String(ACCOUNT_PAGE)}`,
        [userId, after.openedAt, after.accountId],
      );
      if (rows.length > 0) yield rows.map(toAccount);
      const last = rows.at(-1);
      if (!last || rows.length < ACCOUNT_PAGE) return;
      after = { openedAt: last.place, accountId: last.accountId };
    }
  }

  /** Null too when the key belongs to another account. */
  async findKey(accountIds: readonly string[], keyId: string): Promise<KeySummary | null> {
    const { rows } = await this.#sql.query<KeyColumns>(
      `SELECT ${KEY_COLUMNS} FROM keys.api_keys WHERE account_id = ANY ($1) AND key_id = $2`,
      [accountIds, keyId],
    );
    return rows[0] ? toSummary(rows[0]) : null;
  }

  /** Active and disabled ones first, then newest first, at most `limit`. Index `api_keys_of_account`. */
  async listKeys(accountIds: readonly string[], limit: number): Promise<readonly KeySummary[]> {
    const { rows } = await this.#sql.query<KeyColumns>(
      `SELECT ${KEY_COLUMNS} FROM keys.api_keys WHERE account_id = ANY ($1)
       ORDER BY status IN ('active', 'disabled') DESC, issued_at DESC, key_id LIMIT $2`,
      [accountIds, limit],
    );
    return rows.map(toSummary);
  }

  /** `active` counts active and disabled keys: those that count against the most an account may have. */
  async countKeys(accountId: string): Promise<{ readonly issued: number; readonly active: number }> {
    const { rows } = await this.#sql.query<{ issued: string; active: string }>(
      `SELECT count(*) AS issued, count(*) FILTER (WHERE status IN ('active', 'disabled')) AS active
       FROM keys.api_keys WHERE account_id = $1`,
      [accountId],
    );
    return { issued: Number(rows[0]?.issued ?? 0), active: Number(rows[0]?.active ?? 0) };
  }

  /** Of all accounts in the order of their ids, those after one of them (null: from the first). Served by the primary key. */
  async pageOfKeys(after: string | null, limit: number): Promise<readonly OwnedKey[]> {
    const { rows } = await this.#sql.query<KeyColumns & { userId: string }>(
      `SELECT ${KEY_COLUMNS}, user_id AS "userId" FROM keys.api_keys WHERE key_id > $1 ORDER BY key_id LIMIT $2`,
      [after ?? '', limit],
    );
    return rows.map((row) => ({ ...toSummary(row), userId: row.userId }));
  }

  /**
   * All users, and the keys of a mode by what they are at an instant (stored text): one past its expiry is expired,
   * whether or not that is recorded. Reads every key.
   */
  async installationCounts(mode: Mode, instant: string): Promise<InstallationCounts> {
    const users = await this.#sql.query<{ count: string }>('SELECT count(*) AS count FROM keys.users', []);
    const { rows } = await this.#sql.query<{ status: KeySummary['status']; count: string }>(
      `SELECT CASE WHEN status <> 'revoked' AND expires_at <= $2::timestamptz THEN 'expired' ELSE status END AS status,
         count(*) AS count
       FROM keys.api_keys WHERE mode = $1 GROUP BY 1`,
      [mode, instant],
    );
    const keys = { active: 0, disabled: 0, revoked: 0, expired: 0 };
    for (const { status, count } of rows) keys[status] = Number(count);
    return { users: Number(users.rows[0]?.count ?? 0), keys };
  }

  /** Active and disabled keys that expire at or before the instant, the longest overdue first. Index `api_keys_expiring`. */
  async dueForExpiry(
    instant: string,
    limit: number,
  ): Promise<readonly { readonly keyId: string; readonly accountId: string }[]> {
    const { rows } = await this.#sql.query<{ keyId: string; accountId: string }>(
      `SELECT key_id AS "keyId", account_id AS "accountId" FROM keys.api_keys
       WHERE expires_at <= $1 AND expires_at IS NOT NULL AND status IN ('active', 'disabled')
       ORDER BY expires_at, key_id LIMIT $2`,
      [instant, limit],
    );
    return rows;
  }

  async #userWhere(column: 'user_id' | 'email_index', value: string): Promise<UserSummary | null> {
    const { rows } = await this.#sql.query<{
      userId: string;
      sealedProfile: string;
      sealedPasswordHash: string;
      live: string;
      test: string;
      registeredAt: Date;
    }>(
      `SELECT user_id AS "userId", sealed_profile AS "sealedProfile", sealed_password_hash AS "sealedPasswordHash",
         live_account AS live, test_account AS test, registered_at AS "registeredAt"
       FROM keys.users WHERE ${column} = $1`,
      [value],
    );
    if (!rows[0]) return null;
    const { live, test, registeredAt, ...user } = rows[0];
    return { ...user, accounts: { live, test }, registeredAt: registeredAt.toISOString() };
  }
}

const ACCOUNT_PAGE = 1_000;

const ACCOUNT_COLUMNS = `account_id AS "accountId", user_id AS "userId", mode, zone, limits, max_keys AS "maxKeys",
  opened_at AS "openedAt"`;

type AccountColumns = Omit<AccountSummary, 'maxKeys' | 'openedAt'> & {
  readonly maxKeys: string;
  readonly openedAt: Date;
};

function toAccount({ accountId, userId, mode, zone, limits, maxKeys, openedAt }: AccountColumns): AccountSummary {
  return { accountId, userId, mode, zone, limits, maxKeys: Number(maxKeys), openedAt: openedAt.toISOString() };
}

const KEY_COLUMNS = `key_id AS "keyId", account_id AS "accountId", mode, name, prefix, last4, status, limits, models,
  expires_at AS "expiresAt", previous_valid_until AS "previousValidUntil", issued_at AS "issuedAt"`;

type KeyColumns = Omit<KeySummary, 'expiresAt' | 'previousValidUntil' | 'issuedAt'> & {
  readonly expiresAt: Date | null;
  readonly previousValidUntil: Date | null;
  readonly issuedAt: Date;
};

function toSummary(row: KeyColumns): KeySummary {
  return {
    ...row,
    expiresAt: row.expiresAt?.toISOString() ?? null,
    previousValidUntil: row.previousValidUntil?.toISOString() ?? null,
    issuedAt: row.issuedAt.toISOString(),
  };
}
