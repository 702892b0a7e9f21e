import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isRunning, stop } from '../../../infra/engines/engineProcess.ts';
import { engineFiles, readState, writeState } from '../../../infra/engines/state.ts';
import { testProcess } from '../../support/childProcess.ts';
import { describeWith } from '../../support/engines.ts';

const MAIN = fileURLToPath(new URL('../../../infra/engines/main.ts', import.meta.url));
let dataDir: string;

beforeAll(async () => {
  dataDir = await mkdtemp(path.join(tmpdir(), 'tallystick-engines-command-'));
});
afterAll(async () => {
  await engines('down');
  await rm(dataDir, { recursive: true, force: true });
});

/** Runs the command; resolves with what it says and its exit code, whatever that is. */
async function engines(command: string, environment: NodeJS.ProcessEnv = {}) {
  const env = { ...process.env, DATA_DIR: dataDir, ...environment };
  const running = promisify(execFile)(process.execPath, [MAIN, command], { env });
  const { stdout, stderr } = await running.catch((error: unknown) => error as { stdout: string; stderr: string });
  return { stdout, stderr, code: running.child.exitCode };
}

describeWith('redis', 'The command for engines', () => {
  it('starts, finds, checks and stops a Postgres and a Redis, and says what keeps it from a Kafka', async () => {
    const up = await engines('up', { JAVA_HOME: '/nowhere', CI: '' });
    expect(up.code).toBe(1);
    expect(up.stderr).toContain('kafka is missing: it needs Java 17');
    const state = await readState(dataDir);
    expect(Object.keys(state)).toEqual(['postgres', 'redis']);

    const again = await engines('up', { JAVA_HOME: '/nowhere', CI: '' });
    expect(again.stdout.match(/runs already/g)).toHaveLength(2);
    expect(await readState(dataDir)).toEqual(state);

    const status = await engines('status');
    expect(status.code).toBe(1);
    expect(status.stdout).toMatch(/^postgres +18\.\S+ +postgres:\/\/\S+ +answers$/m);
    expect(status.stdout).toMatch(/^redis +\S+ +redis:\/\/\S+ +answers$/m);
    expect(status.stdout).toMatch(/^kafka +is not up$/m);

    const down = await engines('down');
    expect(down.code).toBe(0);
    for (const engine of Object.values(state)) expect(await isRunning(engine)).toBe(false);
    expect(existsSync(engineFiles(dataDir).root)).toBe(false);
  });

  it('says what it wants to be told', async () => {
    expect(await engines('sideways')).toMatchObject({ code: 2, stderr: 'usage: npm run engines up|status|down\n' });
  });

  it('stops nobody who has got the pid of an engine', async () => {
    const bystander = testProcess('../engines/engines/bystander.ts');
    expect(await bystander.line()).toBe('here');
    const redis = { address: 'redis://127.0.0.1:1', version: '7', pid: bystander.pid, startTime: '1' };
    await writeState(dataDir, { redis });
    expect((await engines('status')).stdout).toMatch(/^redis .* has ended$/m);
    expect((await engines('down')).code).toBe(0);
    expect(bystander.child.exitCode).toBeNull();
    await bystander.kill();
  });
});

describe('A process', () => {
  it('counts as running until it has ended, and never again', async () => {
    await stop({ pid: process.pid, startTime: 'of somebody else' });
    expect(await isRunning({ pid: process.pid, startTime: 'of somebody else' })).toBe(false);
  });
});
