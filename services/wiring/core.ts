import { setTimeout as delay } from 'node:timers/promises';
import type { Config } from '../../infra/config/config.ts';
import { closePool, openPool, type Pool } from '../../infra/postgres/database.ts';
import { embeddedUrl } from '../../infra/postgres/embedded/files.ts';
import { startEmbeddedPostgres } from '../../infra/postgres/embedded/embeddedPostgres.ts';
import {
  acquireInstanceLock,
  InstanceRunning,
  readInstance,
  type InstanceInfo,
} from '../../infra/postgres/embedded/instanceLock.ts';
import { migrate } from '../../infra/postgres/migrate.ts';
import { systemRuntime } from '../../infra/runtime.ts';
import type { Log, Runtime } from '../runtime.ts';
import { openEventStore, type HintedEventStore } from './eventStore.ts';

/** How long a command waits for its turn, and how often it asks. */
const TURN_MS = 60_000;
const ASK_AGAIN_MS = 100;

/** What every process stands on. */
export interface Core {
  readonly config: Config;
  readonly runtime: Runtime;
  readonly databaseUrl: string;
  readonly pool: Pool;
  readonly store: HintedEventStore;
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
  const closing = new Closing();
  try {
    return await assemble(config, log, await attachDatabase(config, log, closing), closing);
  } catch (error) {
    await closing.run();
    throw error;
  }
}

/**
 * The address of the database, which is as it was left: nothing is migrated. Waits for a service that is starting, and
 * for another command that has the embedded database to itself. Throws InstanceRunning when that takes too long.
 */
export async function attachDatabase(config: Config, log: Log, closing: Closing): Promise<string> {
  if (config.DATABASE_URL !== undefined) return config.DATABASE_URL;
  const describe = () => ({ pid: process.pid, baseUrl: null });
  const deadline = performance.now() + TURN_MS;
  for (;;) {
    const running = await readInstance(config.DATA_DIR);
    if (running && running.baseUrl !== null) return embeddedUrl(config.DATA_DIR);
    const isOver = performance.now() > deadline;
    if (running === null || isOver) {
      try {
        closing.add(await acquireInstanceLock(config.DATA_DIR, describe));
        return await ownDatabase(config, log, closing);
      } catch (error) {
        // Somebody else was faster.
        if (isOver || !(error instanceof InstanceRunning)) throw error;
      }
    }
    await delay(ASK_AGAIN_MS);
  }
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
  closing.add(() => closePool(pool));
  const store = await openEventStore(config, databaseUrl, log);
  closing.add(() => store.close());
  return {
    config,
    runtime: systemRuntime(log),
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
