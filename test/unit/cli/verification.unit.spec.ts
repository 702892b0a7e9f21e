import { describe, expect, it } from 'vitest';
import type { AuditReport, RebuildReport } from '../../../services/cli/ports.ts';
import { tryOut } from './tryout.ts';

const HASH = 'ab'.repeat(32);
const HEAD = { accountId: 'acct_a', sequence: 3n, position: 9n, hash: HASH };
const INTACT: AuditReport = { ok: true, accounts: 1, events: 3, position: 9n, firstDifference: null, heads: [HEAD] };
const CHANGED: AuditReport = {
  ...INTACT,
  ok: false,
  events: 2,
  heads: [],
  firstDifference: {
    what: 'hash_differs',
    accountId: 'acct_a',
    position: 7n,
    sequence: 2n,
    stream: 'key-key_1',
    revision: 0n,
    eventId: 'e-1',
  },
};

describe('audit verify', () => {
  it('prints heads that it takes back as --expect-head', async () => {
    const seen: unknown[] = [];
    const installation = {
      audit: (options: object) => {
        seen.push(options);
        return Promise.resolve(INTACT);
      },
    };
    const first = await tryOut(['audit', 'verify', '--json'], { installation });
    expect(first.code).toBe(0);
    const { heads } = JSON.parse(first.out) as { heads: { head: string }[] };
    const head = heads[0]?.head ?? '';
    expect(head).toBe(`acct_a:3:${HASH}`);
    const text = await tryOut(['audit', 'verify', '--expect-head', head], { installation });
    expect(text.out).toContain('INTACT: 3 events in 1 chains, up to log position 9');
    expect(text.out).toContain(head);
    expect(seen).toEqual([{}, { expectedHead: { accountId: 'acct_a', sequence: 3n, hash: HASH } }]);
  });

  it('exits with 3 and says where, when an event was changed', async () => {
    const installation = { audit: () => Promise.resolve(CHANGED) };
    const text = await tryOut(['audit', 'verify'], { installation });
    expect(text.code).toBe(3);
    for (const fact of ['hash_differs', 'acct_a', 'key-key_1', 'e-1', '7']) expect(text.out).toContain(fact);
    const json = await tryOut(['audit', 'verify', '--json'], { installation });
    expect(json.code).toBe(3);
    expect(JSON.parse(json.out)).toMatchObject({ ok: false, firstDifference: { position: '7', what: 'hash_differs' } });
  });

  it.each(['acct_a', `acct_a:3`, `acct_a:x:${HASH}`, `acct_a:3:${HASH}0`])('refuses %s as a head', async (head) => {
    expect((await tryOut(['audit', 'verify', '--expect-head', head])).code).toBe(2);
  });

  it('refuses a head of another account than the one to verify', async () => {
    const argv = ['audit', 'verify', '--account', 'acct_b', '--expect-head', `acct_a:3:${HASH}`];
    expect(await tryOut(argv)).toMatchObject({
      code: 2,
      error: '--expect-head is of another account than --account.\n',
    });
  });
});

function report(name: string, change: Partial<RebuildReport> = {}): RebuildReport {
  const tables = [{ table: 'rows', rows: 2, equal: true }];
  return { name, position: 9n, tables, equal: true, swapped: false, parked: [], ...change };
}

const DIFFERS = {
  equal: false,
  tables: [
    { table: 'rows', rows: 2, equal: false, firstDifference: { live: '(key_1,sealed)', rebuilt: '(key_1,other)' } },
  ],
};

describe('rebuild', () => {
  it('rebuilds all read models, or those that are named, in their own order', async () => {
    const asked: string[] = [];
    const installation = {
      rebuild: (name: string, swap: string) => {
        asked.push(`${name} ${swap}`);
        return Promise.resolve(report(name));
      },
    };
    expect((await tryOut(['rebuild'], { installation })).code).toBe(0);
    expect((await tryOut(['rebuild', 'quota', '--swap'], { installation })).code).toBe(0);
    expect((await tryOut(['rebuild', '--swap', '--force', 'quota', 'keys'], { installation })).code).toBe(0);
    expect(asked).toEqual(['keys never', 'quota never', 'quota whenEqual', 'keys always', 'quota always']);
  });

  it('exits with 3 when the live tables are not what the events make, unless they were replaced', async () => {
    const differing = { rebuild: (name: string) => Promise.resolve(report(name, DIFFERS)) };
    const { code, out } = await tryOut(['rebuild', 'quota'], { installation: differing });
    expect(code).toBe(3);
    expect(out).toContain('DIFFERENT');
    expect(out).toContain('  live:    (key_1,sealed)\n  rebuilt: (key_1,other)');
    const healed = { rebuild: (name: string) => Promise.resolve(report(name, { ...DIFFERS, swapped: true })) };
    expect((await tryOut(['rebuild', 'quota', '--swap', '--force'], { installation: healed })).code).toBe(0);
  });

  it('shows of a row of keys which it is, and nothing else', async () => {
    const installation = { rebuild: (name: string) => Promise.resolve(report(name, DIFFERS)) };
    for (const flags of [[], ['--json']]) {
      const { out } = await tryOut(['rebuild', 'keys', ...flags], { installation });
      expect(out).toContain('(key_1, …)');
      expect(out).not.toContain('sealed');
    }
  });

  it('tells which accounts stay parked', async () => {
    const installation = { rebuild: (name: string) => Promise.resolve(report(name, { parked: ['acct_a'] })) };
    const { out } = await tryOut(['rebuild', 'quota'], { installation });
    expect(out).toContain('Events that quota cannot apply keep these accounts parked: acct_a');
  });

  it('refuses a read model that does not exist, and --force without --swap', async () => {
    expect(await tryOut(['rebuild', 'nonsense'])).toMatchObject({ code: 2, out: '' });
    expect(await tryOut(['rebuild', '--force'])).toMatchObject({ code: 2, out: '' });
  });
});
