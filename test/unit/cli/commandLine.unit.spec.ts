import { describe, expect, it } from 'vitest';
import { StoreUnavailable } from '../../../events/eventStore.ts';
import { EXITS } from '../../../services/cli/exits.ts';
import { CommandFailed } from '../../../services/cli/failure.ts';
import { tryOut } from './tryout.ts';

const SETTINGS = [
  { name: 'PORT', value: 8787, source: 'default', description: 'TCP port' },
  { name: 'MASTER_KEY', value: '[masked]', source: 'data directory', description: 'wraps keys' },
] as const;

describe('a command', () => {
  it('writes a table for people, and one JSON document for programs', async () => {
    const text = await tryOut(['config'], { settings: () => SETTINGS });
    expect(text).toMatchObject({ code: 0, error: '' });
    expect(text.out).toContain('│ PORT       │ 8787     │ default        │ TCP port   │');
    const json = await tryOut(['config', '--json'], { settings: () => SETTINGS });
    expect(json).toMatchObject({ code: 0, error: '' });
    expect(JSON.parse(json.out)).toEqual({ settings: SETTINGS });
  });

  it('takes --json before its name, too', async () => {
    expect(JSON.parse((await tryOut(['--json', 'config'], { settings: () => SETTINGS })).out)).toEqual({
      settings: SETTINGS,
    });
  });

  it.each([
    ['an unknown command', ['keyz'], "unknown command 'keyz'"],
    ['an unknown option', ['config', '--jsn'], "unknown option '--jsn'"],
    ['a missing argument', ['keys', 'revoke'], "missing required argument 'key'"],
    ['a missing option', ['keys', 'issue'], "required option '--name <name>' not specified"],
    ['too many arguments', ['config', 'all'], 'too many arguments'],
    ['options that exclude each other', ['usage', '--account', 'acct_1', '--user', 'a@b.c'], 'cannot be used with'],
  ])('that has %s exits with 2 and says so on stderr, as text or JSON', async (_what, argv, message) => {
    const text = await tryOut(argv);
    expect(text).toMatchObject({ code: 2, out: '' });
    expect(text.error).toContain(message);
    const json = await tryOut([...argv, '--json']);
    expect(json).toMatchObject({ code: 2, out: '' });
    const { error } = JSON.parse(json.error) as { error: { kind: string; exitCode: number; message: string } };
    expect(error).toMatchObject({ kind: 'usage', exitCode: 2 });
    expect(error.message).toContain(message);
  });

  it('names every value that is not valid, as it was typed', async () => {
    const argv = ['keys', 'restrict', 'key_1', '--tokens-per-month=-1', '--expires-at', 'soon', '--json'];
    const { code, error } = await tryOut(argv);
    expect(code).toBe(2);
    expect(JSON.parse(error)).toEqual({
      error: {
        kind: 'usage',
        exitCode: 2,
        message: 'This is not how tallystick keys restrict is used; see its --help.',
        problems: [
          '--tokens-per-month: must be a whole number, or "none" for no limit',
          '--expires-at: must be an instant such as 2026-12-31T00:00:00Z, or "none"',
        ],
      },
    });
  });

  it('without a subcommand shows what there is, and exits with 2', async () => {
    const { code, out, error } = await tryOut([]);
    expect({ code, out }).toEqual({ code: 2, out: '' });
    expect(error).toContain('Usage: tallystick [options] [command]');
    const json = await tryOut(['invoice', '--json']);
    expect(JSON.parse(json.error)).toMatchObject({ error: { exitCode: 2 } });
  });

  it('shows every exit code in every help, on stdout', async () => {
    for (const argv of [['--help'], ['keys', 'issue', '--help'], ['help', 'rebuild']]) {
      const { code, out, error } = await tryOut(argv);
      expect({ code, error }).toEqual({ code: 0, error: '' });
      for (const { code: exit, meaning } of Object.values(EXITS)) {
        expect(out).toMatch(new RegExp(`^ {2}${String(exit)} +${meaning}$`, 'm'));
      }
    }
    expect(await tryOut(['--version'])).toEqual({ code: 0, out: '1.2.3\n', error: '' });
  });

  it('exits with 69 when the store is away, and tells the cause', async () => {
    const openFails = new StoreUnavailable('opening the store', { cause: new Error('connect ECONNREFUSED') });
    expect(await tryOut(['keys', 'list'], { openFails })).toEqual({
      code: 69,
      out: '',
      error: 'opening the store: connect ECONNREFUSED\n',
    });
  });

  it('exits with 2 on a bad configuration, with every problem', async () => {
    const openFails = new CommandFailed('usage', 'The configuration is not valid.', {
      problems: ['PORT: x', 'HOST: y'],
    });
    const { code, error } = await tryOut(['usage'], { openFails });
    expect({ code, error }).toEqual({ code: 2, error: 'The configuration is not valid.\n  - PORT: x\n  - HOST: y\n' });
  });

  it('closes what it opened, also when it fails, and exits with 1 on what nobody expected', async () => {
    let closed = 0;
    const installation = {
      caughtUp: () => Promise.reject(new Error('boom')),
      close: () => {
        closed += 1;
        return Promise.resolve();
      },
    };
    expect(await tryOut(['accounts'], { installation })).toEqual({ code: 1, out: '', error: 'boom\n' });
    expect(closed).toBe(1);
  });
});

describe('the exit codes', () => {
  it('are all different', () => {
    const codes = Object.values(EXITS).map(({ code }) => code);
    expect(codes).toEqual([0, 1, 2, 3, 4, 5, 69]);
  });
});
