import type { EventStore } from '../events/eventStore.ts';
import { applyPage, applyWhole, type PageOutcome, type Target } from './applyPage.ts';
import { compareTable, tablesOf, type TableComparison } from './compare.ts';
import { partitioning, WHOLE_LOG, type PartitionOf } from './partitioning.ts';
import type { Log, TransactionRunner } from './ports.ts';
import { readPortions, type Portion } from './portions.ts';
import type { Projection, SqlExecutor } from './projection.ts';
import { checkpointsOf, createSchema, least, repartition, type Checkpoints } from './schema.ts';

const PAGE = 2_000;
/** The last step competes with readers for table locks, so it may have to be repeated. */
const LAST_STEP_ATTEMPTS = 5;
/** Comparing reads whole tables. */
const STATEMENT_TIMEOUT_MS = 3_600_000;

export interface RebuildParts {
  readonly store: EventStore;
  readonly transactions: TransactionRunner;
  readonly log: Log;
  /** Needed when the live projection follows partitions. */
  readonly partitionOf?: PartitionOf | undefined;
}

export interface RebuildOptions {
  /** Whether the rebuilt tables replace the live ones. `whenEqual` replaces them by the same rows: it proves, and it tidies. */
  readonly swap: 'never' | 'whenEqual' | 'always';
  /** False when the live tables have another shape, so that there is nothing to compare. */
  readonly compare?: boolean;
}

export interface RebuildResult {
  readonly name: string;
  /** Both sides hold the events up to here; of partitions that are ahead of others, the same ones after it. */
  readonly position: bigint;
  readonly tables: readonly TableComparison[];
  readonly equal: boolean;
  readonly swapped: boolean;
  /** Accounts that were parked while rebuilding. */
  readonly parked: readonly string[];
}

/**
 * Fills twins of a projection's tables from position 0, compares them with the live ones at the same position, and puts
 * them in their place if asked. Safe while the live projection runs, here or in another process: for the last step,
 * which is the comparison, it waits. Without a swap the twins are dropped. Of two rebuilds of one projection at once,
 * one fails. Throws StoreUnavailable; the live tables are then as they were.
 */
export async function rebuild(
  parts: RebuildParts,
  projection: Projection,
  options: RebuildOptions = { swap: 'whenEqual' },
): Promise<RebuildResult> {
  const { transactions, log } = parts;
  const twin: Target = { projection, schema: `${projection.name}_rebuild`, live: false, partitioning: WHOLE_LOG };
  await transactions.transaction({ schema: twin.schema, lock: twin.schema }, (sql) => makeTwin(sql, twin));
  let position = 0n;
  for (let attempt = 1; ; attempt += 1) {
    position = await fillTwin(parts, twin, position);
    try {
      return await transactions.transaction(
        { schema: twin.schema, lock: projection.name, timeoutMs: STATEMENT_TIMEOUT_MS },
        (sql) => lastStep(sql, parts, twin, position, options),
      );
    } catch (error) {
      if (attempt === LAST_STEP_ATTEMPTS) throw error;
      log.warn({ projection: projection.name, error, attempt }, 'the last step of a rebuild failed and is repeated');
    }
  }
}

/** What an earlier rebuild may have left is dropped. */
async function makeTwin(sql: SqlExecutor, twin: Target): Promise<void> {
  await dropTwin(sql, twin);
  await createSchema(sql, twin.schema, twin.projection);
}

async function dropTwin(sql: SqlExecutor, twin: Target): Promise<void> {
  await sql.query(`DROP SCHEMA IF EXISTS ${twin.schema} CASCADE`);
  await sql.query('DELETE FROM public.parked_accounts WHERE projection = $1', [twin.schema]);
}

/** Applies events in ordinary pages until the twin is where the live tables were a moment ago. Returns that position. */
async function fillTwin({ store, transactions, log }: RebuildParts, twin: Target, from: bigint): Promise<bigint> {
  let position = from;
  for (;;) {
    const goal = await transactions.transaction({ schema: twin.schema, lock: twin.schema }, async (sql) =>
      least(await checkpointsOf(sql, twin.projection.name)),
    );
    const pages = await replay(store, twin, [position], [goal], (portion) =>
      applyPage(transactions, log, twin, portion),
    );
    if (pages <= 1) return goal;
    position = goal;
  }
}

/** Returns how many pages it took. */
async function replay(
  store: EventStore,
  { projection, partitioning: divided }: Target,
  from: Checkpoints,
  upTo: Checkpoints,
  apply: (portion: Portion) => Promise<PageOutcome>,
): Promise<number> {
  let pages = 0;
  for await (const portion of readPortions(store, { projection, partitioning: divided, from, upTo, limit: PAGE })) {
    const { outcome } = await apply(portion);
    if (outcome === 'overtaken') throw new Error(`another rebuild of ${projection.name} has begun`);
    pages += 1;
  }
  return pages;
}

/** The caller holds the lock of the live projection, so it stands still until the transaction ends. */
async function lastStep(
  sql: SqlExecutor,
  { store, partitionOf }: RebuildParts,
  twin: Target,
  from: bigint,
  { swap, compare = true }: RebuildOptions,
): Promise<RebuildResult> {
  const { name } = twin.projection;
  const live = await checkpointsOf(sql, name);
  const position = least(live);
  await replay(store, twin, [from], [position], (portion) => applyWhole(sql, twin, portion));
  if (live.length > 1) {
    const divided: Target = { ...twin, partitioning: partitioning(live.length, partitionOf) };
    const begin = live.map(() => position);
    await repartition(sql, live.length);
    await replay(store, divided, begin, live, (portion) => applyWhole(sql, divided, portion));
  }
  const parked = await parkedAccounts(sql, twin.schema);
  const tables: TableComparison[] = [];
  for (const table of await tablesOf(sql, twin.schema)) {
    await sql.query(`ANALYZE ${twin.schema}.${table.table}`);
    if (compare) tables.push(await compareTable(sql, table, name, twin.schema));
  }
  const equal = tables.every((table) => table.equal);
  const swapped = swap === 'always' || (swap === 'whenEqual' && equal);
  await (swapped ? changePlaces(sql, twin) : dropTwin(sql, twin));
  return { name, position, tables, equal, swapped, parked };
}

/**
 * Puts the twin in the place of the live tables and drops those. Locks each live table first, in the order of their
 * making, so that statements under way finish on the old tables and later ones find the new.
 */
async function changePlaces(sql: SqlExecutor, twin: Target): Promise<void> {
  const { name } = twin.projection;
  for (const { table } of await tablesOf(sql, name)) {
    await sql.query(`LOCK TABLE ${name}.${table} IN ACCESS EXCLUSIVE MODE`);
  }
  await sql.query(`ALTER SCHEMA ${name} RENAME TO ${name}_replaced`);
  await sql.query(`ALTER SCHEMA ${twin.schema} RENAME TO ${name}`);
  await sql.query(`DROP SCHEMA ${name}_replaced CASCADE`);
  await sql.query('DELETE FROM public.parked_accounts WHERE projection = $1', [name]);
  await sql.query('UPDATE public.parked_accounts SET projection = $1 WHERE projection = $2', [name, twin.schema]);
}

async function parkedAccounts(sql: SqlExecutor, name: string): Promise<readonly string[]> {
  const { rows } = await sql.query<{ account_id: string }>(
    'SELECT account_id FROM public.parked_accounts WHERE projection = $1 ORDER BY account_id',
    [name],
  );
  return rows.map((row) => row.account_id);
}
