import { runMigrations } from 'bullmq';
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
 * BullMQ listens for errors on its pool, not on a connection that it has taken from it, nor on its listening one while
 * that opens: losing such a connection would end the process. Whoever uses the connection is told by its statement.
 */
class WatchedClient extends pg.Client {
  constructor(config?: string | pg.ClientConfig) {
    super(config);
    this.on('error', () => undefined);
  }
}

/**
 * A small pool for one queue or one half of a worker, whose listening connection comes out of it too: one that BullMQ
 * makes by itself is no WatchedClient.
 */
export function openJobPool(connectionString: string): pg.Pool {
  return new pg.Pool({
    connectionString,
    options: `-c search_path=${SCHEMA}`,
    application_name: 'tallystick jobs',
    max: 4,
    Client: WatchedClient,
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
  });
}
