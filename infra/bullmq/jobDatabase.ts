import { runMigrations, type PostgresPoolConfig } from 'bullmq';
import pg from 'pg';

/** BullMQ's tables have a schema of their own: they are no record and can be dropped, only waiting requests are lost. */
const SCHEMA = 'bullmq';

/** Brings BullMQ's tables up to date; several processes may do so at once. Throws Error with the cause. */
export async function migrateJobs(connectionString: string): Promise<void> {
  const client = new WatchedClient({
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

/**
 * BullMQ listens for errors on its pool only, and a connection that is lost while it is in use would end the process. The
 * statement that was under way fails in addition, and that is where the loss is dealt with.
 */
class WatchedClient extends pg.Client {
  constructor(config?: string | pg.ClientConfig) {
    super(config);
    this.on('error', () => undefined);
  }
}

/** Each queue and each worker opens and ends a small pool of its own; a worker listens on one more connection. */
export function jobConnection(connectionString: string): PostgresPoolConfig {
  return {
    connectionString,
    schema: SCHEMA,
    application_name: 'tallystick jobs',
    max: 3,
    Client: WatchedClient,
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
  };
}
