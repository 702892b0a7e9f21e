import type pg from 'pg';
import type { EncodedEvent } from '../../events/codec.ts';
import { usageVector, type UsageSource } from '../../events/meters.ts';
import type { Batch, BatchRecords, BatchStatus, BatchTotals, NewBatch } from '../../services/relay/batches/ports.ts';
import { isStorable } from '../../services/storableText.ts';
import { asStoreError, inTransaction } from './database.ts';
import { BATCHES_OWNER } from './orphanedHolds.ts';

interface BatchRow {
  readonly taken_in: NewBatch;
  readonly status: BatchStatus;
  readonly cancelling_ms: string | null;
  readonly finalizing_ms: string | null;
  readonly ended_ms: string | null;
  readonly ending: Batch['ending'];
  readonly usage: unknown;
  readonly completed: string;
  readonly failed: string;
  readonly output_file_id: string | null;
  readonly error_file_id: string | null;
}

/** Counts come from the lines while there are any, and from the batch once it has ended. */
const SELECT = `
  SELECT b.taken_in, b.status, b.ending, b.usage, b.output_file_id, b.error_file_id,
    (extract(epoch FROM b.cancelling_at) * 1000)::bigint AS cancelling_ms,
    (extract(epoch FROM b.finalizing_at) * 1000)::bigint AS finalizing_ms,
    (extract(epoch FROM b.ended_at) * 1000)::bigint AS ended_ms,
    coalesce(b.completed, (SELECT count(*) FROM batch_lines l WHERE l.batch_id = b.id AND l.succeeded)) AS completed,
    coalesce(b.failed, (SELECT count(*) FROM batch_lines l WHERE l.batch_id = b.id AND NOT l.succeeded)) AS failed
  FROM batches b`;

const TEXTS_AT_ONCE = 100;

/** Batches in the tables `batches` and `batch_lines`. */
export function postgresBatches(pool: pg.Pool): BatchRecords {
  const query = async <R extends pg.QueryResultRow>(
    text: string,
    values: readonly unknown[],
  ): Promise<readonly R[]> => {
    try {
      return (await pool.query<R>(text, [...values])).rows;
    } catch (error) {
      throw asStoreError(error, 'batches');
    }
  };
  const inOne = async <T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> => {
    try {
      return await inTransaction(pool, work);
    } catch (error) {
      throw asStoreError(error, 'batches');
    }
  };
  return {
    create: (batch, holdUntil) => inOne((client) => create(client, batch, holdUntil)),
    wasCreated: (batch) => inOne((client) => wasCreated(client, batch)),
    async cameToNothing(requestId) {
      // One statement sees one moment. A hold that is gone does not come back, and `create` needs it.
      const [row] = await query<{ nothing: boolean }>(
        `SELECT NOT EXISTS (SELECT FROM holds WHERE request_id = $1)
           AND NOT EXISTS (SELECT FROM batches WHERE request_id = $1) AS nothing`,
        [requestId],
      );
      return row?.nothing === true;
    },
    async find(id) {
      if (!isStorable(id)) return null;
      const [row] = await query<BatchRow>(`${SELECT} WHERE b.id = $1`, [id]);
      return row ? batchOf(row) : null;
    },
    async findOfRequest(accountId, requestId) {
      const values = [requestId, accountId];
      const [row] = await query<BatchRow>(`${SELECT} WHERE b.request_id = $1 AND b.account_id = $2`, values);
      return row ? batchOf(row) : null;
    },
    async list(accountId, after, limit) {
      const rows = await query<BatchRow>(
        `${SELECT} WHERE b.account_id = $1 AND ($2::text IS NULL
           OR (b.created_at, b.id) < (SELECT a.created_at, a.id FROM batches a WHERE a.id = $2 AND a.account_id = $1))
         ORDER BY b.created_at DESC, b.id DESC LIMIT $3`,
        [accountId, after, limit],
      );
      return rows.map(batchOf);
    },
    async unfinished() {
      const rows = await query<{ id: string }>('SELECT id FROM batches WHERE ended_at IS NULL ORDER BY id', []);
      return rows.map(({ id }) => id);
    },
    async cancel(id, now) {
      await query(
        `UPDATE batches SET status = 'cancelling', cancelling_at = to_timestamp($2 / 1000.0)
         WHERE id = $1 AND status = 'in_progress'`,
        [id, now],
      );
    },
    async keep(id, { line, succeeded, text, usage, source, channel, costPicos }) {
      // The share lock waits for a finalization, and a finalization for it: no result slips in behind the totals.
      await query(
        `INSERT INTO batch_lines (batch_id, line, succeeded, result, usage, source, channel, cost_picos)
         SELECT b.id, $2, $3, $4, $5, $6, $7, $8 FROM batches b
         WHERE b.id = $1 AND b.status IN ('in_progress', 'cancelling') FOR SHARE OF b
         ON CONFLICT DO NOTHING`,
        [id, line, succeeded, text, JSON.stringify(usage), source, channel, costPicos?.toString() ?? null],
      );
      const [row] = await query<{ status: BatchStatus }>('SELECT status FROM batches WHERE id = $1', [id]);
      if (!row) throw new Error(`there is no batch ${id}`);
      return row.status;
    },
    async linesDone(id) {
      const rows = await query<{ line: number; succeeded: boolean }>(
        'SELECT line, succeeded FROM batch_lines WHERE batch_id = $1',
        [id],
      );
      return new Map(rows.map(({ line, succeeded }) => [line, succeeded]));
    },
    async finalize(id, ending, now) {
      await query(
        `UPDATE batches SET status = 'finalizing', ending = $2, finalizing_at = to_timestamp($3 / 1000.0)
         WHERE id = $1 AND status IN ('in_progress', 'cancelling')`,
        [id, ending, now],
      );
    },
    totals: (id) => totalsOf(query, id),
    async settle(id, events, usage) {
      const [row] = await query<{ settlement: EncodedEvent[] }>(
        `UPDATE batches SET settlement = coalesce(settlement, $2::jsonb), usage = coalesce(usage, $3::jsonb)
         WHERE id = $1 AND status = 'finalizing' RETURNING settlement`,
        [id, JSON.stringify(events), JSON.stringify(usage)],
      );
      if (!row) throw new Error(`the batch ${id} is not being finalized`);
      return row.settlement;
    },
    async *texts(id, succeeded) {
      for (let after = -1; ;) {
        const rows = await query<{ line: number; text: string }>(
          `SELECT line, result AS text FROM batch_lines
           WHERE batch_id = $1 AND line > $2 AND succeeded = $3 ORDER BY line LIMIT $4`,
          [id, after, succeeded, TEXTS_AT_ONCE],
        );
        yield* rows;
        const last = rows.at(-1);
        if (!last || rows.length < TEXTS_AT_ONCE) return;
        after = last.line;
      }
    },
    end: (id, files, counts, now) =>
      inOne(async (client) => {
        await client.query(
          `UPDATE batches SET status = ending, ended_at = to_timestamp($2 / 1000.0), completed = $3, failed = $4,
             output_file_id = $5, error_file_id = $6
           WHERE id = $1 AND status = 'finalizing'`,
          [id, now, counts.completed, counts.failed, files.output, files.error],
        );
        await client.query('DELETE FROM batch_lines WHERE batch_id = $1', [id]);
      }),
  };
}

/** Takes the hold over first: whoever settles it meanwhile waits for us, or we find it gone. */
async function create(client: pg.PoolClient, batch: NewBatch, holdUntil: number): Promise<boolean> {
  const { rowCount } = await client.query(
    'UPDATE holds SET owner = $2, deadline = to_timestamp($3 / 1000.0) WHERE request_id = $1',
    [batch.requestId, BATCHES_OWNER, holdUntil],
  );
  if (rowCount !== 1) return false;
  await client.query(
    `INSERT INTO batches (id, request_id, account_id, taken_in, status, created_at)
     VALUES ($1, $2, $3, $4, 'in_progress', to_timestamp($5 / 1000.0))`,
    [batch.id, batch.requestId, batch.accountId, JSON.stringify(batch), batch.createdAt],
  );
  return true;
}

/** The lock waits for a `create` whose commit nobody has heard of, for that has changed the hold. */
async function wasCreated(client: pg.PoolClient, { id, requestId }: NewBatch): Promise<boolean> {
  await client.query('SELECT FROM holds WHERE request_id = $1 FOR SHARE', [requestId]);
  const { rowCount } = await client.query('SELECT FROM batches WHERE id = $1', [id]);
  return rowCount === 1;
}

type Query = <R extends pg.QueryResultRow>(text: string, values: readonly unknown[]) => Promise<readonly R[]>;

async function totalsOf(query: Query, id: string): Promise<BatchTotals> {
  const meters = await query<{ meter: string; quantity: string }>(
    `SELECT u.key AS meter, sum(u.value::bigint) AS quantity
     FROM batch_lines l CROSS JOIN LATERAL jsonb_each_text(l.usage) AS u (key, value)
     WHERE l.batch_id = $1 GROUP BY u.key`,
    [id],
  );
  const channels = await query<{ channel: string; cost: string | null }>(
    `SELECT channel, CASE WHEN bool_and(cost_picos IS NOT NULL) THEN sum(cost_picos)::text END AS cost
     FROM batch_lines WHERE batch_id = $1 AND channel IS NOT NULL GROUP BY channel ORDER BY channel`,
    [id],
  );
  const results = await query<{ succeeded: boolean; source: UsageSource; lines: string; bytes: string }>(
    `SELECT succeeded, source, count(*) AS lines, sum(octet_length(result) + 1) AS bytes
     FROM batch_lines WHERE batch_id = $1 GROUP BY succeeded, source`,
    [id],
  );
  const sum = (succeeded: boolean, column: 'lines' | 'bytes') =>
    results.filter((row) => row.succeeded === succeeded).reduce((total, row) => total + Number(row[column]), 0);
  return {
    usage: usageVector.parse(Object.fromEntries(meters.map(({ meter, quantity }) => [meter, Number(quantity)]))),
    sources: [...new Set(results.map(({ source }) => source))],
    channels: channels.map(({ channel, cost }) => ({ channel, costPicos: cost === null ? null : BigInt(cost) })),
    succeeded: sum(true, 'lines'),
    failed: sum(false, 'lines'),
    outputBytes: sum(true, 'bytes'),
  };
}

function batchOf(row: BatchRow): Batch {
  const instant = (ms: string | null) => (ms === null ? null : Number(ms));
  return {
    ...row.taken_in,
    status: row.status,
    cancellingAt: instant(row.cancelling_ms),
    finalizingAt: instant(row.finalizing_ms),
    endedAt: instant(row.ended_ms),
    ending: row.ending,
    completed: Number(row.completed),
    failed: Number(row.failed),
    usage: row.usage === null ? null : usageVector.parse(row.usage),
    outputFileId: row.output_file_id,
    errorFileId: row.error_file_id,
  };
}
