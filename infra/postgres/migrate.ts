import { fileURLToPath } from 'node:url';
import { runner } from 'node-pg-migrate';
import pg from 'pg';
import type { Log } from '../../services/runtime.ts';

const MIGRATIONS = fileURLToPath(new URL('../migrations', import.meta.url));
const CONNECT_TIMEOUT_MS = 10_000;

/**
 * Brings a database to the newest schema, all or nothing, forward only. Processes that start together wait for each
 * other. Returns the names of the migrations that ran. Throws when the server cannot be reached or a migration fails.
 */
export async function migrate(connectionString: string, log: Log): Promise<readonly string[]> {
  const client = new pg.Client({ connectionString, connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  // A lost connection fails the statement that runs; this event comes in addition.
  client.on('error', (error) => {
    log.warn({ error }, 'the connection of the migration was lost');
  });
  await client.connect();
  try {
    const ran = await runner({
      dbClient: client,
      dir: MIGRATIONS,
      direction: 'up',
      migrationsTable: 'migrations',
      schema: 'public',
      singleTransaction: true,
      advisoryLockMode: 'wait',
      migrationLoaderStrategies: [{ extensions: ['.sql'], loader: 'legacySql' }],
      logger: {
        info: () => undefined,
        warn: (message) => {
          log.warn({}, message);
        },
        error: (message) => {
          log.error({}, message);
        },
      },
    });
    return ran.map((migration) => migration.name);
  } finally {
    await client.end();
  }
}
