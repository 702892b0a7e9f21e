import type pg from 'pg';
import { z } from 'zod';
import type { OrphanedHold, OrphanedHolds } from '../../services/relay/settlement/ports.ts';
import { asStoreError } from './database.ts';

/**
 * Owns the holds of batches. It is no process, so it cannot be lost: a batch outlives the one that runs it, and its hold
 * ends with its settlement or its deadline.
 */
export const BATCHES_OWNER = '00000000-0000-4000-8000-0000ba7c4e50';

interface OrphanRow {
  readonly request_id: string;
  readonly deadline_ms: string;
  readonly accepted: string;
  readonly cause: OrphanedHold['cause'];
}

/** The holds in Postgres as the reaper sees them. The caller ends the pool. */
export class PostgresOrphanedHolds implements OrphanedHolds {
  readonly #pool: pg.Pool;

  constructor(pool: pg.Pool) {
    this.#pool = pool;
  }

  /** Reads the open holds in the order of their primary key: there are as many as calls in flight. */
  async find(options: { readonly now: number; readonly after: string | null; readonly limit: number }) {
    const rows = await this.#query<OrphanRow>(
      `SELECT h.request_id, (extract(epoch FROM h.deadline) * 1000)::bigint AS deadline_ms,
         h.accepted,
         CASE WHEN h.deadline < to_timestamp($1 / 1000.0) THEN 'deadline' ELSE 'owner_lost' END AS cause
       FROM public.holds h
       WHERE h.request_id > coalesce($2::uuid, '00000000-0000-0000-0000-000000000000')
         AND (h.deadline < to_timestamp($1 / 1000.0)
           OR (h.owner <> $4 AND NOT EXISTS (SELECT FROM public.relay_owners o WHERE o.owner = h.owner)))
       ORDER BY h.request_id LIMIT $3`,
      [options.now, options.after, options.limit, BATCHES_OWNER],
    );
    return rows.map(toOrphan);
  }

  async forgetLostOwners(leaseMs: number): Promise<number> {
    const rows = await this.#query(`SELECT public.forget_lost_owners($1 * interval '1 millisecond')`, [leaseMs]);
    return rows.length;
  }

  /** Both checks and the end are one statement; `settle_holds` keeps the lock order of the migration. */
  async endCounted(requestId: string, accountId: string, position: bigint): Promise<boolean> {
    const rows = await this.#query<{ ended: string }>(
      `SELECT public.settle_holds(ARRAY[$1::uuid]) AS ended
       WHERE (SELECT min(c.position) FROM quota.checkpoint c) >= $2
         AND NOT EXISTS (SELECT FROM public.parked_accounts p WHERE p.projection = 'quota' AND p.account_id = $3)`,
      [requestId, String(position), accountId],
    );
    return rows[0]?.ended === '1';
  }

  /** Served by idempotency_claims_claimed. */
  async forgetClaims(ageMs: number): Promise<number> {
    const rows = await this.#query<{ request_id: string }>(
      `DELETE FROM public.idempotency_claims WHERE claimed_at < now() - $1 * interval '1 millisecond'
       RETURNING request_id`,
      [ageMs],
    );
    return rows.length;
  }

  async #query<R extends pg.QueryResultRow>(text: string, values: readonly unknown[]): Promise<R[]> {
    try {
      return (await this.#pool.query<R>(text, [...values])).rows;
    } catch (error) {
      throw asStoreError(error, 'looking at holds');
    }
  }
}

function toOrphan(row: OrphanRow): OrphanedHold {
  return {
    requestId: row.request_id,
    deadline: Number(row.deadline_ms),
    cause: row.cause,
    accepted: { type: 'RequestAccepted', ...stampOf(row.accepted), data: row.accepted },
  };
}

const stamp = z.object({ eventId: z.string(), version: z.int() });
/** For bytes that are not an event: whoever decodes them finds out. */
const NO_STAMP = { eventId: '', version: 1 };

/** Stored bytes say themselves which event they are. */
function stampOf(data: string): z.infer<typeof stamp> {
  try {
    return stamp.parse(JSON.parse(data));
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError) return NO_STAMP;
    throw error;
  }
}
