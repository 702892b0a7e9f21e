import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

const run = promisify(execFile);
const INSTALL_MS = 300_000;

/** What a program prints, on either channel; null when it is not there or fails. */
export async function outputOf(program: string, ...args: readonly string[]): Promise<string | null> {
  try {
    const { stdout, stderr } = await run(program, args);
    return stdout + stderr;
  } catch {
    return null;
  }
}

/** Whether packages may be installed without asking: on a build machine, where nothing may be left out. */
export function mayInstall(): boolean {
  return process.env['CI'] === 'true';
}

/** For somebody who reads that a program is missing. */
export function howToInstall(debianPackage: string): string {
  return `Debian has it as ${debianPackage}, which "npm run engines up -- --install" installs under root`;
}

/** Installs packages of Debian or its kin. Returns false, having done nothing, when we are not root or have no apt-get. */
export async function installPackages(...packages: readonly string[]): Promise<boolean> {
  if (process.getuid?.() !== 0 || (await outputOf('apt-get', '--version')) === null) return false;
  const options = { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }, timeout: INSTALL_MS };
  const install = () => run('apt-get', ['install', '-y', '--no-install-recommends', ...packages], options);
  try {
    await install();
  } catch {
    // A fresh image has no package lists.
    await run('apt-get', ['update'], options);
    await install();
  }
  return true;
}
