import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { access, chown, mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { promisify } from 'node:util';
import type { Binaries } from './binaries.ts';
import { isMissing, readIfThere, SUPERUSER, writePrivately, type EmbeddedFiles } from './files.ts';
import type { ServerUser } from './serverUser.ts';

/**
 * Makes sure that the data directory holds a complete cluster, and returns its superuser's password. `initdb` works on
 * a directory of its own, which gets its name when complete, so a crash in the middle leaves nothing half made.
 */
export async function ensureCluster(files: EmbeddedFiles, binaries: Binaries, user: ServerUser): Promise<string> {
  const password = await readIfThere(files.password);
  if (await exists(files.cluster)) {
    if (password === null) throw new Error(`${files.cluster} exists, but its password file ${files.password} is gone`);
    return password;
  }
  const chosen = password ?? randomBytes(24).toString('base64url');
  await writePrivately(files.password, chosen);
  await rm(files.unfinished, { recursive: true, force: true });
  await initialise(files, binaries, user, chosen);
  await rename(files.unfinished, files.cluster);
  return chosen;
}

async function initialise(files: EmbeddedFiles, binaries: Binaries, user: ServerUser, password: string): Promise<void> {
  await mkdir(files.unfinished, { mode: 0o700 });
  await writeFile(files.initialPassword, `${password}\n`, { mode: 0o600 });
  if (user.owner) {
    await chown(files.unfinished, user.owner.uid, user.owner.gid);
    await chown(files.initialPassword, user.owner.uid, user.owner.gid);
  }
  const { program, args, ids } = user.launch(binaries.initdb, [
    `--pgdata=${files.unfinished}`,
    `--username=${SUPERUSER}`,
    `--pwfile=${files.initialPassword}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    // Text sorts by code point, the same on every machine, and quickly.
    '--locale=C',
    '--locale-provider=builtin',
    '--builtin-locale=C.UTF-8',
  ]);
  try {
    await promisify(execFile)(program, args, { ...ids, cwd: files.root, env: serverEnvironment() });
  } catch (cause) {
    throw new Error(`initdb failed in ${files.root}`, { cause });
  } finally {
    await rm(files.initialPassword, { force: true });
  }
}

/** For glibc: without them a backend gives the memory of each statement back and asks for it again, a tenth of its CPU. Bytes. */
const KEPT_MEMORY = { MALLOC_TOP_PAD_: '1048576', MALLOC_TRIM_THRESHOLD_: '16777216' };

/** The server sees no variable of ours: neither our secrets nor PG* settings that would change it. */
export function serverEnvironment(): NodeJS.ProcessEnv {
  return { PATH: process.env['PATH'], LC_ALL: 'C', TZ: 'UTC', ...KEPT_MEMORY };
}

/** The port kept from the last start when it is still free, otherwise a free one that is kept from now on. */
export async function choosePort(files: EmbeddedFiles): Promise<number> {
  const kept = Number((await readIfThere(files.port)) ?? 0);
  const port = (kept > 0 ? await freePort(kept) : null) ?? (await freePort(0));
  if (port === null) throw new Error('no free loopback port for Postgres');
  if (port !== kept) await writePrivately(files.port, String(port));
  return port;
}

/** The port itself (or any, when 0) if it can be listened on at loopback, otherwise null. */
function freePort(port: number): Promise<number | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => {
      resolve(null);
    });
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => {
      const address = server.address();
      server.close(() => {
        resolve(typeof address === 'object' ? (address?.port ?? null) : null);
      });
    });
  });
}

async function exists(file: string): Promise<boolean> {
  try {
    await access(file);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}
