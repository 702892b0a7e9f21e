import type pg from 'pg';
import { loadSecrets, type Secrets } from '../../infra/config/secrets.ts';
import type { Config } from '../../infra/config/config.ts';
import { openPool } from '../../infra/postgres/database.ts';
import { embeddedUrl } from '../../infra/postgres/embedded/files.ts';
import { startEmbeddedPostgres } from '../../infra/postgres/embedded/embeddedPostgres.ts';
import { acquireInstanceLock, readInstance, type InstanceInfo } from '../../infra/postgres/embedded/instanceLock.ts';
import { PostgresEventStore } from '../../infra/postgres/eventStore.ts';
import { migrate } from '../../infra/postgres/migrate.ts';
import { systemRuntime } from '../../infra/runtime.ts';
import type { Log, Runtime } from '../runtime.ts';

/** What every process of the embedded profile stands on. */
export interface Core {
  readonly config: Config;
  readonly runtime: Runtime;
  readonly secrets: Secrets;
  readonly databaseUrl: string;
  readonly pool: pg.Pool;
  readonly store: PostgresEventStore;
  /** Closes everything in reverse order. */
  close(): Promise<void>;
}

/** The service itself: the only process on its DATA_DIR. Throws InstanceRunning when there is another. */
export async function openCore(config: Config, log: Log, describe: () => InstanceInfo): Promise<Core> {
  const closing = new Closing();
  try {
    closing.add(await acquireInstanceLock(config.DATA_DIR, describe));
    return await assemble(config, log, await ownDatabase(config, log, closing), closing);
  } catch (error) {
    await closing.run();
    throw error;
  }
}

/** A command beside the service: uses the database of a running one, or starts the embedded one for its own duration. */
export async function attachCore(config: Config, log: Log): Promise<Core> {
  const running = config.DATABASE_URL === undefined ? await readInstance(config.DATA_DIR) : null;
  if (config.DATABASE_URL === undefined && running === null) {
    return openCore(config, log, () => ({ pid: process.pid, baseUrl: null }));
  }
  return assemble(config, log, config.DATABASE_URL ?? (await embeddedUrl(config.DATA_DIR)), new Closing());
}

async function ownDatabase(config: Config, log: Log, closing: Closing): Promise<string> {
  if (config.DATABASE_URL !== undefined) return config.DATABASE_URL;
  const embedded = await startEmbeddedPostgres({ dataDir: config.DATA_DIR, log });
  closing.add(() => embedded.stop());
  return embedded.url;
}

async function assemble(config: Config, log: Log, databaseUrl: string, closing: Closing): Promise<Core> {
  await migrate(databaseUrl, log);
  const pool = openPool({
    connectionString: databaseUrl,
    applicationName: 'tallystick',
    maxConnections: 12,
    timeoutMs: config.STORE_TIMEOUT_MS,
    log,
  });
  closing.add(() => pool.end());
  const store = await PostgresEventStore.open({
    connectionString: databaseUrl,
    log,
    timeoutMs: config.STORE_TIMEOUT_MS,
  });
  closing.add(() => store.close());
  return {
    config,
    runtime: systemRuntime(log),
    secrets: loadSecrets(config),
    databaseUrl,
    pool,
    store,
    close: () => closing.run(),
  };
}

/** What must be undone, last first. */
export class Closing {
  readonly #steps: (() => Promise<unknown>)[] = [];

  add(step: () => Promise<unknown>): void {
    this.#steps.push(step);
  }

  async run(): Promise<void> {
    for (const step of this.#steps.splice(0).reverse()) await step();
  }
}
