import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const MAIN = fileURLToPath(new URL('../../../services/cli/main.ts', import.meta.url));
const LONGEST_MS = 60_000;

export interface Ended {
  readonly code: number;
  readonly out: string;
  readonly error: string;
}

/** The command line as a process of its own on a data directory. Nothing of our own environment but the path reaches it. */
export class CommandLine {
  readonly #environment: Readonly<Record<string, string>>;

  constructor(environment: Readonly<Record<string, string>>) {
    this.#environment = environment;
  }

  run(...argv: readonly string[]): Promise<Ended> {
    const env = { PATH: process.env['PATH'], ...this.#environment };
    return new Promise((resolve, reject) => {
      execFile(process.execPath, [MAIN, ...argv], { env, timeout: LONGEST_MS }, (failure, out, error) => {
        if (failure === null) resolve({ code: 0, out, error });
        else if (typeof failure.code === 'number') resolve({ code: failure.code, out, error });
        else reject(new Error(`tallystick ${argv.join(' ')} did not end by itself`, { cause: failure }));
      });
    });
  }

  /** The document of a command that succeeds, or ends with another code when that is expected. Throws when it is not so. */
  async json<T = Record<string, unknown>>(argv: readonly string[], code = 0): Promise<T> {
    const ended = await this.run(...argv, '--json');
    if (ended.code !== code) throw new Error(`tallystick ${argv.join(' ')} ended with ${JSON.stringify(ended)}`);
    return JSON.parse(ended.out) as T;
  }

  /** The error of a command that must fail: its one document on stderr, with nothing on stdout. */
  async refusal(
    ...argv: readonly string[]
  ): Promise<{ code: number; kind: string; message: string; problems: string[] }> {
    const { code, out, error } = await this.run(...argv, '--json');
    if (out !== '') throw new Error(`tallystick ${argv.join(' ')} wrote ${out}`);
    const document = JSON.parse(error) as {
      error: { kind: string; exitCode: number; message: string; problems: string[] };
    };
    const { kind, exitCode, message, problems } = document.error;
    if (exitCode !== code) throw new Error(`exit code ${String(code)} was announced as ${String(exitCode)}`);
    return { code, kind, message, problems };
  }
}
