import type pg from 'pg';
import type { FileQuery, FileRecords, Forgetting, Purpose, StoredFile } from '../../services/files/ports.ts';
import { isStorable } from '../../services/storableText.ts';
import { asStoreError, inTransaction } from './database.ts';

interface Row {
  readonly id: string;
  readonly account_id: string;
  readonly name: string;
  readonly bytes: string;
  readonly media_type: string;
  readonly purpose: string;
  readonly created_by: string | null;
  readonly created_ms: string;
  readonly expires_ms: string | null;
  readonly object_key: string;
}

const COLUMNS = `id, account_id, name, bytes, media_type, purpose, created_by, object_key,
  (extract(epoch FROM created_at) * 1000)::bigint AS created_ms,
  (extract(epoch FROM expires_at) * 1000)::bigint AS expires_ms`;

/** With the values of `forgettingValues`. Served by files_by_expiry and files_reserved. */
const IS_FORGOTTEN = `(expires_at <= to_timestamp($1 / 1000.0)
  OR (NOT stored AND reserved_at < now() - $2 * interval '1 millisecond'))`;

/** What is known of files, in the table `files`. */
export function postgresFiles(pool: pg.Pool): FileRecords {
  const query = async (text: string, values: readonly unknown[]): Promise<readonly StoredFile[]> => {
    try {
      return (await pool.query<Row>(text, [...values])).rows.map(fileOf);
    } catch (error) {
      throw asStoreError(error, 'files');
    }
  };
  return {
    async reserve(file, maxAccountBytes) {
      try {
        return await inTransaction(pool, (client) => reserve(client, file, maxAccountBytes));
      } catch (error) {
        throw asStoreError(error, 'files');
      }
    },
    async confirm(id, reservedForMs) {
      // What a sweep may take cannot be confirmed, so that it does not matter how far that sweep has come.
      const confirmed = await query(
        `UPDATE files SET stored = true
         WHERE id = $1 AND (stored OR reserved_at >= now() - $2 * interval '1 millisecond') RETURNING ${COLUMNS}`,
        [id, reservedForMs],
      );
      return confirmed.length === 1;
    },
    async release(id) {
      await query('UPDATE files SET bytes = 0 WHERE id = $1 AND NOT stored', [id]);
    },
    async find(accountId, id, now) {
      if (!isStorable(id)) return null;
      const [found] = await query(
        `SELECT ${COLUMNS} FROM files
         WHERE id = $1 AND ($2::text IS NULL OR account_id = $2) AND stored
           AND (expires_at IS NULL OR expires_at > to_timestamp($3 / 1000.0))`,
        [id, accountId, now],
      );
      return found ?? null;
    },
    list: (accountId, options) => query(...pageOf(accountId, options)),
    async remove(id) {
      await query('DELETE FROM files WHERE id = $1', [id]);
    },
    forgotten: (when, limit) =>
      query(`SELECT ${COLUMNS} FROM files WHERE ${IS_FORGOTTEN} ORDER BY id LIMIT $3`, [
        ...forgettingValues(when),
        limit,
      ]),
    async forget(id, when, removeBytes) {
      const removal = { failed: false };
      try {
        await inTransaction(pool, async (client) => {
          if (!(await claim(client, id, when))) return;
          await removeBytes().catch((error: unknown) => {
            removal.failed = true;
            throw error;
          });
        });
      } catch (error) {
        throw removal.failed ? error : asStoreError(error, 'files');
      }
    },
  };
}

function forgettingValues({ now, reservedForMs }: Forgetting): readonly number[] {
  return [now, reservedForMs];
}

/**
 * The condition again, for somebody may have confirmed the file or reserved it anew since it was found. Who wants to do
 * so from now on waits for the row until the transaction ends.
 */
async function claim(client: pg.PoolClient, id: string, when: Forgetting): Promise<boolean> {
  const text = `DELETE FROM files WHERE ${IS_FORGOTTEN} AND id = $3`;
  const { rowCount } = await client.query(text, [...forgettingValues(when), id]);
  return rowCount === 1;
}

/** Uploads of one account take turns, so that together they cannot pass its limit. */
async function reserve(client: pg.PoolClient, file: StoredFile, maxAccountBytes: number): Promise<boolean> {
  await client.query(`SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, [`files ${file.accountId}`]);
  const { rowCount } = await client.query(
    `INSERT INTO files (id, account_id, name, bytes, media_type, purpose, created_by, created_at, expires_at, object_key)
     SELECT $1, $2, $3, $4::bigint, $5, $6, $7, to_timestamp($8 / 1000.0), to_timestamp($9 / 1000.0), $10
     WHERE $4::bigint + (SELECT coalesce(sum(f.bytes), 0) FROM files f WHERE f.account_id = $2 AND f.id <> $1) <= $11
     ON CONFLICT (id) DO UPDATE
       SET bytes = excluded.bytes, media_type = excluded.media_type, reserved_at = now()`,
    [
      ...[file.id, file.accountId, file.name, file.bytes, file.mediaType, file.purpose, file.createdBy],
      ...[file.createdAt, file.expiresAt, file.objectKey, maxAccountBytes],
    ],
  );
  return rowCount === 1;
}

/** Served by files_of_account. A page goes on after the file that `after` names, and is empty when there is none. */
function pageOf(accountId: string, options: FileQuery): [string, readonly unknown[]] {
  const [beyond, order] = options.newestFirst ? ['<', 'DESC'] : ['>', 'ASC'];
  return [
    `SELECT ${COLUMNS} FROM files
     WHERE account_id = $1 AND stored AND (expires_at IS NULL OR expires_at > to_timestamp($2 / 1000.0))
       AND ($3::text IS NULL OR purpose = $3)
       AND ($4::text IS NULL
         OR (created_at, id) ${beyond} (SELECT f.created_at, f.id FROM files f WHERE f.id = $4 AND f.account_id = $1))
     ORDER BY created_at ${order}, id ${order} LIMIT $5`,
    [accountId, options.now, options.purpose, options.after, options.limit],
  ];
}

function fileOf(row: Row): StoredFile {
  return {
    id: row.id,
    accountId: row.account_id,
    name: row.name,
    bytes: Number(row.bytes),
    mediaType: row.media_type,
    purpose: row.purpose as Purpose,
    createdBy: row.created_by,
    createdAt: Number(row.created_ms),
    expiresAt: row.expires_ms === null ? null : Number(row.expires_ms),
    objectKey: row.object_key,
  };
}
