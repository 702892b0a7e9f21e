import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** A Python program of this folder that answers every line of its input by one line, in their order. */
export class PythonLines {
  readonly #program: string;
  readonly #child: ChildProcess;
  readonly #write: (line: string) => void;
  readonly #lines: AsyncIterator<string>;
  readonly #exited: Promise<number | null>;
  #broken: unknown = null;

  constructor(python: string, program: string, environment: Readonly<Record<string, string>>) {
    const file = fileURLToPath(new URL(program, import.meta.url));
    const env = { PATH: process.env['PATH'], PYTHONUTF8: '1', PYTHONDONTWRITEBYTECODE: '1', ...environment };
    const child = spawn(python, [file], { stdio: ['pipe', 'pipe', 'inherit'], env });
    this.#program = program;
    this.#child = child;
    this.#write = (line) => child.stdin.write(line);
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    this.#exited = new Promise((resolve) => child.once('close', (code) => resolve(code)));
    for (const emitter of [child, child.stdin]) emitter.on('error', (error) => (this.#broken = error));
  }

  /** Sends what JSON can say, and resolves to what it says to that. Rejects when the program has ended. */
  async ask(order: unknown): Promise<unknown> {
    this.#write(`${JSON.stringify(order)}\n`);
    const next = await this.#lines.next();
    if (next.done) throw new Error(`${this.#program} has ended`, { cause: this.#broken });
    return JSON.parse(next.value);
  }

  /** Ends the input, and with it the program. Throws when that did not end well. */
  async close(): Promise<void> {
    this.#child.stdin?.end();
    const code = await this.#exited;
    if (code !== 0) throw new Error(`${this.#program} has ended with ${String(code)}`, { cause: this.#broken });
  }
}
