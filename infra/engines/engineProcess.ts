import { execFile, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { mkdir, open, readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';

/** Time to end in good order before a process is killed. */
const STOP_MS = 15_000;
const LOOK_AGAIN_MS = 10;
const LAST_LINES = 20;

/** A server as others may find it again: another process that gets its pid later has another start time. */
export interface Located {
  readonly pid: number;
  /** As the system gives it, in whatever unit. */
  readonly startTime: string;
}

export interface Launch {
  readonly program: string;
  readonly args: readonly string[];
  readonly logFile: string;
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  readonly ids?: { readonly uid?: number; readonly gid?: number };
  /** Goes on when we end; otherwise it is killed at our exit. */
  readonly outlivesUs: boolean;
}

/**
 * Starts a server in a process group of its own, whose words go to a file. Resolves when `ready` gives true; rejects, with
 * its last words, when it ends before or takes longer than `withinMs`, when it is killed.
 */
export async function launch(options: Launch, ready: () => Promise<boolean>, withinMs = 60_000): Promise<Located> {
  await mkdir(path.dirname(options.logFile), { recursive: true });
  const output = await open(options.logFile, 'a');
  const child = spawn(options.program, options.args, {
    ...options.ids,
    cwd: options.cwd,
    env: options.env,
    detached: true,
    stdio: ['ignore', output.fd, output.fd],
  });
  let ended: string | null = null;
  child.once('error', (error) => (ended = error.message));
  child.once('exit', (code, signal) => (ended = signal ?? `exit code ${String(code)}`));
  await output.close();
  if (options.outlivesUs) child.unref();
  else {
    const atOurExit = () => child.kill('SIGKILL');
    process.once('exit', atOurExit);
    child.once('exit', () => process.off('exit', atOurExit));
  }
  const reason = () => ended;
  const deadline = performance.now() + withinMs;
  while (!(await ready())) {
    const late = performance.now() > deadline ? `not ready after ${String(withinMs)} ms` : null;
    const failure = reason() ?? late;
    if (failure !== null) {
      child.kill('SIGKILL');
      throw new Error(`${options.program} did not start: ${failure}\n${await lastLines(options.logFile)}`);
    }
    await delay(LOOK_AGAIN_MS);
  }
  const startTime = child.pid === undefined ? null : await startTimeOf(child.pid);
  if (child.pid === undefined || startTime === null)
    throw new Error(`${options.program} ended as soon as it was ready`);
  return { pid: child.pid, startTime };
}

/** Whether this very server still runs; another process that got its pid meanwhile does not count. */
export async function isRunning({ pid, startTime }: Located): Promise<boolean> {
  return (await startTimeOf(pid)) === startTime;
}

/** Signals this very server. Returns false when it is gone. */
export async function send(server: Located, signal: NodeJS.Signals): Promise<boolean> {
  if (!(await isRunning(server))) return false;
  try {
    return process.kill(server.pid, signal);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ESRCH') return false;
    throw error;
  }
}

/** Ends it in good order, also when it is suspended, and by force when that takes too long. Resolves when it is gone. */
export async function stop(server: Located, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  await send(server, signal);
  await send(server, 'SIGCONT');
  const killAt = performance.now() + STOP_MS;
  while (await isRunning(server)) {
    if (performance.now() > killAt) await send(server, 'SIGKILL');
    await delay(LOOK_AGAIN_MS);
  }
}

/** Ends it at once, without a chance to clean up. Resolves when it is gone. */
export async function kill(server: Located): Promise<void> {
  await send(server, 'SIGKILL');
  while (await isRunning(server)) await delay(LOOK_AGAIN_MS);
}

/**
 * A port of loopback that nobody listens on just now. It lies below those that systems give out by themselves, so that
 * nobody gets it while its server starts or is down for a while, and no client meets itself there.
 */
export async function freePort(): Promise<number> {
  const port = randomInt(20_000, 32_000);
  return (await isFree(port)) ? port : freePort();
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)));
  });
}

/** Null for a process that has ended, which is when its sockets are closed too, whether its parent knows or not. */
async function startTimeOf(pid: number): Promise<string | null> {
  try {
    if (process.platform === 'linux') {
      const stat = await readFile(`/proc/${String(pid)}/stat`, 'utf8');
      // The name in brackets may hold anything. See proc(5): of the fields after it these are 3, 20 and 22.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      const [state = '', threads, startTime = null] = [fields[0], fields[17], fields[19]];
      // Its first thread may be dead while another one still has the sockets.
      return /^[ZX]/.test(state) && Number(threads) <= 1 ? null : startTime;
    }
    const { stdout } = await promisify(execFile)('ps', ['-o', 'stat=,lstart=', '-p', String(pid)]);
    const [, state = '', started = ''] = /^(\S+)\s+(.*\S)\s*$/.exec(stdout) ?? [];
    return state.startsWith('Z') || started === '' ? null : started;
  } catch {
    return null;
  }
}

async function lastLines(file: string): Promise<string> {
  return (await readFile(file, 'utf8')).trimEnd().split('\n').slice(-LAST_LINES).join('\n');
}
