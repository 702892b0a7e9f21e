import { createHash, randomBytes } from 'node:crypto';
import { execFile } from 'node:child_process';
import { mkdir, readFile, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { installPackages, outputOf } from '../../infra/engines/programs.ts';

const run = promisify(execFile);
const REQUIREMENTS = fileURLToPath(new URL('../engines/python/requirements.txt', import.meta.url));
/** Git and the linters ignore it, and whoever removes the packages of npm removes these too. */
const CACHE = fileURLToPath(new URL('../../node_modules/.cache/tallystick-python', import.meta.url));
/** It takes 15 s where the registry is near. */
const INSTALL_MS = 120_000;
/** Of one connection to the registry, so that an unreachable one is noticed. */
const PIP_TIMEOUT = ['--timeout', '10', '--retries', '2'];
const SYSTEM = 'python3';
const DEBIAN_PACKAGES = ['python3', 'python3-venv'] as const;

/** A Python with the packages of `test/engines/python/requirements.txt` cannot be had here; the message says why. */
export class PythonMissing extends Error {
  override readonly name = 'PythonMissing';

  constructor(why: string, options?: ErrorOptions) {
    super(`python is missing: ${why}`, options);
  }
}

export interface Python {
  readonly program: string;
  readonly version: string;
}

/**
 * A virtual environment with exactly the packages that our tests name, made once per checkout, Python and list of
 * packages. With `install`, a Python that is missing is installed as a Debian package first. Throws PythonMissing.
 */
export async function preparedPython(install: boolean): Promise<Python> {
  const found = await outputOf(SYSTEM, '-c', 'import sys, ensurepip; print(sys.version)');
  if (found === null) {
    if (install && (await installPackages(...DEBIAN_PACKAGES))) return preparedPython(false);
    throw new PythonMissing(`there is no ${SYSTEM} with venv on PATH; Debian has it as ${DEBIAN_PACKAGES.join(', ')}`);
  }
  const version = found.split(' ')[0] ?? '';
  const wanted = await readFile(REQUIREMENTS, 'utf8');
  const directory = path.join(CACHE, createHash('sha256').update(`${found}\n${wanted}`).digest('hex').slice(0, 16));
  const program = programIn(directory);
  if ((await outputOf(program, '--version')) === null) await make(directory);
  return { program, version };
}

/** Made under another name, so that what bears the right one is whole, and of two who make it at once both have one. */
async function make(directory: string): Promise<void> {
  const draft = `${directory}.${randomBytes(4).toString('hex')}`;
  await mkdir(CACHE, { recursive: true });
  try {
    await run(SYSTEM, ['-m', 'venv', draft], { timeout: INSTALL_MS });
    const pip = ['-m', 'pip', 'install', '--quiet', '--no-input', '--only-binary=:all:', ...PIP_TIMEOUT];
    await run(programIn(draft), [...pip, '--requirement', REQUIREMENTS], { timeout: INSTALL_MS });
    await rename(draft, directory).catch(async (error: unknown) => {
      if ((await outputOf(programIn(directory), '--version')) === null) throw error;
    });
  } catch (error) {
    const { stderr = '', message } = error as { stderr?: string; message: string };
    throw new PythonMissing(stderr.trim().split('\n').at(-1) || message, { cause: error });
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

function programIn(directory: string): string {
  return path.join(directory, 'bin', 'python');
}
