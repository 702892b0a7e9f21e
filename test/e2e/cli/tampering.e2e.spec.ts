import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { embeddedUrl } from '../../../infra/postgres/embedded/files.ts';
import { startServiceProcess, type ServiceProcess } from '../../support/serviceProcess.ts';
import { CommandLine } from './commandLine.ts';

const MONTH = new Date().toISOString().slice(0, 7);

let service: ServiceProcess;
let tallystick: CommandLine;
let requestId: string;
let account: string;
let number: string;

beforeAll(async () => {
  service = await startServiceProcess();
  tallystick = new CommandLine({ DATA_DIR: service.dataDir });
  const answer = await fetch(`${service.baseUrl}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${service.firstRun.testKey}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'gpt-4o', messages: [{ role: 'user', content: 'Bill me' }] }),
  });
  requestId = answer.headers.get('x-request-id') ?? '';
  const { accounts } = await tallystick.json<{ accounts: { accountId: string }[] }>(['accounts', '--mode', 'test']);
  account = accounts[0]?.accountId ?? '';
  const close = ['invoice', 'close', '--account', account, '--period', MONTH, '--early'];
  const { invoices } = await tallystick.json<{ invoices: { number: string }[] }>(close);
  number = invoices[0]?.number ?? '';
});
afterAll(() => service.dispose());

/** Changes one stored event behind the back of its trigger, as somebody with the superuser's password could; returns how to undo it. */
async function flipDigit(type: string): Promise<{ readonly position: string; readonly undo: () => Promise<void> }> {
  const client = new pg.Client({ connectionString: await embeddedUrl(service.dataDir) });
  await client.connect();
  await client.query('SET session_replication_role = replica');
  const { rows } = await client.query<{ position: string; data: string }>(
    'SELECT position, data FROM events WHERE stream = $1 AND type = $2',
    [`request-${requestId}`, type],
  );
  const { position, data } = rows[0] ?? { position: '', data: '' };
  const write = (text: string) => client.query('UPDATE events SET data = $2 WHERE position = $1', [position, text]);
  const flipped = data.replace(
    /"outputText":(\d)/,
    (_match, digit: string) => `"outputText":${String(9 - Number(digit))}`,
  );
  expect(flipped).not.toBe(data);
  await write(flipped);
  return {
    position,
    undo: async () => {
      await write(data);
      await client.end();
    },
  };
}

describe('one changed byte in a stored event', () => {
  it('cannot be made while the trigger stands', async () => {
    const client = new pg.Client({ connectionString: await embeddedUrl(service.dataDir) });
    await client.connect();
    await expect(client.query(`UPDATE events SET data = data || ' '`)).rejects.toThrow();
    await client.end();
  });

  it('is located by audit verify, contradicts the invoice, and differs from the read models, each with exit 3', async () => {
    expect(await tallystick.json(['audit', 'verify'])).toMatchObject({ ok: true });
    expect(await tallystick.json(['invoice', 'verify', number])).toMatchObject({ equal: true });
    const { position, undo } = await flipDigit('UsageRecorded');
    try {
      expect(await tallystick.json(['audit', 'verify'], 3)).toMatchObject({
        ok: false,
        firstDifference: {
          what: 'hash_differs',
          position,
          accountId: account,
          stream: `request-${requestId}`,
          revision: '1',
        },
      });
      const audit = await tallystick.run('audit', 'verify');
      expect(audit.code).toBe(3);
      expect(audit.out).toContain('the bytes of this event are not those that were recorded');

      const verification = await tallystick.json<{ equal: boolean; differences: { where: string }[] }>(
        ['invoice', 'verify', number],
        3,
      );
      expect(verification.equal).toBe(false);
      expect(verification.differences.map(({ where }) => where)).toContain('line 2 quantity');
      const text = await tallystick.run('invoice', 'verify', number);
      expect(text.code).toBe(3);
      expect(text.out).toContain(`DIFFERENT: ${number} is not what its events say.`);

      const rebuilt = await tallystick.json<{
        projections: { name: string; equal: boolean; swapped: boolean; tables: { table: string; equal: boolean }[] }[];
      }>(['rebuild', '--swap'], 3);
      const different = rebuilt.projections.filter(({ equal }) => !equal);
      expect(different.map(({ name, swapped }) => ({ name, swapped }))).toEqual([
        { name: 'quota', swapped: false },
        { name: 'usage', swapped: false },
        { name: 'requests', swapped: false },
        { name: 'audit', swapped: false },
      ]);
    } finally {
      await undo();
    }
    expect(await tallystick.json(['audit', 'verify'])).toMatchObject({ ok: true });
    expect(await tallystick.json(['invoice', 'verify', number])).toMatchObject({ equal: true });
    expect(await tallystick.json(['rebuild'])).toMatchObject({ equal: true });
  });
});
