import { once } from 'node:events';
import { writeFile, readdir, rm } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { testDatabase, type TestDatabase } from '../../support/postgres.ts';
import { failToStart, freshDirectory, startServiceProcess } from '../../support/serviceProcess.ts';

let directory: string;
let database: TestDatabase;

beforeAll(async () => {
  [directory, database] = await Promise.all([freshDirectory(), testDatabase()]);
});
afterAll(async () => {
  await database.close();
  await rm(directory, { recursive: true, force: true });
});

/** A port of loopback that is free now. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}

describe('a bad configuration', () => {
  it('is told with all its problems at once, and nothing is begun', async () => {
    const dataDir = path.join(directory, 'never-made');
    const { exitCode, output } = await failToStart({
      DATA_DIR: dataDir,
      PORT: '99999',
      LOG_LEVEL: 'loud',
      DATABASE_URL: 'mysql://localhost/x',
      MASTER_KEY: 'not hex',
      JWT_SECRET: 'short',
      MAX_BODY_BYTES: '1e99',
      MAX_IN_FLIGHT: 'many',
      OWNER_LEASE_MS: '10',
      HOLD_TIMEOUT_MS: '2000',
      CALL_TOTAL_MS: '1000',
      BILLING_ZONE: 'Mars/Olympus_Mons',
    });
    expect(exitCode).toBe(2);
    const [headline, ...problems] = output.trim().split('\n');
    expect(headline).toBe('The configuration is not valid:');
    expect(problems.map((problem) => /^ {2}- ([A-Z_]+): ./.exec(problem)?.[1]).sort()).toEqual(
      [
        'PORT',
        'LOG_LEVEL',
        'DATABASE_URL',
        'MASTER_KEY',
        'JWT_SECRET',
        'MAX_BODY_BYTES',
        'MAX_IN_FLIGHT',
        'OWNER_LEASE_MS',
        'HOLD_TIMEOUT_MS',
        'BILLING_ZONE',
      ].sort(),
    );
    expect(output).not.toContain('short');
    expect(output).not.toContain('not hex');
    expect(await readdir(directory)).not.toContain('never-made');
  });

  it('of channels is told with all its problems at once, each with its place in the file', async () => {
    const file = path.join(directory, 'channels.yaml');
    await writeFile(
      file,
      `channels:
  - { name: Bad Name, baseUrl: 'ftp://x', models: [] }
  - { name: ok, baseUrl: 'http://127.0.0.1:1/v1', apiKeyEnv: NOT_SET, models: ['gpt-4o'], colour: red }
`,
    );
    const { exitCode, output } = await failToStart({
      DATA_DIR: path.join(directory, 'channels'),
      DATABASE_URL: database.url,
      CHANNELS_FILE: file,
    });
    expect(exitCode).toBe(2);
    for (const problem of ['channels.0.name', 'channels.0.baseUrl', 'channels.0.models', 'channels.1']) {
      expect(output).toContain(`  - ${problem}`);
    }
  });

  it.each([
    ['CHANNELS_FILE', 'CHANNELS_FILE: '],
    ['PRICE_FILE', 'cannot read the price book'],
  ])('that names a %s which is not there says so', async (variable, words) => {
    const empty = await testDatabase();
    const { exitCode, output } = await failToStart({
      DATA_DIR: path.join(directory, variable),
      DATABASE_URL: empty.url,
      [variable]: path.join(directory, 'nowhere.yaml'),
    });
    await empty.close();
    expect(output).toContain(words);
    expect(output).toContain('nowhere.yaml');
    expect(output).not.toMatch(/\n\s+at /);
    expect(exitCode).toBe(2);
  });
});

describe('a first price book that is none', () => {
  it('is told with all its problems at once', async () => {
    const empty = await testDatabase();
    const file = path.join(directory, 'prices.yaml');
    await writeFile(
      file,
      `effectiveFrom: yesterday
models:
  - { model: a, currency: XXX, perMillion: '1' }
  - { model: b, currency: USD, perMillion: 0.1 }
`,
    );
    const { exitCode, output } = await failToStart({
      DATA_DIR: path.join(directory, 'prices'),
      DATABASE_URL: empty.url,
      PRICE_FILE: file,
    });
    await empty.close();
    expect(exitCode).toBe(2);
    expect(output.match(/^ {2}- PRICE_FILE: /gm)?.length).toBeGreaterThanOrEqual(3);
  });
});

describe('a port that somebody else has', () => {
  it('is told as such, with what to do', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const { exitCode, output } = await failToStart({
      DATA_DIR: path.join(directory, 'taken'),
      DATABASE_URL: database.url,
      PORT: String(port),
    });
    other.close();
    expect(exitCode).toBe(1);
    expect(output).toContain(`127.0.0.1:${String(port)} is in use: choose another PORT`);
  });
});

describe('PORT, HOST and DATA_DIR', () => {
  it('are where the service is then found', async () => {
    const port = await freePort();
    const dataDir = path.join(directory, 'honoured');
    // On Linux all of 127.0.0.0/8 is loopback; elsewhere the name must do.
    const host = process.platform === 'linux' ? '127.0.0.2' : 'localhost';
    const service = await startServiceProcess({
      PORT: String(port),
      HOST: host,
      DATA_DIR: dataDir,
      DATABASE_URL: database.url,
    });
    try {
      expect(service.baseUrl).toBe(`http://${host}:${String(port)}`);
      expect(service.firstRun.baseUrl).toBe(service.baseUrl);
      expect((await fetch(`${service.baseUrl}/livez`)).status).toBe(200);
      if (process.platform === 'linux') await expect(fetch(`http://127.0.0.1:${String(port)}/livez`)).rejects.toThrow();
      const files = await readdir(dataDir);
      expect(files).toEqual(expect.arrayContaining(['first-run.json', 'secrets.json', 'journal']));
      expect(files).not.toContain('postgres');
    } finally {
      await service.stop();
    }
  });
});
