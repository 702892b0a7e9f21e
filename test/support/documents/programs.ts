import { execFile } from 'node:child_process';
import { mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const PACKAGES = fileURLToPath(new URL('../../../node_modules', import.meta.url));
/** Python takes seconds to read the SDKs where the machine is busy. */
const LONGEST_MS = 50_000;

export interface Printed {
  readonly stdout: string;
  readonly stderr: string;
}

/** A directory as a reader of the documents has it: with the npm packages that he installed. */
export class Workplace {
  readonly directory: string;

  static async open(): Promise<Workplace> {
    const directory = await mkdtemp(path.join(tmpdir(), 'tallystick-documents-'));
    await symlink(PACKAGES, path.join(directory, 'node_modules'));
    return new Workplace(directory);
  }

  private constructor(directory: string) {
    this.directory = directory;
  }

  async write(name: string, content: string): Promise<string> {
    const file = path.join(this.directory, name);
    await writeFile(file, content);
    return file;
  }

  /** Runs JavaScript as a module of its own. Rejects when it fails. */
  async node(code: string, environment: Readonly<Record<string, string>> = {}): Promise<Printed> {
    return this.run(process.execPath, [await this.write('sample.mjs', code)], environment);
  }

  /** Runs a line as a reader's shell does. Rejects when it fails. */
  async shell(line: string): Promise<string> {
    return (await this.run('sh', ['-c', line])).stdout;
  }

  /** Runs any program; nothing of our own environment but the path is passed on. Rejects when it fails. */
  run(program: string, args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<Printed> {
    const env = { PATH: process.env['PATH'], PYTHONUTF8: '1', ...environment };
    return run(program, args, { cwd: this.directory, env, encoding: 'utf8', timeout: LONGEST_MS });
  }

  close(): Promise<void> {
    return rm(this.directory, { recursive: true, force: true });
  }
}
