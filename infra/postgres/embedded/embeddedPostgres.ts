import { setTimeout as delay } from 'node:timers/promises';
import type { Log } from '../../../services/runtime.ts';
import { pause } from '../../abortable.ts';
import { postgresBinaries } from './binaries.ts';
import { choosePort, ensureCluster } from './cluster.ts';
import { connectionString, embeddedFiles } from './files.ts';
import { stopOrphan } from './orphan.ts';
import { startServer, type Server, type ServerOptions } from './server.ts';
import { serverUser } from './serverUser.ts';

export interface EmbeddedPostgres {
  /** With its password; the port stays the same as long as it is free. */
  readonly url: string;
  /** The process id of the server, null while it is being restarted. */
  readonly pid: number | null;
  /** Shuts the server down in good order. */
  stop(): Promise<void>;
}

/** Between restarts of a server that keeps dying, milliseconds. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;
/** A server that lived this long was well, so the next restart is immediate again. */
const WELL_AFTER_MS = 30_000;
const START_ATTEMPTS = 5;

/**
 * Runs a PostgreSQL of our own on `${dataDir}/postgres`: made on the first start (about 1.2 s), listening on loopback
 * only, stopped only by `stop`, and started again on the same port when it dies. A server left by a dead process is
 * stopped first. The caller holds the instance lock of `dataDir`.
 */
export async function startEmbeddedPostgres(options: {
  readonly dataDir: string;
  readonly log: Log;
}): Promise<EmbeddedPostgres> {
  const files = embeddedFiles(options.dataDir);
  const binaries = postgresBinaries();
  const user = await serverUser(files, binaries.postgres);
  const password = await ensureCluster(files, binaries, user);
  await stopOrphan(files.cluster, options.log);
  const { port, server } = await firstStart(async () => {
    const port = await choosePort(files);
    const wanted = { program: binaries.postgres, user, cluster: files.cluster, port, log: options.log };
    return { port, server: await startServer(wanted) };
  }, options.log);
  const supervisor = new Supervisor(server, {
    program: binaries.postgres,
    user,
    cluster: files.cluster,
    port,
    log: options.log,
  });
  return {
    url: connectionString(password, port),
    get pid() {
      return supervisor.pid;
    },
    stop: () => supervisor.stop(),
  };
}

/** Backends of a killed server may hold its memory for a moment, and a chosen port may be taken meanwhile; both pass. */
async function firstStart<T>(start: () => Promise<T>, log: Log): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await start();
    } catch (error) {
      if (attempt === START_ATTEMPTS) throw error;
      log.warn({ error, attempt }, 'Postgres did not start, trying again');
      await delay(FIRST_PAUSE_MS * 2 ** attempt);
    }
  }
}

class Supervisor {
  readonly #options: ServerOptions;
  readonly #stopping = new AbortController();
  readonly #done: Promise<void>;
  #server: Server | null;

  constructor(server: Server, options: ServerOptions) {
    this.#options = options;
    this.#server = server;
    this.#done = this.#watch(server);
  }

  get pid(): number | null {
    return this.#server?.pid ?? null;
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#server?.stop();
    await this.#done;
  }

  #isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  async #watch(first: Server): Promise<void> {
    let server: Server | null = first;
    let pauseMs = FIRST_PAUSE_MS;
    let startedAt = performance.now();
    while (!this.#isStopping()) {
      if (server) {
        const reason = await server.exited;
        this.#server = null;
        if (this.#isStopping()) return;
        this.#options.log.error({ reason }, 'Postgres died, starting it again');
        if (performance.now() - startedAt > WELL_AFTER_MS) pauseMs = FIRST_PAUSE_MS;
      }
      await pause(pauseMs, this.#stopping.signal);
      pauseMs = Math.min(pauseMs * 2, LONGEST_PAUSE_MS);
      server = await this.#restart();
      startedAt = performance.now();
    }
  }

  /** The new server, null when it did not start or is no longer wanted. */
  async #restart(): Promise<Server | null> {
    if (this.#isStopping()) return null;
    try {
      this.#server = await startServer(this.#options);
    } catch (error) {
      this.#options.log.error({ error }, 'Postgres did not start again');
      return null;
    }
    this.#options.log.info({ pid: this.#server.pid }, 'Postgres runs again');
    if (this.#isStopping()) await this.#server.stop();
    return this.#server;
  }
}
