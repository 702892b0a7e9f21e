import { existsSync } from 'node:fs';
import { chmod, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { testDatabase } from '../../support/postgres.ts';
import { failToStart, freshDirectory, startServiceProcess } from '../../support/serviceProcess.ts';
import { CommandLine } from './commandLine.ts';

let dataDir: string;
let tallystick: CommandLine;

beforeAll(async () => {
  dataDir = await freshDirectory();
  const service = await startServiceProcess({ DATA_DIR: dataDir });
  const second = await failToStart({ DATA_DIR: dataDir });
  expect(second.exitCode).toBe(1);
  expect(second.output).toContain(
    `another instance (process ${String(service.pid)}) is running on ${dataDir}: stop it, or choose another DATA_DIR`,
  );
  expect(await service.stop()).toBe(0);
  tallystick = new CommandLine({ DATA_DIR: dataDir });
});
afterAll(() => rm(dataDir, { recursive: true, force: true }));

describe('the command line alone', () => {
  it('starts the database for its own duration, and leaves nothing running', async () => {
    const issued = await tallystick.json<{ secret: string }>(['keys', 'issue', '--name', 'Offline', '--mode', 'test']);
    expect(issued.secret).toMatch(/^tly_test_/);
    const { keys } = await tallystick.json<{ keys: { name: string }[] }>(['keys', 'list']);
    expect(keys.map(({ name }) => name)).toEqual(['Offline', 'First test key']);
    expect(existsSync(path.join(dataDir, 'postgres', 'postmaster.pid'))).toBe(false);
  });

  it.each([
    'accounts list',
    'usage',
    'requests',
    'invoice list',
    'audit verify',
    'rebuild audit',
    'prices list',
    'doctor',
    'config',
  ])('%s gives one document and no noise', async (line) => {
    const argv = line.split(' ');
    const { code, out, error } = await tallystick.run(...argv, '--json');
    expect({ code, error }).toEqual({ code: 0, error: '' });
    expect(JSON.parse(out)).toBeTypeOf('object');
    const text = await tallystick.run(...argv);
    expect({ code: text.code, error: text.error }).toEqual({ code: 0, error: '' });
  });

  it('closes a period in which nothing was used without an invoice', async () => {
    const { accounts } = await tallystick.json<{ accounts: { accountId: string }[] }>(['accounts', '--mode', 'live']);
    const account = accounts[0]?.accountId ?? '';
    const period = new Date().toISOString().slice(0, 7);
    const close = ['invoice', 'close', '--account', account, '--period', period, '--early'];
    expect(await tallystick.json(close)).toMatchObject({ accountId: account, period, invoices: [] });
  });

  it('waits for its turn when several commands run at once', async () => {
    const commands = [['keys', 'list'], ['accounts'], ['audit', 'verify'], ['prices', 'list']];
    const ended = await Promise.all(commands.map((argv) => tallystick.run(...argv, '--json')));
    expect(ended.map(({ code, error }) => ({ code, error }))).toEqual(commands.map(() => ({ code: 0, error: '' })));
  });

  it('tells by its doctor of secrets that others may read, and of what lies in quarantine', async () => {
    const failedChecks = async (code: number) => {
      const report = await tallystick.json<{ checks: { name: string; status: string; detail: string }[] }>(
        ['doctor', '--no-call'],
        code,
      );
      return report.checks.filter(({ status }) => status === 'failed');
    };
    expect(await failedChecks(0)).toEqual([]);
    const secrets = path.join(dataDir, 'secrets.json');
    const quarantined = path.join(dataDir, 'journal', 'quarantine', 'lost.json');
    await chmod(secrets, 0o644);
    await writeFile(quarantined, '{}');
    expect(await failedChecks(1)).toEqual([
      {
        name: 'data directory',
        status: 'failed',
        detail: 'Others may read or write what holds secrets: secrets.json has mode 0644.',
        problems: [],
      },
      {
        name: 'journal',
        status: 'failed',
        detail: '0 settlements wait, 1 in quarantine, 0 damaged lines: somebody must look.',
        problems: [],
      },
    ]);
    await chmod(secrets, 0o600);
    await rm(quarantined);
    expect(await failedChecks(0)).toEqual([]);
  });

  it('works for a service that starts afterwards', async () => {
    const { secret } = await tallystick.json<{ secret: string }>([
      'keys',
      'issue',
      '--name',
      'Before',
      '--mode',
      'test',
    ]);
    const service = await startServiceProcess({ DATA_DIR: dataDir });
    const answer = await fetch(`${service.baseUrl}/v1/models`, { headers: { authorization: `Bearer ${secret}` } });
    expect(answer.status).toBe(200);
    expect(await service.stop()).toBe(0);
  });
});

describe('the command line on a PostgreSQL of its operator', () => {
  it('needs no embedded one, and brings it up to date', async () => {
    const database = await testDatabase();
    try {
      const served = new CommandLine({ DATA_DIR: dataDir, DATABASE_URL: database.url });
      expect(await served.json(['prices', 'list'])).toEqual({ inForce: null, books: [] });
      expect(await served.json(['accounts'])).toEqual({ accounts: [] });
      expect(await served.refusal('keys', 'list')).toMatchObject({ code: 4 });
      expect(await served.json(['audit', 'verify'])).toMatchObject({ ok: true, events: 0, heads: [] });
    } finally {
      await database.close();
    }
  });
});

describe('the command line without a database', () => {
  it('makes none, and says how to get one', async () => {
    const nowhere = path.join(dataDir, 'nowhere');
    const lost = new CommandLine({ DATA_DIR: nowhere });
    expect(await lost.refusal('keys', 'list')).toMatchObject({
      code: 4,
      message: `There is no data in ${nowhere}. Run npm start once, or name another DATA_DIR.`,
    });
    const report = await lost.json<{ ok: boolean; checks: { name: string; status: string }[] }>(['doctor']);
    expect(report.checks.filter(({ status }) => status === 'skipped').map(({ name }) => name)).toEqual([
      'migrations',
      'read models',
    ]);
    expect(existsSync(nowhere)).toBe(false);
  });

  it('exits with 69 when it cannot be reached', async () => {
    const away = new CommandLine({ DATA_DIR: dataDir, DATABASE_URL: 'postgres://me:hunter2@127.0.0.1:1/x' });
    const refusal = await away.refusal('keys', 'list');
    expect(refusal).toMatchObject({ code: 69, kind: 'unavailable' });
    expect(refusal.message).toContain('ECONNREFUSED');
    expect(refusal.message).not.toContain('hunter2');
    expect((await away.json<{ ok: boolean }>(['doctor', '--no-call'], 69)).ok).toBe(false);
  });
});
