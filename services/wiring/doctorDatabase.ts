import { existsSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import type { Config } from '../../infra/config/config.ts';
import { asStoreError, closePool, openPool } from '../../infra/postgres/database.ts';
import { embeddedFiles } from '../../infra/postgres/embedded/files.ts';
import { sqlExecutor } from '../../infra/postgres/transactions.ts';
import { PROJECTIONS } from '../../projections/catalogue.ts';
import type { SqlExecutor } from '../../projections/projection.ts';
import type { DatabaseFacts } from '../cli/doctor/probes.ts';
import type { Log } from '../runtime.ts';
import { attachDatabase, Closing } from './core.ts';

const MIGRATIONS = new URL('../../infra/migrations/', import.meta.url);
const STATEMENT_MS = 10_000;

/** What stands in the database, which is only read. Null when there is none yet. Throws StoreUnavailable. */
export async function databaseFacts(config: Config, log: Log): Promise<DatabaseFacts | null> {
  const isEmbedded = config.DATABASE_URL === undefined;
  if (isEmbedded && !existsSync(embeddedFiles(config.DATA_DIR).cluster)) return null;
  const closing = new Closing();
  try {
    const connectionString = await attachDatabase(config, log, closing);
    const pool = openPool({
      connectionString,
      applicationName: 'tallystick doctor',
      maxConnections: 1,
      timeoutMs: STATEMENT_MS,
      log,
    });
    closing.add(() => closePool(pool));
    return { isEmbedded, ...(await read(sqlExecutor(pool))) };
  } catch (error) {
    throw asStoreError(error, 'looking at the database');
  } finally {
    await closing.run();
  }
}

async function read(sql: SqlExecutor): Promise<Omit<DatabaseFacts, 'isEmbedded'>> {
  const [version] = await rows<{ server_version: string }>(sql, 'SHOW server_version');
  const files = (await readdir(MIGRATIONS)).filter((name) => name.endsWith('.sql')).sort();
  const known = files.map((name) => name.slice(0, -'.sql'.length));
  const applied = (await rowsIfThere<{ name: string }>(sql, 'public.migrations', 'name')).map(({ name }) => name);
  const [head] = await rowsIfThere<{ position: string }>(sql, 'public.event_head', 'position');
  const parked = await rowsIfThere<DatabaseFacts['parked'][number]>(
    sql,
    'public.parked_accounts',
    'projection, account_id AS "accountId", error',
  );
  const projections: DatabaseFacts['projections'][number][] = [];
  for (const { name, version: codeVersion } of PROJECTIONS) {
    const [row] = await rowsIfThere<{ position: string; version: number }>(
      sql,
      `${name}.checkpoint`,
      'min(position) AS position, max(version) AS version',
    );
    const stored = row ? { position: BigInt(row.position), version: row.version } : null;
    projections.push({ name, stored, codeVersion });
  }
  return {
    version: `PostgreSQL ${version?.server_version ?? '?'}`,
    migrations: { known, applied },
    head: BigInt(head?.position ?? 0),
    projections,
    parked,
  };
}

/** Columns of a table that a fresh database does not have yet. */
async function rowsIfThere<R extends object>(sql: SqlExecutor, table: string, columns: string): Promise<readonly R[]> {
  const [there] = await rows<{ there: boolean }>(sql, 'SELECT to_regclass($1) IS NOT NULL AS there', [table]);
  return there?.there === true ? rows<R>(sql, `SELECT ${columns} FROM ${table}`) : [];
}

async function rows<R extends object>(sql: SqlExecutor, text: string, values: unknown[] = []): Promise<readonly R[]> {
  return (await sql.query<R>(text, values)).rows;
}
