import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { Developer } from '../../support/developer.ts';
import { startServiceProcess, type ServiceProcess } from '../../support/serviceProcess.ts';
import { CommandLine } from './commandLine.ts';

interface Key {
  readonly keyId: string;
  readonly accountId: string;
  readonly status: string;
  readonly limits: object;
  readonly models: readonly string[] | null;
  readonly expiresAt: string | null;
  readonly last4: string;
}
interface Issued {
  readonly key: Key;
  readonly secret: string;
}

const MONTH = new Date().toISOString().slice(0, 7);

let service: ServiceProcess;
let tallystick: CommandLine;
let account: string;

beforeAll(async () => {
  service = await startServiceProcess();
  tallystick = new CommandLine({ DATA_DIR: service.dataDir });
  const { accounts } = await tallystick.json<{ accounts: { accountId: string; mode: string }[] }>(['accounts']);
  account = accounts.find(({ mode }) => mode === 'test')?.accountId ?? '';
});
afterAll(() => service.dispose());

async function call(key: string, model = 'tallystick-sim'): Promise<Response> {
  return fetch(`${service.baseUrl}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model, messages: [{ role: 'user', content: 'Hello!' }] }),
  });
}

/** Within a second the service follows what the command line has decided. */
async function answered(key: string, status: number): Promise<void> {
  await vi.waitFor(async () => expect((await call(key)).status).toBe(status), { timeout: 1_000, interval: 50 });
}

describe('keys', () => {
  it('live through issue, restrict, rotate, disable, enable and revoke, and the service follows', async () => {
    const expiresAt = `${String(Number(MONTH.slice(0, 4)) + 1)}-01-01T00:00:00.000Z`;
    const issue = ['keys', 'issue', '--name', 'From the shell', '--mode', 'test', '--tokens-per-month', '100000'];
    const { key, secret } = await tallystick.json<Issued>([
      ...issue,
      ...['--spend-per-month', 'USD=12.50', '--spend-per-month', 'CNY=3', '--concurrency', '2'],
      ...['--model', 'tallystick-sim', '--model', 'gpt-4o', '--expires-at', expiresAt],
    ]);
    expect(key).toMatchObject({
      accountId: account,
      mode: 'test',
      name: 'From the shell',
      status: 'active',
      limits: {
        tokensPerMonth: 100_000,
        spendPerMonth: { USD: '12.5', CNY: '3' },
        concurrency: 2,
        requestsPerMinute: null,
        tokensPerMinute: null,
      },
      models: ['tallystick-sim', 'gpt-4o'],
      expiresAt,
      last4: secret.slice(-4),
    });
    await answered(secret, 200);
    expect((await call(secret, 'llama3')).status).toBe(403);

    const restricted = await tallystick.json<Issued>([
      ...['keys', 'restrict', key.keyId, '--any-model', '--expires-at', 'none'],
      ...['--spend-per-month', 'none', '--tokens-per-month', 'none'],
    ]);
    expect(restricted.key).toMatchObject({ models: null, expiresAt: null });
    expect(restricted.key.limits).toMatchObject({ tokensPerMonth: null, spendPerMonth: {}, concurrency: 2 });

    const rotated = await tallystick.json<Issued>(['keys', 'rotate', key.keyId, '--overlap-ms', '0']);
    await answered(rotated.secret, 200);
    expect((await call(secret)).status).toBe(401);

    expect((await tallystick.json<Issued>(['keys', 'disable', key.keyId])).key.status).toBe('disabled');
    await answered(rotated.secret, 403);
    expect((await tallystick.json<Issued>(['keys', 'enable', key.keyId])).key.status).toBe('active');
    await answered(rotated.secret, 200);
    const revoked = await tallystick.json<Issued>(['keys', 'revoke', key.keyId, '--reason', 'done']);
    expect(revoked.key.status).toBe('revoked');
    await answered(rotated.secret, 401);

    const listed = await tallystick.json<{ keys: Key[] }>(['keys', 'list', '--mode', 'test']);
    expect(listed.keys.map(({ keyId, status }) => ({ keyId, status }))).toContainEqual({
      keyId: key.keyId,
      status: 'revoked',
    });
    expect(await tallystick.refusal('keys', 'enable', key.keyId)).toMatchObject({ code: 5, kind: 'refused' });
  });

  it('belong to a user, by e-mail address or id', async () => {
    const developer = await Developer.register(service.baseUrl, 'grace@users.example');
    for (const user of ['grace@users.example', developer.userId]) {
      const { userId } = await tallystick.json<{ userId: string }>(['keys', 'list', '--user', user]);
      expect(userId).toBe(developer.userId);
    }
    const { key } = await tallystick.json<Issued>(['keys', 'issue', '--name', 'Hers', '--user', developer.userId]);
    expect(key).toMatchObject({ accountId: developer.accounts.live, mode: 'live' });
    expect(await tallystick.refusal('keys', 'revoke', key.keyId)).toMatchObject({ code: 4, kind: 'not_found' });
    expect(await tallystick.refusal('keys', 'list', '--user', 'nobody@users.example')).toMatchObject({ code: 4 });
  });

  it('appear on the screen once and nowhere else', async () => {
    const { code, out, error } = await tallystick.run('keys', 'issue', '--name', 'Shown once', '--mode', 'test');
    const secret = /^tly_test_[0-9A-Za-z]{38}$/m.exec(out)?.[0] ?? '';
    expect({ code, error }).toEqual({ code: 0, error: '' });
    expect(secret).not.toBe('');
    const list = await tallystick.run('keys', 'list');
    expect(list.out).toContain(secret.slice(-4));
    expect(list.out + service.output()).not.toContain(secret);
  });
});

describe('accounts', () => {
  it('get the limits that were named and keep the others', async () => {
    const developer = await Developer.register(service.baseUrl);
    const before = await tallystick.json<{ accounts: { limits: object }[] }>(['accounts', '--user', developer.userId]);
    expect(before.accounts).toHaveLength(2);
    const set = [
      'accounts',
      'limits',
      developer.accounts.test,
      '--tokens-per-month',
      '1',
      '--spend-per-month',
      'USD=5',
    ];
    const limits = {
      tokensPerMonth: 1,
      spendPerMonth: { USD: '5' },
      concurrency: 10,
      requestsPerMinute: 600,
      tokensPerMinute: null,
    };
    expect(await tallystick.json(set)).toEqual({ accountId: developer.accounts.test, limits });
    const { accounts } = await tallystick.json<{ accounts: object[] }>([
      'accounts',
      'list',
      '--user',
      developer.userId,
    ]);
    expect(accounts).toContainEqual(expect.objectContaining({ accountId: developer.accounts.test, limits }));
    const { key } = await developer.issueKey({ mode: 'test' });
    await answered(key, 429);
  });

  it('that do not exist are not found, and no limit is no command', async () => {
    expect(await tallystick.refusal('accounts', 'limits', 'acct_x', '--concurrency', '1')).toMatchObject({ code: 4 });
    expect(await tallystick.refusal('accounts', 'limits', account)).toMatchObject({ code: 2 });
  });
});

describe('usage, requests and invoices', () => {
  it('tell of the same calls the same', async () => {
    const developer = await Developer.register(service.baseUrl);
    const test = developer.accounts.test;
    const { key, id } = await developer.issueKey({ mode: 'test' });
    const first = (await call(key)).headers.get('x-request-id');
    const second = (await call(key, 'llama3')).headers.get('x-request-id');

    const { requests } = await tallystick.json<{ requests: { requestId: string; amount: string; position: string }[] }>(
      [...['requests', '--account', test]],
    );
    expect(requests.map(({ requestId }) => requestId)).toEqual([second, first]);
    expect(requests[0]).toMatchObject({ keyId: id, status: 'completed', currency: 'CNY', source: 'reported' });
    const older = ['requests', '--account', test, '--limit', '1', '--before', requests[0]?.position ?? ''];
    expect((await tallystick.json<{ requests: object[] }>(older)).requests).toEqual([requests[1]]);

    const usage = await tallystick.json<{ usage: object[]; totals: Record<string, string> }>([
      ...['usage', '--account', test, '--period', MONTH],
    ]);
    expect(usage.totals).toEqual({ USD: requests[1]?.amount, CNY: requests[0]?.amount });
    expect(usage.usage).toContainEqual(
      expect.objectContaining({ keyId: id, model: 'llama3', requests: 1, failed: 0, amount: requests[0]?.amount }),
    );
    expect(await tallystick.json(['usage', '--account', test, '--period', '2020-01'])).toMatchObject({ usage: [] });

    const close = ['invoice', 'close', '--account', test, '--period', MONTH];
    const refusal = await tallystick.refusal(...close);
    expect(refusal).toMatchObject({ code: 5, kind: 'refused' });
    expect(refusal.message).toContain('is not over before');
    const closed = await tallystick.json<{ invoices: { number: string; exactTotal: string; invoiceId: string }[] }>([
      ...close,
      '--early',
    ]);
    expect(closed.invoices.map(({ exactTotal }) => exactTotal)).toEqual([requests[0]?.amount, requests[1]?.amount]);
    expect(await tallystick.json([...close, '--early'])).toEqual(closed);

    const { invoices } = await tallystick.json<{ invoices: { number: string }[] }>([
      'invoice',
      'list',
      '--account',
      test,
    ]);
    expect(invoices.map(({ number }) => number)).toEqual(closed.invoices.map(({ number }) => number));

    const [yuan] = closed.invoices;
    const number = yuan?.number ?? '';
    const shown = await tallystick.json<{ lines: { requestIds: string[] }[] }>([
      'invoice',
      'show',
      number,
      '--requests',
    ]);
    expect(shown).toMatchObject({ invoiceId: yuan?.invoiceId, number, currency: 'CNY', exactTotal: yuan?.exactTotal });
    for (const { requestIds } of shown.lines) expect(requestIds).toEqual([second]);
    const asJson = await tallystick.run('invoice', 'show', yuan?.invoiceId ?? '', '--requests', '--format', 'json');
    expect(JSON.parse(asJson.out)).toEqual(shown);
    const table = await tallystick.run('invoice', 'show', number, '--requests');
    expect(table.out).toContain(`Invoice ${number} (test) for ${test}`);
    expect(table.out).toContain(`Requests of line 1:\n  ${String(second)}`);
    const csv = await tallystick.run('invoice', 'show', number, '--format', 'csv');
    expect(csv.out.split('\r\n')[0]).toMatch(/^invoice,account,period,/);
    expect(await tallystick.refusal('invoice', 'show', number, '--format', 'csv', '--requests')).toMatchObject({
      code: 2,
    });

    for (const reference of [number, yuan?.invoiceId ?? '']) {
      expect(await tallystick.json(['invoice', 'verify', reference])).toEqual({
        invoiceId: yuan?.invoiceId,
        equal: true,
        lines: shown.lines.length,
        facts: 1,
      });
    }
  });

  it('that do not exist are not found', async () => {
    expect(await tallystick.refusal('invoice', 'show', 'INV-2020-000001')).toMatchObject({ code: 4 });
    expect(await tallystick.refusal('invoice', 'verify', '00000000-0000-4000-8000-000000000000')).toMatchObject({
      code: 4,
    });
    expect(await tallystick.refusal('invoice', 'show', 'first')).toMatchObject({ code: 2 });
    const close = ['invoice', 'close', '--account', 'acct_x', '--period', MONTH];
    expect(await tallystick.refusal(...close)).toMatchObject({ code: 4, message: 'There is no account acct_x.' });
    expect(await tallystick.refusal('usage', '--account', 'acct_x')).toMatchObject({ code: 4 });
    expect(await tallystick.refusal('usage', '--period', '2026-13')).toMatchObject({
      code: 2,
      problems: ['--period: must be a month such as 2026-11'],
    });
  });
});

describe('audit and rebuild', () => {
  it('prove the record, also against a head that was kept', async () => {
    await call(service.firstRun.testKey);
    const all = await tallystick.json<{ ok: boolean; heads: { accountId: string; head: string }[] }>([
      'audit',
      'verify',
    ]);
    expect(all.ok).toBe(true);
    const kept = all.heads.find(({ accountId }) => accountId === account)?.head ?? '';
    await call(service.firstRun.testKey);
    const again = ['audit', 'verify', '--account', account, '--expect-head'];
    expect(await tallystick.json([...again, kept])).toMatchObject({ ok: true, accounts: 1 });
    const forged = kept.replace(/.$/, (last) => (last === '0' ? '1' : '0'));
    expect(await tallystick.json([...again, forged], 3)).toMatchObject({
      ok: false,
      firstDifference: { what: 'kept_head_missing', accountId: account },
    });
  });

  it('fill every read model again while the service goes on', async () => {
    const calling = Promise.all(Array.from({ length: 10 }, () => call(service.firstRun.testKey)));
    const rebuilt = await tallystick.json<{ equal: boolean; projections: { name: string; swapped: boolean }[] }>([
      'rebuild',
      '--swap',
    ]);
    expect(rebuilt.equal).toBe(true);
    expect(rebuilt.projections.map(({ name, swapped }) => `${name} ${String(swapped)}`)).toEqual(
      ['keys', 'quota', 'usage', 'requests', 'ledger', 'audit', 'invoices'].map((name) => `${name} true`),
    );
    expect((await calling).map(({ status }) => status)).toEqual(Array.from({ length: 10 }, () => 200));
    expect((await call(service.firstRun.testKey)).status).toBe(200);
    expect(await tallystick.refusal('rebuild', 'nonsense')).toMatchObject({ code: 2 });
  });
});

describe('prices', () => {
  it('are added from a file', async () => {
    const file = path.join(service.dataDir, 'book.yaml');
    await writeFile(
      file,
      `effectiveFrom: 2099-01-01T00:00:00.000Z\nmodels:\n  - { model: later, currency: EUR, perMillion: '1.5' }\n`,
    );
    const published = await tallystick.json<{ priceVersion: string; isNew: boolean }>(['prices', 'publish', file]);
    expect(published.isNew).toBe(true);
    const listed = await tallystick.json<{ inForce: string; books: { priceVersion: string }[] }>(['prices', 'list']);
    expect(listed.books).toHaveLength(2);
    expect(listed.books[1]?.priceVersion).toBe(published.priceVersion);
    expect(listed.inForce).toBe(listed.books[0]?.priceVersion);
  });

  it('that are not valid, or not there, are refused', async () => {
    const file = path.join(service.dataDir, 'bad.yaml');
    await writeFile(file, `models:\n  - { model: one, currency: USD, perMillion: 1.5 }\n`);
    const { code, problems } = await tallystick.refusal('prices', 'publish', file);
    expect(code).toBe(2);
    expect(problems).toContain('models.0.perMillion: a price is decimal text in quotes');
    expect(await tallystick.refusal('prices', 'publish', '/nowhere.yaml')).toMatchObject({ code: 2 });
  });
});

describe('doctor and config', () => {
  it('find a running service well, by a call that it answers', async () => {
    const report = await tallystick.json<{ ok: boolean; checks: { name: string; status: string; detail: string }[] }>([
      'doctor',
    ]);
    expect(report.checks.filter(({ status }) => status !== 'ok')).toEqual([]);
    const details = Object.fromEntries(report.checks.map(({ name, detail }) => [name, detail]));
    expect(details['service']).toBe(`process ${String(service.pid)} is ready at ${service.baseUrl}`);
    expect(details['simulated path']).toMatch(/^a call with the first test key was answered: request [0-9a-f-]{36}$/);
  });

  it('tell every problem of a configuration at once', async () => {
    const wrong = new CommandLine({ DATA_DIR: service.dataDir, PORT: '99999', LOG_LEVEL: 'loud' });
    const report = await wrong.json<{ checks: { name: string; problems: string[] }[] }>(['doctor'], 2);
    expect(report.checks[1]?.problems).toHaveLength(2);
    expect((await wrong.refusal('config')).problems).toHaveLength(2);
    expect((await wrong.refusal('keys', 'list')).code).toBe(2);
    const channels = path.join(service.dataDir, 'channels.yaml');
    await writeFile(channels, 'channels: [{ name: one, baseUrl: nonsense, models: "*" }]');
    const unusable = new CommandLine({ DATA_DIR: service.dataDir, CHANNELS_FILE: channels });
    expect((await unusable.json<{ ok: boolean }>(['doctor', '--no-call'], 2)).ok).toBe(false);
  });

  it('show where each value comes from, and no secret', async () => {
    const masterKey = 'ab'.repeat(32);
    const configured = new CommandLine({
      DATA_DIR: service.dataDir,
      MASTER_KEY: masterKey,
      DATABASE_URL: 'postgres://me:hunter2@db.example/x',
    });
    const { settings } = await configured.json<{ settings: { name: string; value: unknown; source: string }[] }>([
      'config',
    ]);
    const found = Object.fromEntries(settings.map(({ name, value, source }) => [name, [value, source]]));
    expect(found).toMatchObject({
      PORT: [8_787, 'default'],
      DATA_DIR: [service.dataDir, 'environment'],
      DATABASE_URL: ['postgres://me:[redacted]@db.example/x', 'environment'],
      MASTER_KEY: ['[masked]', 'environment'],
      JWT_SECRET: ['[masked]', 'data directory'],
    });
    const text = await configured.run('config');
    expect(text.out).not.toMatch(new RegExp(`hunter2|${masterKey}`));
  });
});
