import { runMigrations, type PostgresPoolConfig } from 'bullmq';
import pg from 'pg';

/** BullMQ's tables have a schema of their own: they are no record and can be dropped, only waiting requests are lost. */
const SCHEMA = 'bullmq';

/** Brings BullMQ's tables up to date; several processes may do so at once. Throws Error with the cause. */
export async function migrateJobs(connectionString: string): Promise<void> {
  const client = new pg.Client({
    connectionString,
    application_name: 'tallystick jobs',
    connectionTimeoutMillis: 10_000,
  });
  try {
    await client.connect();
    await runMigrations(client, SCHEMA);
  } catch (error) {
    throw new Error('the job tables could not be brought up to date', { cause: error });
  } finally {
    await client.end();
  }
}

/** Each queue and each worker opens and ends a small pool of its own; a worker listens on one more connection. */
export function jobConnection(connectionString: string): PostgresPoolConfig {
  return {
    connectionString,
    schema: SCHEMA,
    application_name: 'tallystick jobs',
    max: 3,
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
  };
}
