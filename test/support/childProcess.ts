import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export interface TestProcess {
  readonly child: ChildProcess;
  readonly pid: number;
  /** The next line it prints; rejects when it ends without. */
  line(): Promise<string>;
  readonly exited: Promise<void>;
  /** Ends it at once, without a chance to clean up. */
  kill(): Promise<void>;
}

/** Runs a program of `test/support` in a process and process group of its own. */
export function testProcess(program: string, ...args: readonly string[]): TestProcess {
  const file = fileURLToPath(new URL(program, import.meta.url));
  const child = spawn(process.execPath, [file, ...args], { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
  if (child.pid === undefined) throw new Error(`${program} did not start`);
  const exited = new Promise<void>((resolve) => {
    child.once('exit', () => {
      resolve();
    });
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    child,
    pid: child.pid,
    exited,
    async line() {
      const next = await lines.next();
      if (next.done) throw new Error(`${program} ended without a further line`);
      return next.value;
    },
    async kill() {
      child.kill('SIGKILL');
      await exited;
    },
  };
}
