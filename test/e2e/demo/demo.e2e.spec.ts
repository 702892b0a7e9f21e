import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { FakeKurrent } from '../../support/kurrentdb/server.ts';

const MAIN = fileURLToPath(new URL('../../../services/demo/main.ts', import.meta.url));
const PROMISED_MS = 30_000;

interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly error: string;
  readonly tookMs: number;
}

function demo(engines: Readonly<Record<string, string>> = {}): Promise<Ended> {
  const started = performance.now();
  return new Promise((resolve) => {
    // Whatever is configured for a service, the demonstration is on its own.
    const env = { PATH: process.env['PATH'], PORT: '1', DATABASE_URL: 'postgres://nobody@127.0.0.1:1/x', ...engines };
    const child = execFile(process.execPath, [MAIN], { env }, (_failure, out, error) => {
      resolve({ code: child.exitCode, out, error, tookMs: performance.now() - started });
    });
  });
}

describe('the demonstration', () => {
  it('makes its calls, bills them, proves the bill, and is gone within 30 seconds', async () => {
    const { code, out, error, tookMs } = await demo();
    expect({ code, error }).toEqual({ code: 0, error: '' });
    expect(tookMs).toBeLessThan(PROMISED_MS);

    expect(out).toMatch(/left +tallystick-sim .+\(25 pieces read\)/);
    expect(out).toContain('404 The model does not exist or has no price.');
    expect(out).toContain('429 The quota of the API key or account does not cover this call.');
    expect(out).toContain('401 The API key is not valid.');
    for (const currency of ['CNY', 'USD']) {
      expect(out).toMatch(new RegExp(`Invoice TEST-\\d{4}-00000\\d \\(test\\) for acct_.+, in ${currency}`));
      expect(out).toMatch(new RegExp(`\\d+ outputText × \\d+ ${currency} / 1,000,000 = 0\\.\\d+ ${currency}`));
    }
    expect(out).toMatch(/audit +INTACT: \d+ events in \d+ chains/);
    expect(out.match(/EQUAL: TEST-\d{4}-00000\d made again from events alone/g)).toHaveLength(2);
    expect(out).not.toMatch(/tly_test_[0-9A-Za-z]{10}/);

    const directory = /in (\S+tallystick-demo-\w+)\./.exec(out)?.[1] ?? '';
    expect(directory).not.toBe('');
    expect(existsSync(directory)).toBe(false);
  });

  it('is the same with its events in a KurrentDB', async () => {
    const kurrent = await FakeKurrent.start();
    try {
      const { code, out, error } = await demo({ KURRENTDB_URL: kurrent.url });
      expect({ code, error }).toEqual({ code: 0, error: '' });
      expect(out).toMatch(/audit +INTACT: \d+ events in \d+ chains/);
      expect(out.match(/EQUAL: TEST-\d{4}-00000\d made again from events alone/g)).toHaveLength(2);
      const stored = kurrent.log.events.filter(({ stream }) => !stream.startsWith('$'));
      expect(stored.filter(({ type }) => type === 'InvoiceFinalized')).toHaveLength(2);
    } finally {
      kurrent.kill();
    }
  });
});
