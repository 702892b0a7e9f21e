import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PartRole } from '../../services/wiring/roles.ts';
import type { FirstRun } from '../../services/wiring/firstRun.ts';

const MAIN = fileURLToPath(new URL('../../services/main.ts', import.meta.url));
const START_MS = 45_000;

/** The service as its users have it: a process of its own. */
export interface ServiceProcess {
  readonly baseUrl: string;
  readonly pid: number;
  readonly dataDir: string;
  readonly firstRun: FirstRun;
  /** All it has printed so far, to stdout and stderr. */
  output(): string;
  /** Asks it to stop (SIGTERM), or ends it at once (SIGKILL); resolves with its exit code, null after a signal. */
  stop(signal?: 'SIGTERM' | 'SIGKILL'): Promise<number | null>;
  /** Resolves as `stop` does, when it ends for whatever reason. */
  readonly exited: Promise<number | null>;
  /** Stops it and removes its data directory. */
  dispose(): Promise<void>;
}

/** A process that ended, or printed its address. */
export interface StartAttempt {
  readonly exitCode: number | null;
  readonly output: string;
}

/** Starts the service on a free port and a fresh data directory, unless `environment` says otherwise. Throws when it does not start. */
export async function startServiceProcess(environment: Readonly<Record<string, string>> = {}): Promise<ServiceProcess> {
  const dataDir = environment['DATA_DIR'] ?? (await freshDirectory());
  const launched = launch({ PORT: '0', LOG_LEVEL: 'warn', ...environment, DATA_DIR: dataDir });
  const baseUrl = await launched.address;
  if (baseUrl === null) throw new Error(`the service did not start:\n${launched.output()}`);
  const stop = async (signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM') => {
    launched.child.kill(signal);
    return launched.exited;
  };
  return {
    baseUrl,
    pid: launched.child.pid ?? 0,
    dataDir,
    firstRun: JSON.parse(readFileSync(path.join(dataDir, 'first-run.json'), 'utf8')) as FirstRun,
    output: () => launched.output(),
    stop,
    exited: launched.exited,
    async dispose() {
      await stop();
      await rm(dataDir, { recursive: true, force: true });
    },
  };
}

/** Starts the service where that must fail; resolves when it has ended, or throws when it runs. */
export async function failToStart(environment: Readonly<Record<string, string>>): Promise<StartAttempt> {
  const launched = launch({ PORT: '0', ...environment });
  if ((await launched.address) !== null) {
    launched.child.kill('SIGKILL');
    throw new Error('the service started');
  }
  return { exitCode: await launched.exited, output: launched.output() };
}

export function freshDirectory(): Promise<string> {
  return mkdtemp(path.join(tmpdir(), 'tallystick-service-'));
}

/** One role of an installation as a process of its own. */
export interface RoleProcess {
  readonly baseUrl: string;
  readonly pid: number;
  output(): string;
  /** Sends a signal that does not end it, such as SIGSTOP. */
  signal(name: NodeJS.Signals): void;
  stop(signal?: 'SIGTERM' | 'SIGKILL'): Promise<number | null>;
}

/** Starts a role on a free port. Throws when it does not start. */
export async function startRoleProcess(
  role: PartRole,
  environment: Readonly<Record<string, string>>,
): Promise<RoleProcess> {
  const launched = launch({ PORT: '0', LOG_LEVEL: 'warn', ...environment }, [role]);
  const baseUrl = await launched.address;
  if (baseUrl === null) throw new Error(`the ${role} did not start:\n${launched.output()}`);
  return {
    baseUrl,
    pid: launched.child.pid ?? 0,
    output: () => launched.output(),
    signal: (name) => void launched.child.kill(name),
    stop(signal = 'SIGTERM') {
      launched.child.kill(signal);
      return launched.exited;
    },
  };
}

/** Nothing of our own environment but the path reaches it. `address` is null when it ended without one. */
function launch(environment: Readonly<Record<string, string>>, args: readonly string[] = []) {
  const child = spawn(process.execPath, [MAIN, ...args], {
    env: { PATH: process.env['PATH'], ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let printed = '';
  let found: (baseUrl: string | null) => void;
  const address = new Promise<string | null>((resolve) => (found = resolve));
  const take = (text: string): void => {
    printed += text;
    const match = /Tallystick(?:'s [a-z]+)? is at (http:\S+)\.(?: A first call:)?\n/.exec(printed);
    if (match?.[1] !== undefined) found(match[1]);
  };
  child.stdout.setEncoding('utf8').on('data', take);
  child.stderr.setEncoding('utf8').on('data', take);
  const deadline = setTimeout(() => child.kill('SIGKILL'), START_MS);
  const exited = new Promise<number | null>((resolve) => {
    // `close` follows the last byte of output; `exit` may precede it.
    child.once('close', (code) => {
      found(null);
      resolve(code);
    });
  });
  void address.then(() => clearTimeout(deadline));
  return { child, address, exited, output: () => printed };
}
