import { StoreUnavailable } from '../events/eventStore.ts';
import type { Partitioning } from './partitioning.ts';
import type { Log, TransactionRunner } from './ports.ts';
import { halves, type Portion } from './portions.ts';
import type { ProjectedEvent, Projection, SqlExecutor } from './projection.ts';

/** Tables that are being filled: a projection's own, or the twin that a rebuild fills. */
export interface Target {
  readonly projection: Projection;
  readonly schema: string;
  /** Live tables have effects outside themselves; a twin has none. */
  readonly live: boolean;
  /** How the log is divided for these tables. */
  readonly partitioning: Partitioning;
}

export type PageOutcome =
  | { readonly outcome: 'applied'; readonly parked: number }
  /**
   * A checkpoint is not where a range begins, or after it: another worker was faster, something before the range is
   * missing, or the tables follow another number of partitions. Nothing of such a range was applied: look again.
   */
  | { readonly outcome: 'overtaken' };

/** The name under which a target's parked accounts are kept; a twin's differs from the live one's until they change places. */
const parkingName = (target: Target) => target.schema;

/**
 * Applies a portion and moves its checkpoints, in one transaction. What the checkpoints say is done is left out. When it
 * fails for a reason in the events, halves of it are tried, each in its own transaction, until the one bad event is found
 * and its account parked; all other events are applied. Throws StoreUnavailable, which blames no event; the portion may
 * then have been applied in part.
 */
export async function applyPage(
  transactions: TransactionRunner,
  log: Log,
  target: Target,
  portion: Portion,
): Promise<PageOutcome> {
  const options = { schema: target.schema, lock: target.schema, ...partsOf(target, portion) };
  const inTransaction = (work: (sql: SqlExecutor) => Promise<PageOutcome>) => transactions.transaction(options, work);
  try {
    return await inTransaction((sql) => applyWhole(sql, target, portion));
  } catch (error) {
    const [first] = portion.events;
    if (error instanceof StoreUnavailable || !first) throw error;
    if (portion.events.length === 1) {
      const { position } = first.recorded;
      log.error({ projection: target.schema, position, error }, 'an event is poison: its account is parked');
      return inTransaction((sql) => parkInstead(sql, target, portion, first, error));
    }
  }
  const [front, back] = halves(portion);
  const first = await applyPage(transactions, log, target, front);
  const second = await applyPage(transactions, log, target, back);
  return first.outcome === 'overtaken' ? first : second;
}

/** Who works on some partitions leaves the others to others. */
function partsOf(target: Target, { ranges }: Portion): { readonly parts?: readonly number[] } {
  if (ranges.length === target.partitioning.partitions) return {};
  return { parts: ranges.map(({ partition }) => partition) };
}

/** Applies a portion inside a transaction of the caller, whose `search_path` is the target's schema. */
export async function applyWhole(sql: SqlExecutor, target: Target, portion: Portion): Promise<PageOutcome> {
  const { fresh, parked, complete } = await moveCheckpoints(sql, target, portion);
  const { types } = target.projection;
  const events = fresh.filter(
    (event) => (!types || types.has(event.recorded.type)) && (parked.size === 0 || !parked.has(event.accountId)),
  );
  if (events.length > 0) {
    if (target.live) await target.projection.liveEffects?.(sql, events);
    await target.projection.apply(sql, events);
  }
  return complete ? { outcome: 'applied', parked: parked.size } : { outcome: 'overtaken' };
}

interface Moved {
  /** Events of the ranges whose checkpoint was moved that it had not passed before. */
  readonly fresh: readonly ProjectedEvent[];
  /** Accounts that are passed over. */
  readonly parked: Set<string>;
  /** All ranges were moved. */
  readonly complete: boolean;
}

/** Compare-and-set: a checkpoint moves only forwards, and never over what was not applied. */
async function moveCheckpoints(sql: SqlExecutor, target: Target, { ranges, events }: Portion): Promise<Moved> {
  const { partitions, partitionOf } = target.partitioning;
  const { rows } = await sql.query<{ partition: number; before: string; parked: string[] | null }>(
    `UPDATE checkpoint c SET position = r.position
     FROM unnest($1::integer[], $2::bigint[], $3::bigint[]) AS r (partition, after, position)
       JOIN checkpoint b ON b.partition = r.partition
     WHERE c.partition = r.partition AND c.position >= r.after AND c.position < r.position
       AND (SELECT count(*) FROM checkpoint) = $4
     RETURNING c.partition, b.position AS before,
       (SELECT array_agg(account_id) FROM public.parked_accounts WHERE projection = $5) AS parked`,
    [
      ranges.map(({ partition }) => partition),
      ranges.map(({ after }) => after),
      ranges.map(({ position }) => position),
      partitions,
      parkingName(target),
    ],
  );
  const before = new Map(rows.map((row) => [row.partition, BigInt(row.before)]));
  const allFresh = ranges.every(({ partition, after }) => before.get(partition) === after);
  const isFresh = ({ accountId, recorded }: ProjectedEvent) =>
    recorded.position > (before.get(partitionOf(accountId, partitions)) ?? recorded.position);
  return {
    fresh: allFresh ? events : events.filter(isFresh),
    parked: new Set(rows[0]?.parked),
    complete: rows.length === ranges.length,
  };
}

async function parkInstead(
  sql: SqlExecutor,
  target: Target,
  portion: Portion,
  poison: ProjectedEvent,
  error: unknown,
): Promise<PageOutcome> {
  const { fresh, parked, complete } = await moveCheckpoints(sql, target, portion);
  if (fresh.includes(poison)) {
    await sql.query(
      `INSERT INTO public.parked_accounts (projection, account_id, position, error) VALUES ($1, $2, $3, $4)
       ON CONFLICT DO NOTHING`,
      [parkingName(target), poison.accountId, poison.recorded.position, messageOf(error)],
    );
    parked.add(poison.accountId);
  }
  return complete ? { outcome: 'applied', parked: parked.size } : { outcome: 'overtaken' };
}

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replaceAll('\0', '').slice(0, 1_000);
}
