import type pg from 'pg';
import type { SubjectKeyStore } from '../../services/accounts/ports.ts';
import { asStoreError } from './database.ts';

interface Row {
  readonly wrapped_key: Buffer;
}

/** Wrapped subject keys in the table `subject_keys`. */
export function postgresSubjectKeys(pool: pg.Pool): SubjectKeyStore {
  const query = async (text: string, values: readonly unknown[]) => {
    try {
      return await pool.query<Row>(text, [...values]);
    } catch (error) {
      throw asStoreError(error, 'subject keys');
    }
  };
  return {
    async obtain(subjectId, wrapped) {
      // The update that changes nothing returns, and locks, the row that another process may just have inserted.
      const { rows } = await query(
        `INSERT INTO subject_keys (subject_id, wrapped_key) VALUES ($1, $2)
         ON CONFLICT (subject_id) DO UPDATE SET subject_id = excluded.subject_id
         RETURNING wrapped_key`,
        [subjectId, wrapped],
      );
      const [row] = rows;
      if (!row) throw new Error(`subject key of ${subjectId} was stored and is not there`);
      return row.wrapped_key;
    },
    async find(subjectId) {
      const { rows } = await query('SELECT wrapped_key FROM subject_keys WHERE subject_id = $1', [subjectId]);
      return rows[0]?.wrapped_key ?? null;
    },
    async destroy(subjectId) {
      const { rowCount } = await query('DELETE FROM subject_keys WHERE subject_id = $1', [subjectId]);
      return rowCount === 1;
    },
  };
}
