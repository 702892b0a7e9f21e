import { storableJson } from '../columns.ts';
import { ofTypes, type Placed } from '../ofTypes.ts';
import type { ProjectedEvent, Projection, SqlExecutor } from '../projection.ts';
import type { KeyEvent } from '../../events/key/key.events.ts';
import { evolveKey, type KeyRow } from './keyRow.ts';

const ddl = `
CREATE TABLE users (
  user_id text COLLATE "C" PRIMARY KEY,
  email_index text COLLATE "C" NOT NULL UNIQUE,
  sealed_profile text NOT NULL,
  sealed_password_hash text NOT NULL,
  live_account text COLLATE "C" NOT NULL,
  test_account text COLLATE "C" NOT NULL,
  registered_at timestamptz NOT NULL
);
CREATE TABLE accounts (
  account_id text COLLATE "C" PRIMARY KEY,
  user_id text COLLATE "C" NOT NULL,
  mode text NOT NULL,
  zone text NOT NULL,
  limits jsonb NOT NULL,
  max_keys bigint NOT NULL,
  opened_at timestamptz NOT NULL
);
CREATE TABLE api_keys (
  key_id text COLLATE "C" PRIMARY KEY,
  account_id text COLLATE "C" NOT NULL,
  user_id text COLLATE "C" NOT NULL,
  mode text NOT NULL,
  name text NOT NULL,
  prefix text NOT NULL,
  last4 text NOT NULL,
  secret_hash text COLLATE "C" NOT NULL,
  previous_hash text COLLATE "C",
  previous_valid_until timestamptz,
  status text NOT NULL CHECK (status IN ('active', 'disabled', 'revoked', 'expired')),
  limits jsonb NOT NULL,
  models jsonb,
  expires_at timestamptz,
  issued_at timestamptz NOT NULL,
  -- The last event of the key.
  position bigint NOT NULL
);
CREATE INDEX api_keys_of_account ON api_keys (account_id, issued_at);
CREATE INDEX api_keys_expiring ON api_keys (expires_at) WHERE expires_at IS NOT NULL AND status IN ('active', 'disabled');
`;

const KEY_TYPES = [
  'ApiKeyIssued',
  'ApiKeyRestricted',
  'ApiKeyRotated',
  'ApiKeyDisabled',
  'ApiKeyEnabled',
  'ApiKeySuspended',
  'ApiKeyReinstated',
  'ApiKeyRenamed',
  'ApiKeyRevoked',
  'ApiKeyExpired',
] as const;

/** Users, accounts and API keys as they stand, for management routes and sign-in. */
export const keysProjection: Projection = {
  name: 'keys',
  version: 1,
  ddl,
  urgent: true,
  categories: ['user', 'account', 'key'],
  types: new Set<string>(['UserRegistered', 'AccountOpened', 'AccountLimitsSet', ...KEY_TYPES]),
  async apply(sql, events) {
    await insertUsers(sql, events);
    await insertAccounts(sql, events);
    await setAccountLimits(sql, events);
    await changeKeys(sql, ofTypes(events, ...KEY_TYPES));
  },
};

async function insertUsers(sql: SqlExecutor, events: readonly ProjectedEvent[]): Promise<void> {
  const rows = ofTypes(events, 'UserRegistered').map(({ event }) => ({
    user_id: event.userId,
    email_index: event.emailIndex,
    sealed_profile: event.sealedProfile,
    sealed_password_hash: event.sealedPasswordHash,
    live_account: event.accounts.live,
    test_account: event.accounts.test,
    registered_at: event.occurredAt,
  }));
  if (rows.length === 0) return;
  await sql.query('INSERT INTO users SELECT * FROM json_populate_recordset(null::users, $1)', [storableJson(rows)]);
}

async function insertAccounts(sql: SqlExecutor, events: readonly ProjectedEvent[]): Promise<void> {
  const rows = ofTypes(events, 'AccountOpened').map(({ event }) => ({
    account_id: event.accountId,
    user_id: event.userId,
    mode: event.mode,
    zone: event.zone,
    limits: event.limits,
    max_keys: event.maxKeys,
    opened_at: event.occurredAt,
  }));
  if (rows.length === 0) return;
  await sql.query('INSERT INTO accounts SELECT * FROM json_populate_recordset(null::accounts, $1)', [
    storableJson(rows),
  ]);
}

/** Only the last limits of a page count, as they replace all before them. */
async function setAccountLimits(sql: SqlExecutor, events: readonly ProjectedEvent[]): Promise<void> {
  const limits = new Map(
    ofTypes(events, 'AccountLimitsSet').map(({ event }) => [event.accountId, JSON.stringify(event.limits)]),
  );
  if (limits.size === 0) return;
  const { rowCount } = await sql.query(
    `UPDATE accounts a SET limits = s.limits::jsonb
     FROM unnest($1::text[], $2::text[]) AS s (account_id, limits) WHERE a.account_id = s.account_id`,
    [[...limits.keys()], [...limits.values()]],
  );
  if (rowCount !== limits.size) throw new Error('limits are set for an account that was never opened');
}

async function changeKeys(sql: SqlExecutor, changes: readonly Placed<KeyEvent>[]): Promise<void> {
  if (changes.length === 0) return;
  const touched = [...new Set(changes.map(({ event }) => event.keyId))];
  const stored = await sql.query<{ row: KeyRow }>(
    'SELECT row_to_json(k) AS row FROM api_keys k WHERE key_id = ANY ($1)',
    [touched],
  );
  const rows = new Map(stored.rows.map(({ row }) => [row.key_id, row]));
  for (const { event, recorded } of changes) {
    rows.set(event.keyId, evolveKey(rows.get(event.keyId), event, String(recorded.position)));
  }
  await sql.query(
    `INSERT INTO api_keys SELECT * FROM json_populate_recordset(null::api_keys, $1)
     ON CONFLICT (key_id) DO UPDATE SET
       name = excluded.name, prefix = excluded.prefix, last4 = excluded.last4, secret_hash = excluded.secret_hash,
       previous_hash = excluded.previous_hash, previous_valid_until = excluded.previous_valid_until,
       status = excluded.status, limits = excluded.limits, models = excluded.models,
       expires_at = excluded.expires_at, position = excluded.position`,
    [storableJson([...rows.values()])],
  );
}
