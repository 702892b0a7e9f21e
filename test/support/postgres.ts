import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { openPool } from '../../infra/postgres/database.ts';
import { migrate } from '../../infra/postgres/migrate.ts';
import { silentLog } from './log.ts';

export interface TestDatabase {
  readonly url: string;
  readonly pool: pg.Pool;
  /** Drops the database, also when something is still connected to it. */
  close(): Promise<void>;
}

/** A fresh, migrated database of its own on the shared test server. */
export async function testDatabase(): Promise<TestDatabase> {
  const adminUrl = process.env['TEST_POSTGRES_URL'];
  if (!adminUrl) throw new Error('TEST_POSTGRES_URL is not set: run in a vitest project with the global setup');
  const name = `test_${randomBytes(8).toString('hex')}`;
  await asAdmin(adminUrl, `CREATE DATABASE ${name}`);
  const url = Object.assign(new URL(adminUrl), { pathname: `/${name}` }).href;
  await migrate(url, silentLog);
  const pool = openPool({
    connectionString: url,
    applicationName: 'test',
    maxConnections: 8,
    timeoutMs: 10_000,
    log: silentLog,
  });
  return {
    url,
    pool,
    async close() {
      await pool.end();
      await asAdmin(adminUrl, `DROP DATABASE ${name} WITH (FORCE)`);
    },
  };
}

async function asAdmin(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(statement);
  } finally {
    await client.end();
  }
}
