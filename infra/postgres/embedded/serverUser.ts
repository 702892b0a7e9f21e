import { execFile } from 'node:child_process';
import { chmod, mkdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { promisify } from 'node:util';
import { isMissing, type EmbeddedFiles } from './files.ts';

interface Ids {
  readonly uid: number;
  readonly gid: number;
}

/** The user that the server runs as. */
export interface ServerUser {
  /** Who must own the cluster's files; null when it is the user that we are. */
  readonly owner: Ids | null;
  /** How to spawn a program as that user. */
  launch(program: string, args: readonly string[]): Launch;
}

export interface Launch {
  readonly program: string;
  readonly args: readonly string[];
  /** Spawn options. */
  readonly ids: Partial<Ids>;
}

/**
 * Postgres refuses to run as root. Under root it runs as the owner of the existing cluster, or as `postgres` or
 * `nobody`, and the data directory is made traversable for it. When a directory above is closed to that user, as
 * `/root` often is, the server gets the one capability of passing closed directories instead of our opening them.
 */
export async function serverUser(files: EmbeddedFiles, program: string): Promise<ServerUser> {
  await mkdir(files.root, { recursive: true, mode: 0o700 });
  if (process.getuid?.() !== 0) return { owner: null, launch: (program, args) => ({ program, args, ids: {} }) };
  const owner = (await ownerOf(files.cluster)) ?? (await idsOf('postgres')) ?? (await idsOf('nobody'));
  if (!owner)
    throw new Error('Postgres does not run as root, and there is no user `postgres` or `nobody` to run it as');
  await openToTraverse(files.root);
  const closed = (await closedAncestor(files.root, owner)) ?? (await closedAncestor(program, owner));
  if (closed === null) return { owner, launch: (program, args) => ({ program, args, ids: owner }) };
  const prefix = await traversingCommand(closed, owner, await mayExecute(program, owner));
  return { owner, launch: (program, args) => ({ program: 'setpriv', args: [...prefix, program, ...args], ids: {} }) };
}

async function ownerOf(directory: string): Promise<Ids | null> {
  try {
    const { uid, gid } = await stat(directory);
    return uid === 0 ? null : { uid, gid };
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

async function idsOf(name: string): Promise<Ids | null> {
  const id = async (flag: string) => Number((await promisify(execFile)('id', [flag, name])).stdout);
  return Promise.all([id('-u'), id('-g')]).then(
    ([uid, gid]) => ({ uid, gid }),
    () => null,
  );
}

async function openToTraverse(directory: string): Promise<void> {
  const { mode } = await stat(directory);
  await chmod(directory, (mode & 0o7777) | 0o011);
}

/** The outermost directory above `file` that the user may not pass, null when there is none. */
async function closedAncestor(file: string, user: Ids): Promise<string | null> {
  const above = path.dirname(file);
  if (above === file) return null;
  return (await closedAncestor(above, user)) ?? ((await mayExecute(above, user)) ? null : above);
}

/** For a directory: may pass. */
async function mayExecute(file: string, user: Ids): Promise<boolean> {
  const { mode, uid, gid } = await stat(file);
  const needed = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001;
  return (mode & needed) !== 0;
}

/** Linux capabilities, the lesser one first: to pass and read, and to do anything with files. */
const READ_SEARCH = { name: 'dac_read_search', bit: 2n };
const OVERRIDE = { name: 'dac_override', bit: 1n };

async function traversingCommand(closed: string, user: Ids, mayRun: boolean): Promise<readonly string[]> {
  const owned = await effectiveCapabilities();
  const capability = (mayRun ? [READ_SEARCH, OVERRIDE] : [OVERRIDE]).find(({ bit }) => (owned >> bit) & 1n);
  const setpriv = await promisify(execFile)('setpriv', ['--version']).then(
    () => true,
    () => false,
  );
  if (!capability || !setpriv) {
    throw new Error(
      `Postgres does not run as root, and the user that it would run as (${String(user.uid)}) may not pass ${closed}: ` +
        `choose another DATA_DIR, run as an ordinary user, or allow it with: chmod o+x ${closed}`,
    );
  }
  const ids = ['--reuid', String(user.uid), '--regid', String(user.gid), '--clear-groups'];
  return [...ids, '--inh-caps', `+${capability.name}`, '--ambient-caps', `+${capability.name}`];
}

async function effectiveCapabilities(): Promise<bigint> {
  if (process.platform !== 'linux') return 0n;
  const mask = /^CapEff:\s*([0-9a-f]+)$/m.exec(await readFile('/proc/self/status', 'utf8'))?.[1];
  return mask === undefined ? 0n : BigInt(`0x${mask}`);
}
