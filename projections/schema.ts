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
  const { rows } = await sql.query<{ version: number }>('SELECT version FROM checkpoint');
  if (!rows[0]) throw new Error(`${projection.name}.checkpoint has no row`);
  return rows[0].version;
}

/** Makes the tables of a projection under a name of choice. The transaction's `search_path` must name that schema. */
export async function createSchema(sql: SqlExecutor, schema: string, projection: Projection): Promise<void> {
  await sql.query(`CREATE SCHEMA ${schema}`);
  await sql.query(projection.ddl);
  await sql.query(`CREATE TABLE checkpoint (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    position bigint NOT NULL,
    version integer NOT NULL
  ) WITH (fillfactor = 50)`);
  await sql.query('INSERT INTO checkpoint (position, version) VALUES (0, $1)', [projection.version]);
}

/** How far a schema has got. */
export async function checkpointOf(sql: SqlExecutor): Promise<bigint> {
  const { rows } = await sql.query<{ position: string }>('SELECT position FROM checkpoint');
  if (!rows[0]) throw new Error('the checkpoint has no row');
  return BigInt(rows[0].position);
}
