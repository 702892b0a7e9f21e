import { StoreUnavailable } from '../events/eventStore.ts';
import type { EventPage } from './pages.ts';
import type { Log, TransactionRunner } from './ports.ts';
import type { ProjectedEvent, Projection, SqlExecutor } from './projection.ts';

/** Tables that are being filled: a projection's own, or the twin that a rebuild fills. */
export interface Target {
  readonly projection: Projection;
  readonly schema: string;
  /** Live tables have effects outside themselves; a twin has none. */
  readonly live: boolean;
}

export type PageOutcome =
  | { readonly outcome: 'applied'; readonly parked: number }
  /** The checkpoint is no longer where the page begins: another worker was faster. Nothing was changed. */
  | { readonly outcome: 'overtaken' };

/** The name under which a target's parked accounts are kept; a twin's differs from the live one's until they change places. */
const parkingName = (target: Target) => target.schema;

/**
 * Applies a page and moves the checkpoint, in one transaction. When that fails for a reason in the events, halves of
 * the page are tried, each in its own transaction, until the one bad event is found and its account parked; all other
 * events are applied. Throws StoreUnavailable, which blames no event; the page may then have been applied in part.
 */
export async function applyPage(
  transactions: TransactionRunner,
  log: Log,
  target: Target,
  page: EventPage,
): Promise<PageOutcome> {
  const inTransaction = (work: (sql: SqlExecutor) => Promise<PageOutcome>) =>
    transactions.transaction({ schema: target.schema, lock: target.schema }, work);
  try {
    return await inTransaction((sql) => applyWhole(sql, target, page));
  } catch (error) {
    const [first] = page.events;
    if (error instanceof StoreUnavailable || !first) throw error;
    if (page.events.length === 1) {
      const { position } = first.recorded;
      log.error({ projection: target.schema, position, error }, 'an event is poison: its account is parked');
      return inTransaction((sql) => parkInstead(sql, target, page, first, error));
    }
  }
  const [front, back] = halves(page);
  const outcome = await applyPage(transactions, log, target, front);
  return outcome.outcome === 'overtaken' ? outcome : applyPage(transactions, log, target, back);
}

/** Applies a page inside a transaction of the caller, whose `search_path` is the target's schema. */
export async function applyWhole(sql: SqlExecutor, target: Target, page: EventPage): Promise<PageOutcome> {
  const parked = await moveCheckpoint(sql, target, page);
  if (!parked) return { outcome: 'overtaken' };
  const { types } = target.projection;
  const events = page.events.filter(
    (event) => (!types || types.has(event.recorded.type)) && (parked.size === 0 || !parked.has(event.accountId)),
  );
  if (events.length > 0) {
    if (target.live) await target.projection.liveEffects?.(sql, events);
    await target.projection.apply(sql, events);
  }
  return { outcome: 'applied', parked: parked.size };
}

/** Compare-and-set, so a second worker changes nothing. Returns the parked accounts, null when the set failed. */
async function moveCheckpoint(sql: SqlExecutor, target: Target, page: EventPage): Promise<Set<string> | null> {
  const { rows } = await sql.query<{ parked: string[] | null }>(
    `UPDATE checkpoint SET position = $2 WHERE position = $1
     RETURNING (SELECT array_agg(account_id) FROM public.parked_accounts WHERE projection = $3) AS parked`,
    [page.after, page.position, parkingName(target)],
  );
  return rows[0] ? new Set(rows[0].parked) : null;
}

async function parkInstead(
  sql: SqlExecutor,
  target: Target,
  page: EventPage,
  poison: ProjectedEvent,
  error: unknown,
): Promise<PageOutcome> {
  const parked = await moveCheckpoint(sql, target, page);
  if (!parked) return { outcome: 'overtaken' };
  await sql.query(
    `INSERT INTO public.parked_accounts (projection, account_id, position, error) VALUES ($1, $2, $3, $4)
     ON CONFLICT DO NOTHING`,
    [parkingName(target), poison.accountId, poison.recorded.position, messageOf(error)],
  );
  return { outcome: 'applied', parked: parked.add(poison.accountId).size };
}

function messageOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replaceAll('\0', '').slice(0, 1_000);
}

/** The first half ends at its last event, so that the second begins right after it. */
function halves(page: EventPage): [EventPage, EventPage] {
  const middle = page.events.length >> 1;
  const last = page.events[middle - 1];
  if (!last) throw new Error('a page of one event has no halves');
  const between = last.recorded.position;
  return [
    { after: page.after, position: between, events: page.events.slice(0, middle) },
    { after: between, position: page.position, events: page.events.slice(middle) },
  ];
}
