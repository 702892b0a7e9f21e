import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { postgresBinaries } from '../../infra/postgres/embedded/binaries.ts';
import { choosePort, ensureCluster } from '../../infra/postgres/embedded/cluster.ts';
import { connectionString, embeddedFiles } from '../../infra/postgres/embedded/files.ts';
import { startServer, type Server, type ServerOptions } from '../../infra/postgres/embedded/server.ts';
import { serverUser } from '../../infra/postgres/embedded/serverUser.ts';
import { silentLog } from './log.ts';

/** A Postgres that nobody supervises but the test: it stops, freezes and starts when told to. */
export class ControlledPostgres {
  readonly url: string;
  readonly #directory: string;
  readonly #options: ServerOptions;
  #server: Server;

  /** A fresh cluster in a temporary directory, running. */
  static async create(): Promise<ControlledPostgres> {
    const directory = await mkdtemp(path.join(tmpdir(), 'tallystick-postgres-'));
    const files = embeddedFiles(directory);
    const binaries = postgresBinaries();
    const user = await serverUser(files, binaries.postgres);
    const password = await ensureCluster(files, binaries, user);
    const port = await choosePort(files);
    const options = { program: binaries.postgres, user, cluster: files.cluster, port, log: silentLog };
    return new ControlledPostgres(directory, connectionString(password, port), options, await startServer(options));
  }

  private constructor(directory: string, url: string, options: ServerOptions, server: Server) {
    this.#directory = directory;
    this.url = url;
    this.#options = options;
    this.#server = server;
  }

  async start(): Promise<void> {
    this.#server = await startServer(this.#options);
  }

  /** In good order, ending every session. */
  async stop(): Promise<void> {
    await this.#server.stop();
  }

  /** Stands still with all its sessions: connections stay open and nothing answers. */
  async freeze(): Promise<void> {
    await signalPostgres(this.#server.pid, 'SIGSTOP');
  }

  async thaw(): Promise<void> {
    await signalPostgres(this.#server.pid, 'SIGCONT');
  }

  /** Stops it, also when it is frozen or stopped already, and removes its files. */
  async dispose(): Promise<void> {
    await this.thaw();
    await this.stop();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** Ends the embedded Postgres of a data directory at once, with all its sessions. Returns false when none is running. */
export async function killEmbeddedPostgres(dataDir: string): Promise<boolean> {
  const { cluster } = embeddedFiles(dataDir);
  // The lock file may be a dead server's, and its pid another program's by now; the command line tells.
  const postmaster = (await processes()).find(({ command }) => command.includes(`-D ${cluster} `));
  return postmaster !== undefined && (await signalPostgres(postmaster.pid, 'SIGKILL'));
}

/** The postmaster first, so that it starts no further session. Returns false when it is gone already. */
async function signalPostgres(pid: number, signal: NodeJS.Signals): Promise<boolean> {
  if (!send(pid, signal)) return false;
  for (const { pid: session, parent } of await processes()) if (parent === pid) send(session, signal);
  return true;
}

async function processes() {
  const { stdout } = await promisify(execFile)('ps', ['-A', '-ww', '-o', 'pid=,ppid=,args=']);
  return stdout.split('\n').map((line) => {
    const [, pid, parent, command = ''] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
    return { pid: Number(pid), parent: Number(parent), command };
  });
}

function send(pid: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, signal);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false;
    throw error;
  }
}
