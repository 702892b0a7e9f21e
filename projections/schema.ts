import type { TransactionRunner } from './ports.ts';
import type { Projection, SqlExecutor } from './projection.ts';

/** The database holds tables of a newer program than this one; going on would damage them. */
export class NewerSchema extends Error {
  override readonly name = 'NewerSchema';
}

/**
 * Makes the schema of each projection that has none, empty and at position 0. Processes that start together wait for
 * each other. Returns the projections whose tables are older than their code. Throws NewerSchema, StoreUnavailable.
 */
export async function prepareSchemas(
  transactions: TransactionRunner,
  projections: readonly Projection[],
): Promise<readonly Projection[]> {
  const outdated: Projection[] = [];
  for (const projection of projections) {
    const version = await transactions.transaction({ schema: projection.name, lock: projection.name }, (sql) =>
      schemaVersion(sql, projection),
    );
    if (version > projection.version) {
      throw new NewerSchema(
        `${projection.name} has version ${String(version)}, this program ${String(projection.version)}`,
      );
    }
    if (version < projection.version) outdated.push(projection);
  }
  return outdated;
}

async function schemaVersion(sql: SqlExecutor, projection: Projection): Promise<number> {
  const { rows: schemas } = await sql.query('SELECT FROM pg_namespace WHERE nspname = $1', [projection.name]);
  if (schemas.length === 0) await createSchema(sql, projection.name, projection);
  const { rows } = await sql.query<{ version: number }>('SELECT version FROM checkpoint LIMIT 1');
  if (!rows[0]) throw new Error(`${projection.name}.checkpoint has no row`);
  return rows[0].version;
}

/** Makes the tables of a projection under a name of choice. The transaction's `search_path` must name that schema. */
export async function createSchema(sql: SqlExecutor, schema: string, projection: Projection): Promise<void> {
  await sql.query(`CREATE SCHEMA ${schema}`);
  await sql.query(projection.ddl);
  // One row per partition that the tables follow: one row, 0, when they follow the whole log. Everything of a partition
  // up to its position is applied and nothing after it, so the least position is how far the tables are complete.
  await sql.query(`CREATE TABLE checkpoint (
    partition integer PRIMARY KEY,
    position bigint NOT NULL,
    version integer NOT NULL
  ) WITH (fillfactor = 50)`);
  await sql.query('INSERT INTO checkpoint (partition, position, version) VALUES (0, 0, $1)', [projection.version]);
}

/** The positions at which tables stand, by partition; a single one when they follow the whole log. */
export type Checkpoints = readonly bigint[];

/** How far a schema has got; of the transaction's own schema when none is named. */
export async function checkpointsOf(sql: SqlExecutor, schema?: string): Promise<Checkpoints> {
  const table = schema === undefined ? 'checkpoint' : `${schema}.checkpoint`;
  const { rows } = await sql.query<{ position: string }>(`SELECT position FROM ${table} ORDER BY partition`);
  if (rows.length === 0) throw new Error('the checkpoint has no row');
  return rows.map(({ position }) => BigInt(position));
}

/**
 * Divides the log into another number of partitions. Does nothing unless all stand at the same position. The transaction
 * must hold the whole lock of the tables.
 */
export async function repartition(sql: SqlExecutor, partitions: number): Promise<void> {
  const { rows } = await sql.query<{ position: string; version: number }>(
    'SELECT DISTINCT position, version FROM checkpoint',
  );
  const [same, another] = rows;
  if (!same || another) return;
  await sql.query('DELETE FROM checkpoint');
  await sql.query(
    'INSERT INTO checkpoint (partition, position, version) SELECT p, $2, $3 FROM generate_series(0, $1 - 1) AS p',
    [partitions, same.position, same.version],
  );
}

export function least(checkpoints: Checkpoints): bigint {
  return checkpoints.reduce((lower, position) => (position < lower ? position : lower));
}

export function greatest(checkpoints: Checkpoints): bigint {
  return checkpoints.reduce((higher, position) => (position > higher ? position : higher));
}
