import { createHash } from 'node:crypto';
import { mkdir, open, realpath, rm, stat } from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';

/** What a running instance tells about itself. */
const instanceInfo = z.object({ pid: z.int(), baseUrl: z.string().nullable() });
export type InstanceInfo = z.infer<typeof instanceInfo>;

/** Another instance runs on the same data directory. */
export class InstanceRunning extends Error {
  override readonly name = 'InstanceRunning';
}

/** A running instance answers at once unless it is stopped or swamped. */
const ANSWER_MS = 1_000;
/** A socket's path fits 104 to 108 bytes. */
const MAX_PATH_BYTES = 100;
/** Removing a dead socket takes as long as asking it, a second at most. */
const STALE_GUARD_MS = 10_000;
const GUARD_PAUSE_MS = 20;

/**
 * Makes this process the only one on a data directory, until the result is called or the process dies. The lock is a
 * listening socket, so it cannot outlive its owner; `describe` is asked whenever somebody wants to know who that is.
 * Throws InstanceRunning, naming the other process.
 */
export async function acquireInstanceLock(dataDir: string, describe: () => InstanceInfo): Promise<() => Promise<void>> {
  await mkdir(dataDir, { recursive: true, mode: 0o700 });
  const socketPath = await socketOf(dataDir);
  for (;;) {
    const server = await listen(socketPath, describe);
    if (server) return () => closed(server);
    const running = await ask(socketPath);
    if (running) throw new InstanceRunning(message(dataDir, running));
    await removeDeadSocket(socketPath);
  }
}

/** The instance that runs on a data directory, null when there is none. Throws InstanceRunning when it runs and does not answer. */
export async function readInstance(dataDir: string): Promise<InstanceInfo | null> {
  const socketPath = await socketOf(dataDir);
  const running = await ask(socketPath);
  if (running === 'silent') throw new InstanceRunning(message(dataDir, running));
  return running;
}

function message(dataDir: string, running: InstanceInfo | 'silent'): string {
  const who = running === 'silent' ? 'a process that does not answer' : `process ${String(running.pid)}`;
  return `another instance (${who}) is running on ${path.resolve(dataDir)}: stop it, or choose another DATA_DIR`;
}

/** Inside the directory, or under a derived name in the temporary directory when that path would be too long. */
async function socketOf(dataDir: string): Promise<string> {
  const directory = await realpath(dataDir).catch(() => path.resolve(dataDir));
  const inside = path.join(directory, 'instance.sock');
  if (Buffer.byteLength(inside) <= MAX_PATH_BYTES) return inside;
  const name = createHash('sha256').update(directory).digest('hex').slice(0, 16);
  return path.join(tmpdir(), `tallystick-${name}.sock`);
}

/** The listening server, null when something is in the way. */
function listen(socketPath: string, describe: () => InstanceInfo): Promise<Server | null> {
  const server = createServer((socket) => {
    // Who hangs up before the answer has no use for it.
    socket.on('error', () => socket.destroy());
    socket.end(JSON.stringify(describe()));
  });
  // Holding the lock is no reason for the process to live.
  server.unref();
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(null);
      else reject(error);
    });
    server.listen(socketPath, () => {
      resolve(server);
    });
  });
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => {
      resolve();
    });
  });
}

/** No socket, one whose owner is dead, or one whose owner died before it answered. */
const NOBODY = new Set(['ENOENT', 'ECONNREFUSED', 'ECONNRESET']);

/** Null when nobody listens. */
function ask(socketPath: string): Promise<InstanceInfo | 'silent' | null> {
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(socketPath);
    socket.setTimeout(ANSWER_MS, () => {
      resolve('silent');
      socket.destroy();
    });
    socket.setEncoding('utf8');
    socket.on('data', (text: string) => {
      answer += text;
    });
    socket.on('end', () => {
      resolve(parse(answer));
    });
    socket.on('error', (error: NodeJS.ErrnoException) => {
      if (NOBODY.has(error.code ?? '')) resolve(null);
      else reject(error);
    });
  });
}

function parse(answer: string): InstanceInfo | 'silent' {
  try {
    return instanceInfo.parse(JSON.parse(answer));
  } catch {
    return 'silent';
  }
}

/**
 * Removes a socket whose owner is dead. One process at a time does it, and looks again before: otherwise a slow one would
 * remove the socket of whoever was faster. Where another one is at it, this waits a moment; the caller tries again.
 */
async function removeDeadSocket(socketPath: string): Promise<void> {
  const guard = `${socketPath}.guard`;
  if (!(await created(guard))) {
    await removeStale(guard);
    await delay(GUARD_PAUSE_MS);
    return;
  }
  try {
    if (!(await ask(socketPath))) await rm(socketPath, { force: true });
  } finally {
    await rm(guard, { force: true });
  }
}

async function created(file: string): Promise<boolean> {
  try {
    await (await open(file, 'wx', 0o600)).close();
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

/** A guard is there for moments, unless its process was killed in one of them. */
async function removeStale(guard: string): Promise<void> {
  const found = await stat(guard).catch(() => null);
  if (found && Date.now() - found.mtimeMs > STALE_GUARD_MS) await rm(guard, { force: true });
}
