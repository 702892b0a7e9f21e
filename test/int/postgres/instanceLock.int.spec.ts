import { mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { acquireInstanceLock, InstanceRunning, readInstance } from '../../../infra/postgres/embedded/instanceLock.ts';
import { testProcess, type TestProcess } from '../../support/childProcess.ts';

const PROGRAM = 'instanceProcess.ts';
const here = () => ({ pid: process.pid, baseUrl: 'http://127.0.0.1:1' });

describe('the instance lock', () => {
  let dataDir: string;
  const started: TestProcess[] = [];
  const start = () => {
    const process = testProcess(PROGRAM, dataDir);
    started.push(process);
    return process;
  };
  beforeEach(async () => {
    dataDir = await mkdtemp(path.join(tmpdir(), 'tallystick-lock-'));
  });
  afterEach(async () => {
    await Promise.all(started.splice(0).map((process) => process.kill()));
    await rm(dataDir, { recursive: true, force: true });
  });

  it('tells who runs on a directory, and that nobody does', async () => {
    expect(await readInstance(dataDir)).toBeNull();
    expect(await readInstance(path.join(dataDir, 'not-there'))).toBeNull();
    const running = start();
    expect(await running.line()).toBe('locked');
    expect(await readInstance(dataDir)).toEqual({ pid: running.pid, baseUrl: 'http://127.0.0.1:8787' });
  });

  it('refuses a second process, naming the first and the directory', async () => {
    const first = start();
    expect(await first.line()).toBe('locked');
    expect(await start().line()).toBe(
      `another instance (process ${String(first.pid)}) is running on ${dataDir}: stop it, or choose another DATA_DIR`,
    );
    await expect(acquireInstanceLock(dataDir, here)).rejects.toThrow(InstanceRunning);
  });

  it('is free again after release', async () => {
    const release = await acquireInstanceLock(dataDir, here);
    await expect(acquireInstanceLock(dataDir, here)).rejects.toThrow(`process ${String(process.pid)}`);
    await release();
    expect(await readInstance(dataDir)).toBeNull();
    await (
      await acquireInstanceLock(dataDir, here)
    )();
    expect(await readdir(dataDir)).toEqual([]);
  });

  it('is free again when its owner was killed', async () => {
    const owner = start();
    expect(await owner.line()).toBe('locked');
    await owner.kill();
    expect(await readInstance(dataDir)).toBeNull();
    const next = start();
    expect(await next.line()).toBe('locked');
    expect(await readInstance(dataDir)).toMatchObject({ pid: next.pid });
  });

  it('lets one of several that start at once over a dead one win', async () => {
    for (let round = 0; round < 4; round += 1) {
      const owner = start();
      await owner.line();
      await owner.kill();
      const starters = Array.from({ length: 5 }, () => start());
      const lines = await Promise.all(starters.map((starter) => starter.line()));
      expect(lines.filter((line) => line === 'locked').length).toBe(1);
      expect(lines.filter((line) => line.startsWith('another instance')).length).toBe(4);
      for (const starter of starters) await starter.kill();
    }
  });

  it('is not kept from anybody by a process that was killed while it took over', async () => {
    const owner = start();
    await owner.line();
    await owner.kill();
    const guard = path.join(dataDir, 'instance.sock.guard');
    await writeFile(guard, '');
    await utimes(guard, 0, 0);
    const next = start();
    expect(await next.line()).toBe('locked');
  });

  it('says when the other process does not answer', async () => {
    const frozen = start();
    await frozen.line();
    frozen.child.kill('SIGSTOP');
    await expect(readInstance(dataDir)).rejects.toThrow('a process that does not answer');
    await expect(acquireInstanceLock(dataDir, here)).rejects.toThrow('a process that does not answer');
  });

  it('works in a directory whose path is too long for a socket', async () => {
    const deep = path.join(dataDir, 'x'.repeat(120));
    const release = await acquireInstanceLock(deep, here);
    await expect(acquireInstanceLock(deep, here)).rejects.toThrow(InstanceRunning);
    expect(await readInstance(deep)).toEqual(here());
    await release();
    expect(await readInstance(deep)).toBeNull();
  });
});
