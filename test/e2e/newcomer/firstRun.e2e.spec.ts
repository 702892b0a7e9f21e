import { readdir, readFile, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { FirstRun } from '../../../services/wiring/firstRun.ts';
import { Developer } from '../../support/developer.ts';
import { freshDirectory } from '../../support/serviceProcess.ts';
import { npmStart, shell, type NpmStart } from './npmStart.ts';

let dataDir: string;
let running: NpmStart;
let curlLine: string;

beforeAll(async () => {
  // A directory that does not exist yet, below one that does.
  dataDir = path.join(await freshDirectory(), 'fresh');
  await start();
});
afterAll(async () => {
  await running.interrupt();
  await rm(path.dirname(dataDir), { recursive: true, force: true });
});

async function start(): Promise<void> {
  running = npmStart({ DATA_DIR: dataDir, PORT: '0' });
  const line = await running.curlLine;
  if (line === null) throw new Error(`it did not start:\n${running.output()}`);
  curlLine = line;
}

async function firstRun(): Promise<FirstRun> {
  return JSON.parse(await readFile(path.join(dataDir, 'first-run.json'), 'utf8')) as FirstRun;
}

/** Afterwards nothing runs and nothing is left half-written. */
async function expectGoodEnd(how: 'interrupt' | 'terminate'): Promise<void> {
  const { baseUrl } = await firstRun();
  await running[how]();
  expect(running.output()).toContain('"msg":"stopping"');
  expect(running.output()).not.toContain('failed');
  await expect(fetch(`${baseUrl}/livez`)).rejects.toThrow();
  const files = [...(await readdir(dataDir)), ...(await readdir(path.join(dataDir, 'postgres')))];
  expect(files.filter((name) => /draft|unfinished|initial|\.sock|postmaster\.pid/.test(name))).toEqual([]);
}

/** The tokens of this month, as the management API shows them to the newcomer. */
async function tokensUsed(): Promise<unknown> {
  const { baseUrl, email, password } = await firstRun();
  const developer = await Developer.signIn(baseUrl, email, password);
  const { body } = await developer.call('GET', '/keys/quota?mode=test');
  return body.data['monthly_used'];
}

describe('the first `npm start`', () => {
  it('prints the address and a line to copy', async () => {
    const { baseUrl, testKey } = await firstRun();
    expect(running.output()).toContain(`Tallystick is at ${baseUrl}.`);
    expect(curlLine).toContain(`${baseUrl}/v1/chat/completions`);
    expect(curlLine).toContain(testKey);
  });

  it('prints a line that a shell can run exactly as it stands', async () => {
    const answer = JSON.parse(await shell(curlLine)) as unknown;
    expect(answer).toMatchObject({
      object: 'chat.completion',
      model: 'tallystick-sim',
      choices: [{ message: { role: 'assistant', content: 'This is a simulated answer. You said: Hello!' } }],
      usage: { cost: expect.any(Number) as unknown, cost_currency: 'USD' },
    });
  });

  it('writes the documented fields, for its owner’s eyes only', async () => {
    const contents = await firstRun();
    expect(Object.keys(contents).sort()).toEqual(['baseUrl', 'email', 'password', 'testKey']);
    expect(contents.testKey).toMatch(/^tly_test_[0-9A-Za-z]{38}$/);
    expect(contents.password.length).toBeGreaterThanOrEqual(20);
    for (const name of ['first-run.json', 'secrets.json', 'postgres.password']) {
      expect(((await stat(path.join(dataDir, name))).mode & 0o777).toString(8)).toBe('600');
    }
  });

  it('lets the newcomer sign in, see the key, and issue another', async () => {
    const { baseUrl, email, password, testKey } = await firstRun();
    const developer = await Developer.signIn(baseUrl, email, password);
    const { body } = await developer.call<{ name: string; last4: string; mode: string }[]>('GET', '/keys/keys');
    expect(body.data).toMatchObject([{ name: 'First test key', mode: 'test', last4: testKey.slice(-4) }]);
    expect((await developer.issueKey({ mode: 'live' })).key).toMatch(/^tly_live_/);
  });

  it('is alive, ready and measurable', async () => {
    const { baseUrl } = await firstRun();
    expect(await (await fetch(`${baseUrl}/livez`)).json()).toEqual({ status: 'alive' });
    expect(await (await fetch(`${baseUrl}/readyz`)).json()).toEqual({ ready: true, problems: [] });
    expect(await (await fetch(`${baseUrl}/metrics`)).text()).toContain('relay_requests_total');
  });

  it('is refused a second instance on the same directory, in words that say what to do', async () => {
    const second = npmStart({ DATA_DIR: dataDir, PORT: '0' });
    expect(await second.curlLine).toBeNull();
    expect(await second.exitCode).toBe(1);
    expect(second.output()).toMatch(
      /another instance \(process \d+\) is running on .+fresh: stop it, or choose another DATA_DIR/,
    );
    expect(second.output()).not.toMatch(/\n\s+at /);
    expect((await fetch(`${(await firstRun()).baseUrl}/readyz`)).status).toBe(200);
  });
});

describe('the second `npm start`', () => {
  let before: FirstRun;
  let usedBefore: number;

  beforeAll(async () => {
    before = await firstRun();
    const { usage } = JSON.parse(await shell(curlLine)) as { usage: { total_tokens: number } };
    // The same line has run once before.
    usedBefore = 2 * usage.total_tokens;
    await vi.waitFor(async () => expect(await tokensUsed()).toBe(usedBefore));
    await expectGoodEnd('interrupt');
    await start();
  });

  it('keeps key, user and password, and tells the address of now', async () => {
    const { baseUrl, ...kept } = await firstRun();
    const { baseUrl: addressBefore, ...keptBefore } = before;
    expect(kept).toEqual(keptBefore);
    expect(baseUrl).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(running.output()).toContain(`Tallystick is at ${baseUrl}.`);
    expect(addressBefore).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  });

  it('keeps the books, and goes on with them', async () => {
    expect(await tokensUsed()).toBe(usedBefore);
    const answer = JSON.parse(await shell(curlLine)) as { usage: { total_tokens: number } };
    await expect.poll(tokensUsed, { timeout: 5_000 }).toBe(usedBefore + answer.usage.total_tokens);
  });

  it('ends in good order when npm alone is told to end', async () => {
    await expectGoodEnd('terminate');
  });
});
