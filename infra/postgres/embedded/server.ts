import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Log } from '../../../services/runtime.ts';
import { serverEnvironment } from './cluster.ts';
import { stopServer } from './orphan.ts';
import type { ServerUser } from './serverUser.ts';

export interface ServerOptions {
  readonly program: string;
  readonly user: ServerUser;
  readonly cluster: string;
  readonly port: number;
  readonly log: Log;
}

export interface Server {
  readonly pid: number;
  /** Resolves with a short reason when the process has ended. */
  readonly exited: Promise<string>;
  stop(): Promise<void>;
}

/** One small machine is the target; everything that makes a commit durable stays on. */
const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: 100,
  shared_buffers: '128MB',
  max_wal_size: '1GB',
  fsync: 'on',
  synchronous_commit: 'on',
  full_page_writes: 'on',
  // No replicas read this log.
  wal_level: 'minimal',
  max_wal_senders: 0,
  // The cores belong to the relay.
  max_parallel_workers_per_gather: 0,
  jit: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  lc_messages: 'C',
  // The server's log passes through ours; statements and details may hold personal data.
  log_min_messages: 'warning',
  log_error_verbosity: 'terse',
  log_min_error_statement: 'panic',
};

/** Starts a server on a complete cluster. Resolves when it takes connections; rejects, with its last words, when it ends before. */
export async function startServer(options: ServerOptions): Promise<Server> {
  const settings = Object.entries(SETTINGS).flatMap(([name, value]) => ['-c', `${name}=${String(value)}`]);
  const { program, args, ids } = options.user.launch(options.program, [
    '-D',
    options.cluster,
    '-p',
    String(options.port),
    ...settings,
  ]);
  const child = spawn(program, args, {
    ...ids,
    cwd: options.cluster,
    env: serverEnvironment(),
    // A group of its own: Ctrl-C in the terminal must reach us only, so that streams can still be settled.
    detached: true,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const exited = untilExit(child);
  const lastWords: string[] = [];
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stderr }).on('line', (line) => {
      if (line.includes('database system is ready to accept connections')) resolve();
      lastWords.push(line);
      if (lastWords.length > 20) lastWords.shift();
      if (/\b(WARNING|FATAL|PANIC):/.test(line)) options.log.warn({ line }, 'Postgres says');
    });
    void exited.then((reason) => {
      reject(new Error(`Postgres did not start: ${reason}\n${lastWords.join('\n')}`));
    });
  });
  return supervised(child, exited);
}

function untilExit(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => {
      resolve(error.message);
    });
    child.once('exit', (code, signal) => {
      resolve(signal ?? `exit code ${String(code)}`);
    });
  });
}

function supervised(child: ChildProcess, exited: Promise<string>): Server {
  const { pid } = child;
  if (pid === undefined) throw new Error('Postgres has no process id');
  // If we leave without stopping it, on a crash, it shall not linger.
  const onOurExit = () => child.kill('SIGINT');
  process.once('exit', onOurExit);
  void exited.then(() => process.off('exit', onOurExit));
  return {
    pid,
    exited,
    stop: () => stopServer(pid, () => child.exitCode === null && child.signalCode === null),
  };
}
