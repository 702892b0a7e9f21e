import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** A process of the bench, pinned to a core where the system can pin, and spoken to over its IPC channel. */
export class Child {
  readonly #process: ChildProcess;

  static async start<T>(
    script: string,
    args: readonly string[],
    core: number,
    pinned: boolean,
  ): Promise<{ child: Child; ready: T }> {
    const path = fileURLToPath(new URL(script, import.meta.url));
    // The bench's own Node options hold for its processes too, so `node --cpu-prof test/bench/main.ts` profiles them.
    const node = [process.execPath, ...process.execArgv];
    const command = pinned ? ['taskset', '-c', String(core), ...node] : node;
    const [program = process.execPath, ...rest] = [...command, path, ...args];
    const child = new Child(spawn(program, rest, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] }));
    return { child, ready: await child.#next<T>() };
  }

  private constructor(process: ChildProcess) {
    this.#process = process;
  }

  /** Sends a message and gives the next one that comes back. */
  ask<T>(message: unknown): Promise<T> {
    const answer = this.#next<T>();
    this.#process.send(message as object);
    return answer;
  }

  /** CPU time used so far, user and system, milliseconds. */
  async cpuMs(): Promise<number> {
    const { cpu } = await this.ask<{ cpu: NodeJS.CpuUsage }>('cpu');
    return (cpu.user + cpu.system) / 1_000;
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null) return;
    const gone = new Promise((resolve) => this.#process.once('exit', resolve));
    this.#process.disconnect();
    await gone;
  }

  #next<T>(): Promise<T> {
    return new Promise((resolve, reject) => {
      const onExit = (code: number | null) => reject(new Error(`a bench process ended with ${String(code)}`));
      this.#process.once('exit', onExit);
      this.#process.once('message', (message) => {
        this.#process.off('exit', onExit);
        resolve(message as T);
      });
    });
  }
}
