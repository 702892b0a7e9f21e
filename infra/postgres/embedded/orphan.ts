import { execFile } from 'node:child_process';
import { readdir, readlink, realpath, rm } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Log } from '../../../services/runtime.ts';
import { readIfThere } from './files.ts';

/** Time for open transactions to be rolled back and a checkpoint to be written, before the server is killed. */
const FAST_SHUTDOWN_MS = 10_000;

/**
 * Stops a server that still runs on this cluster because the process that started it died. The caller holds the
 * instance lock of the data directory, so nobody else's server can be meant.
 */
export async function stopOrphan(cluster: string, log: Log): Promise<void> {
  const lockFile = path.join(cluster, 'postmaster.pid');
  const pid = Number((await readIfThere(lockFile))?.split('\n')[0] ?? 0);
  if (!(pid > 0)) return;
  if (await worksIn(pid, await realpath(cluster))) {
    log.warn({ pid }, 'stopping the Postgres that a dead process left behind');
    await stopServer(pid, async () => worksIn(pid, await realpath(cluster)));
    return;
  }
  // Another program has the dead server's pid now, as happens when a container starts again; Postgres would refuse.
  if (isAlive(pid) && (await nobodyWorksIn(await realpath(cluster)))) await rm(lockFile, { force: true });
}

/** Fast shutdown, and by force after ten seconds. Returns when the process is gone. */
export async function stopServer(pid: number, isRunning: () => boolean | Promise<boolean>): Promise<void> {
  const killAt = performance.now() + FAST_SHUTDOWN_MS;
  signal(pid, 'SIGINT');
  while (await isRunning()) {
    if (performance.now() > killAt) signal(pid, 'SIGKILL');
    await delay(10);
  }
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if (codeOf(error) !== 'ESRCH') throw error;
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return codeOf(error) !== 'ESRCH';
  }
}

/** Whether a process is a server of this cluster: its working directory, or where there is no /proc its command line, says so. */
async function worksIn(pid: number, cluster: string): Promise<boolean> {
  if (process.platform === 'linux') return (await workingDirectory(String(pid))) === cluster;
  return promisify(execFile)('ps', ['-o', 'command=', '-p', String(pid)]).then(
    ({ stdout }) => stdout.includes('postgres') && stdout.includes(cluster),
    () => false,
  );
}

/** Whether it is certain that no backend of a dead server still has the cluster open. */
async function nobodyWorksIn(cluster: string): Promise<boolean> {
  if (process.platform !== 'linux') return false;
  const processes = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const directories = await Promise.all(processes.map(workingDirectory));
  return !directories.includes(cluster);
}

/** Null for a process that is gone, dead but not reaped, or not ours to look at. */
async function workingDirectory(pid: string): Promise<string | null> {
  try {
    return await readlink(`/proc/${pid}/cwd`);
  } catch (error) {
    if (['ENOENT', 'ESRCH', 'EACCES', 'EPERM'].includes(codeOf(error))) return null;
    throw error;
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
