import { chmod, mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import pg from 'pg';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { StoreUnavailable } from '../../../events/eventStore.ts';
import { deriveId } from '../../../events/ids.ts';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../../../infra/postgres/embedded/embeddedPostgres.ts';
import { embeddedUrl } from '../../../infra/postgres/embedded/files.ts';
import { PostgresEventStore } from '../../../infra/postgres/eventStore.ts';
import { migrate } from '../../../infra/postgres/migrate.ts';
import { testProcess, type TestProcess } from '../../support/childProcess.ts';
import { silentLog } from '../../support/log.ts';

const PROGRAM = 'embeddedPostgresProcess.ts';

/** One query on a connection of its own. */
async function ask<R extends pg.QueryResultRow>(url: string, text: string): Promise<R[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query<R>(text)).rows;
  } finally {
    await client.end();
  }
}

const isAlive = (pid: number) =>
  readFile(`/proc/${String(pid)}/stat`, 'utf8').then(
    (text) => !/\) Z /.test(text),
    () => false,
  );

async function gone(pid: number): Promise<void> {
  await vi.waitFor(
    async () => {
      expect(await isAlive(pid)).toBe(false);
    },
    { timeout: 10_000, interval: 20 },
  );
}

/** The postmaster and all its backends. */
async function family(pid: number): Promise<number[]> {
  const children = await readFile(`/proc/${String(pid)}/task/${String(pid)}/children`, 'utf8');
  return [pid, ...children.split(' ').filter(Boolean).map(Number)];
}

/** A backend may end by itself once its client has. */
function killIfThere(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function append(label: string) {
  const eventId = deriveId('embedded', label);
  return {
    stream: `request-${eventId}`,
    expected: 'no_stream' as const,
    events: [{ eventId, type: 'RequestAccepted', version: 1, data: '{}' }],
  };
}

describe('the embedded Postgres', () => {
  let dataDir: string;
  let running: EmbeddedPostgres[] = [];
  let processes: TestProcess[] = [];
  const start = async (directory = dataDir) => {
    const postgres = await startEmbeddedPostgres({ dataDir: directory, log: silentLog });
    running.push(postgres);
    return postgres;
  };
  const startProcess = async () => {
    const process = testProcess(PROGRAM, dataDir);
    processes.push(process);
    return { process, ...(JSON.parse(await process.line()) as { url: string; pid: number }) };
  };
  beforeEach(async () => {
    dataDir = await mkdtemp(path.join(tmpdir(), 'tallystick-embedded-'));
  });
  afterEach(async () => {
    await Promise.all(processes.map((process) => process.kill()));
    await Promise.all(running.map((postgres) => postgres.stop()));
    running = [];
    processes = [];
    await rm(dataDir, { recursive: true, force: true });
  });

  it('starts on an empty directory, durable and on loopback only, with its secret for its owner only', async () => {
    const postgres = await start();
    const settings = await ask<{ name: string; setting: string }>(
      postgres.url,
      `SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit', 'full_page_writes',
        'listen_addresses', 'unix_socket_directories', 'server_encoding', 'TimeZone') ORDER BY name`,
    );
    expect(Object.fromEntries(settings.map(({ name, setting }) => [name, setting]))).toEqual({
      fsync: 'on',
      synchronous_commit: 'on',
      full_page_writes: 'on',
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      server_encoding: 'UTF8',
      TimeZone: 'UTC',
    });
    expect((await stat(path.join(dataDir, 'postgres.password'))).mode & 0o777).toBe(0o600);
    expect((await stat(path.join(dataDir, 'postgres'))).mode & 0o777).toBe(0o700);
    expect(await embeddedUrl(dataDir)).toBe(postgres.url);
    const wrong = new URL(postgres.url);
    wrong.password = 'wrong';
    await expect(ask(wrong.href, 'SELECT 1')).rejects.toThrow('password authentication failed');
  });

  it('keeps data, port and password from one start to the next', async () => {
    const first = await start();
    await ask(first.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    const { pid } = first;
    await first.stop();
    expect(first.pid).toBeNull();
    expect(await isAlive(pid ?? 0)).toBe(false);
    const second = await start();
    expect(second.url).toBe(first.url);
    expect(await ask(second.url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
  });

  it('takes another port when somebody has taken its own', async () => {
    const first = await start();
    await first.stop();
    const thief = createServer().listen(Number(new URL(first.url).port), '127.0.0.1');
    try {
      const second = await start();
      expect(second.url).not.toBe(first.url);
      expect(await ask(await embeddedUrl(dataDir), 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    } finally {
      thief.close();
    }
  });

  it('starts over when the first initialisation was cut short', async () => {
    await mkdir(path.join(dataDir, 'postgres.unfinished'));
    await writeFile(path.join(dataDir, 'postgres.unfinished', 'PG_VERSION'), '18\n');
    const postgres = await start();
    expect(await ask(postgres.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  });

  it('says so when the password of an existing cluster is gone', async () => {
    await (await start()).stop();
    await rm(path.join(dataDir, 'postgres.password'));
    await expect(start()).rejects.toThrow('its password file');
    await expect(embeddedUrl(dataDir)).rejects.toThrow('there is no embedded Postgres');
  });

  it('works below a directory that only its owner may enter', async () => {
    await chmod(dataDir, 0o700);
    const inside = path.join(dataDir, 'inner', '.tallystick');
    await mkdir(path.dirname(inside), { mode: 0o700 });
    const postgres = await start(inside);
    expect(await ask(postgres.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect((await stat(path.dirname(inside))).mode & 0o777).toBe(0o700);
    await postgres.stop();
  });

  it('is started again, on the same port, when it is killed, and the event store goes on by itself', async () => {
    const postgres = await start();
    await migrate(postgres.url, silentLog);
    const store = await PostgresEventStore.open({ connectionString: postgres.url, log: silentLog, timeoutMs: 2_000 });
    const abort = new AbortController();
    const seen: bigint[] = [];
    const following = (async () => {
      for await (const page of store.subscribe({ after: 0n, limit: 10, signal: abort.signal })) {
        seen.push(...page.events.map((event) => event.position));
      }
    })();
    await store.append(append('before'));
    const pid = postgres.pid ?? expect.unreachable();
    process.kill(pid, 'SIGKILL');
    await vi.waitFor(
      async () => {
        expect(postgres.pid).not.toBe(pid);
        expect(['appended', 'repeated']).toContain((await store.append(append('after'))).outcome);
      },
      { timeout: 20_000, interval: 50 },
    );
    expect(await store.append(append('before'))).toEqual({ outcome: 'repeated', revision: 0n, position: 1n });
    await vi.waitFor(() => {
      expect(seen).toEqual([1n, 2n]);
    });
    abort.abort();
    await following;
    await store.close();
  });

  it('does not hang the event store when it is frozen', async () => {
    const postgres = await start();
    await migrate(postgres.url, silentLog);
    const store = await PostgresEventStore.open({ connectionString: postgres.url, log: silentLog, timeoutMs: 300 });
    await store.append(append('a'));
    await store.head();
    const frozen = await family(postgres.pid ?? expect.unreachable());
    for (const pid of frozen) process.kill(pid, 'SIGSTOP');
    try {
      const before = performance.now();
      await expect(store.append(append('b'))).rejects.toThrow(StoreUnavailable);
      await expect(store.append(append('c'))).rejects.toThrow(StoreUnavailable);
      await expect(store.head()).rejects.toThrow(StoreUnavailable);
      await expect(store.head()).rejects.toThrow(StoreUnavailable);
      expect(performance.now() - before).toBeLessThan(4_000);
    } finally {
      for (const pid of frozen) process.kill(pid, 'SIGCONT');
    }
    await vi.waitFor(async () => {
      expect(['appended', 'repeated']).toContain((await store.append(append('b'))).outcome);
      expect(['appended', 'repeated']).toContain((await store.append(append('c'))).outcome);
    });
    expect(await store.head()).toBe(3n);
    await store.close();
  });

  it('starts after its process was killed and the server lives on', async () => {
    const orphaned = await startProcess();
    await ask(orphaned.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    await orphaned.process.kill();
    expect(await isAlive(orphaned.pid)).toBe(true);
    const postgres = await start();
    expect(await isAlive(orphaned.pid)).toBe(false);
    expect(postgres.pid).not.toBe(orphaned.pid);
    expect(postgres.url).toBe(orphaned.url);
    expect(await ask(postgres.url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
  });

  it('starts after everything was killed', async () => {
    const killed = await startProcess();
    await ask(killed.url, 'CREATE TABLE kept AS SELECT 42 AS answer');
    const pids = await family(killed.pid);
    await killed.process.kill();
    for (const pid of pids) killIfThere(pid);
    const postgres = await start();
    expect(await ask(postgres.url, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
  });

  it('starts when another program has the process id of the dead server', async () => {
    await (await start()).stop();
    const lockFile = path.join(dataDir, 'postgres', 'postmaster.pid');
    await writeFile(lockFile, `${String(process.ppid)}\n${path.join(dataDir, 'postgres')}\n1\n5432\n\n127.0.0.1\n`);
    const postgres = await start();
    expect(await ask(postgres.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    expect(await isAlive(process.ppid)).toBe(true);
  });

  it('outlives an interrupt from the terminal, and ends when its process crashes', async () => {
    const { process: owner, url, pid } = await startProcess();
    process.kill(-owner.pid, 'SIGINT');
    expect(await owner.line()).toBe('interrupted');
    expect(await ask(url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    owner.child.kill('SIGUSR2');
    await owner.exited;
    await gone(pid);
  });
});
