import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

export const REPOSITORY = fileURLToPath(new URL('../../..', import.meta.url));

/** `npm start` as a newcomer types it, with what it prints. */
export interface NpmStart {
  /** Everything printed so far, npm's own lines included. */
  output(): string;
  /** The line to copy; null when it ended without one. */
  readonly curlLine: Promise<string | null>;
  readonly exitCode: Promise<number | null>;
  /** Ctrl-C: the signal goes to the whole process group, as a terminal sends it. Resolves when all of it has ended. */
  interrupt(): Promise<void>;
  /** SIGTERM to npm alone, as a supervisor sends it. Resolves when npm and what it started have ended. */
  terminate(): Promise<void>;
}

/** Nothing of the test's own environment is passed on but what npm and node need. */
export function npmStart(environment: Readonly<Record<string, string>>): NpmStart {
  const child: ChildProcess = spawn('npm', ['start'], {
    cwd: REPOSITORY,
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let printed = '';
  let found: (line: string | null) => void;
  const curlLine = new Promise<string | null>((resolve) => (found = resolve));
  const take = (text: string): void => {
    printed += text;
    const line = /^curl .+$/m.exec(printed)?.[0];
    if (line !== undefined && printed.endsWith('\n\n')) found(line);
  };
  child.stdout?.setEncoding('utf8').on('data', take);
  child.stderr?.setEncoding('utf8').on('data', take);
  const exitCode = new Promise<number | null>((resolve) => {
    child.once('close', (code) => {
      found(null);
      resolve(code);
    });
  });
  return {
    output: () => printed,
    curlLine,
    exitCode,
    async interrupt() {
      const hasEnded = child.exitCode !== null || child.signalCode !== null;
      if (child.pid !== undefined && !hasEnded) process.kill(-child.pid, 'SIGINT');
      await exitCode;
    },
    async terminate() {
      child.kill('SIGTERM');
      await exitCode;
    },
  };
}

/** Runs a line as a newcomer's shell does, and returns what it prints. */
export async function shell(line: string, cwd = REPOSITORY): Promise<string> {
  const { stdout } = await promisify(execFile)('sh', ['-c', line], { cwd, encoding: 'utf8' });
  return stdout;
}
