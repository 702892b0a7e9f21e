import type pg from 'pg';
import type { ResponseStore, StoredResponse } from '../../services/relay/dialects/responses/storedResponses.ts';
import { isStorable } from '../../services/storableText.ts';
import { NONCE_LENGTH, open, seal, TAG_LENGTH } from '../crypto/aesGcm.ts';
import { asStoreError } from './database.ts';

/** As long as OpenAI keeps them. */
const DAYS_KEPT = 30;
const SWEPT_PER_WRITE = 10;
/** Of one account, about, when many are saved at once. A response has its whole conversation in it. */
const MOST_RESPONSES = 2_000;
const MOST_BYTES = 256 * 2 ** 20;

interface Row {
  readonly sealed: Buffer;
}

/**
 * Responses in the table `stored_responses`, each sealed with `key` for its account and id; where an account has too many,
 * its oldest go. Throws StoreUnavailable.
 */
export function postgresResponses(pool: pg.Pool, key: Buffer): ResponseStore {
  const query = async (text: string, values: readonly unknown[]) => {
    try {
      return await pool.query<Row>(text, [...values]);
    } catch (error) {
      throw asStoreError(error, 'stored responses');
    }
  };
  return {
    async save(accountId, response) {
      const bytes = sealed(key, accountId, response);
      await query(
        `WITH expired AS (
           DELETE FROM stored_responses WHERE (account_id, response_id) IN (
             SELECT account_id, response_id FROM stored_responses
             WHERE created_at <= now() - $4 * interval '1 day' LIMIT $5 FOR UPDATE SKIP LOCKED)
         ), displaced AS (
           DELETE FROM stored_responses WHERE account_id = $1 AND response_id IN (
             SELECT o.response_id FROM (
               SELECT response_id, row_number() OVER newest AS place, sum(octet_length(sealed)) OVER newest AS bytes
               FROM stored_responses WHERE account_id = $1 AND response_id <> $2
               WINDOW newest AS (ORDER BY created_at DESC, response_id DESC)
             ) AS o WHERE o.place >= $6 OR o.bytes > $7))
         INSERT INTO stored_responses (account_id, response_id, sealed) VALUES ($1, $2, $3)
         ON CONFLICT (account_id, response_id) DO UPDATE SET sealed = excluded.sealed`,
        [accountId, response.id, bytes, DAYS_KEPT, SWEPT_PER_WRITE, MOST_RESPONSES, MOST_BYTES - bytes.length],
      );
    },
    async find(accountId, id) {
      if (!isStorable(id)) return null;
      const { rows } = await query(
        `SELECT sealed FROM stored_responses
         WHERE account_id = $1 AND response_id = $2 AND created_at > now() - $3 * interval '1 day'`,
        [accountId, id, DAYS_KEPT],
      );
      return rows[0] ? opened(key, accountId, id, rows[0].sealed) : null;
    },
    async remove(accountId, id) {
      if (!isStorable(id)) return false;
      const { rowCount } = await query('DELETE FROM stored_responses WHERE account_id = $1 AND response_id = $2', [
        accountId,
        id,
      ]);
      return rowCount === 1;
    },
  };
}

function contextOf(accountId: string, id: string): string {
  return `stored response ${accountId} ${id}`;
}

function sealed(key: Buffer, accountId: string, response: StoredResponse): Buffer {
  const { nonce, ciphertext, tag } = seal(
    key,
    Buffer.from(JSON.stringify(response)),
    contextOf(accountId, response.id),
  );
  return Buffer.concat([nonce, tag, ciphertext]);
}

function opened(key: Buffer, accountId: string, id: string, bytes: Buffer): StoredResponse {
  const tagAt = NONCE_LENGTH;
  const textAt = NONCE_LENGTH + TAG_LENGTH;
  const parts = {
    nonce: bytes.subarray(0, tagAt),
    tag: bytes.subarray(tagAt, textAt),
    ciphertext: bytes.subarray(textAt),
  };
  return JSON.parse(open(key, parts, contextOf(accountId, id)).toString()) as StoredResponse;
}
