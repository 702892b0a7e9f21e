import pg from 'pg';
import { describe, expect, it } from 'vitest';
import { createLogger, redact } from '../../../infra/telemetry/log.ts';

const KEY = 'tly_live_0123456789abcdefghijABCDEFGHIJ01o0vnP';
const JWT = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1c2VyXzEifQ.c2lnbmF0dXJl-_x';

/** The lines that a logger prints, parsed. */
function logged(level: string, write: (log: ReturnType<typeof createLogger>) => void): Record<string, unknown>[] {
  const lines: string[] = [];
  write(createLogger(level, { write: (line) => lines.push(line) }));
  return lines.map((line) => JSON.parse(line) as Record<string, unknown>);
}

describe('A text for the log', () => {
  it.each([
    ['our live key', KEY, 'tly_live_[redacted]'],
    ['our test key', KEY.replace('live', 'test'), 'tly_test_[redacted]'],
    ['a key cut short', 'tly_live_01234567', 'tly_live_[redacted]'],
    ['a provider’s key', 'sk-proj-0123456789_abc-DEF', 'sk-[redacted]'],
    ['Google’s key', 'AIzaSyA0123456789abcdefghijk_-', '[redacted]'],
    ['a token', JWT, '[redacted jwt]'],
    ['a token behind a word', `session-${JWT}`, '[redacted jwt]'],
    ['a token whose first part has another’s beginning', `eyJeyJ-${JWT}`, '[redacted jwt]'],
    ['a long token', `eyJ${'a'.repeat(9_000)}.${'b'.repeat(9_000)}.${'c'.repeat(9_000)}`, '[redacted jwt]'],
    ['a bearer of anything', 'Bearer abc+/def=', 'Bearer [redacted]'],
    ['a bearer in small letters', 'authorization: bearer abcdef', 'authorization: Bearer [redacted]'],
    ['a key in a query', '/v1/models?api_key=secret&x=1', '/v1/models?api_key=[redacted]&x=1'],
    ['a second key in a query', '?x=1&key=secret', '?x=1&key=[redacted]'],
    ['a password without a user', 'redis://:hunter2@cache:6379', 'redis://:[redacted]@cache:6379'],
    ['a password with an at sign', 'redis://u:p@ss@cache:6379', 'redis://u:[redacted]@cache:6379'],
    ['a password in a query', 'redis://cache?password=hunter2', 'redis://cache?password=[redacted]'],
    ['a password in a URL', 'postgres://tallystick:p%40ss@db:5432/x', 'postgres://tallystick:[redacted]@db:5432/x'],
  ])('has no %s', (_what, secret, shown) => {
    expect(redact(secret)).toBe(shown);
    expect(redact(`before "${secret}" and ${secret} after`)).toBe(`before "${shown}" and ${shown} after`);
  });

  it.each([
    'an ordinary sentence',
    'key_0198f0c0 of acct_live1',
    '01a1f826-d74d-76dd-8464-3af9025045da',
    'http://127.0.0.1:8787/v1/models?mode=live',
    'tly_live_abcd…wxyz',
    'risk-free',
    'the eye of eyJ',
    'eyJ-a.eyJ-b',
  ])('is left alone where it is %j', (text) => {
    expect(redact(text)).toBe(text);
  });

  it.each([
    ['one word', 'a'.repeat(500_000)],
    ['beginnings of tokens', 'eyJ'.repeat(200_000)],
    ['beginnings of tokens in one word', 'eyJ-'.repeat(125_000)],
    ['tokens without an end', 'eyJa.eyJ-'.repeat(50_000)],
    ['beginnings of tokens before what none has', `${'eyJ-'.repeat(125_000)}.a.`],
    ['words in three parts', `${'ey-'.repeat(160_000)}.a.b`],
    ['parts of nothing', 'a.'.repeat(250_000)],
    ['bearers', 'Bearer \t'.repeat(60_000)],
    ['bearers of spaces', `Bearer${' '.repeat(500_000)}`],
    ['beginnings of provider’s keys', 'sk-AIza'.repeat(70_000)],
    ['beginnings of URLs', 'a://b'.repeat(100_000)],
    ['URLs without an end', `a://${'b'.repeat(500_000)}`],
    ['queries', '?key=&api_key='.repeat(40_000)],
    ['keys', 'tly_live_'.repeat(60_000)],
  ])('takes a moment even when half a megabyte of it is %s', (_what, text) => {
    const startedAt = performance.now();
    redact(text);
    expect(performance.now() - startedAt).toBeLessThan(500);
  });
});

describe('The log', () => {
  it('is one JSON object a line, with level, time and fields, and nothing of the machine', () => {
    const [line] = logged('info', (log) => log.info({ requestId: 'r1', count: 3 }, 'something happened'));
    expect(line).toEqual({
      level: 30,
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/) as unknown,
      requestId: 'r1',
      count: 3,
      msg: 'something happened',
    });
  });

  it('prints what is at least as grave as its level', () => {
    const write = (log: ReturnType<typeof createLogger>) => {
      log.debug({}, 'd');
      log.info({}, 'i');
      log.warn({}, 'w');
      log.error({}, 'e');
    };
    const messages = (level: string) => logged(level, write).map(({ msg }) => msg);
    expect(messages('debug')).toEqual(['d', 'i', 'w', 'e']);
    expect(messages('warn')).toEqual(['w', 'e']);
    expect(messages('silent')).toEqual([]);
  });

  it('prints an error with its kind, sentence, stack and cause', () => {
    const error = new RangeError('too much', { cause: new Error('because') });
    const [line] = logged('error', (log) => log.error({ error }, 'failed'));
    expect(line?.['error']).toMatchObject({
      type: 'RangeError',
      message: expect.stringContaining('too much') as unknown,
      stack: expect.stringContaining('because') as unknown,
    });
  });

  it('has no secret, wherever in a line it stands', () => {
    const error = Object.assign(new Error(`could not use ${KEY}`), {
      config: { headers: { authorization: `Bearer ${JWT}` } },
      url: 'https://user:hunter22@example.com/?api_key=opensesame',
    });
    const fields = {
      error,
      [KEY]: 'as a name',
      deep: [{ list: [KEY, `x=${JWT}`] }],
      text: JSON.stringify({ key: KEY }),
    };
    const text = JSON.stringify(logged('error', (log) => log.error(fields, `failed with ${KEY}`)));
    for (const secret of [KEY, KEY.slice(9, 30), JWT, 'hunter22', 'opensesame']) expect(text).not.toContain(secret);
    expect(text.match(/tly_live_\[redacted\]/g)?.length).toBeGreaterThanOrEqual(5);
  });

  it('loses a secret and nothing else, whatever characters stand around it', () => {
    const around = [
      [`${KEY}"`, 'tly_live_[redacted]"'],
      [`\\${KEY}\\`, '\\tly_live_[redacted]\\'],
      ['Bearer abcdef"quoted', 'Bearer [redacted]"quoted'],
      ['?key=a"b', '?key=[redacted]"b'],
      ['x://u:p"w@h', 'x://u:[redacted]@h'],
      [`${JWT}\n${JWT}`, '[redacted jwt]\n[redacted jwt]'],
    ];
    const lines = logged('info', (log) => around.forEach(([text = '']) => log.info({ text, address: 'a@b' }, text)));
    expect(lines.map(({ text, msg }) => [text, msg])).toEqual(around.map(([, shown]) => [shown, shown]));
    expect(lines.every(({ address }) => address === 'a@b')).toBe(true);
  });

  it('keeps an address apart from an @ in another field', () => {
    const [line] = logged('info', (log) => log.info({ url: 'http://127.0.0.1:8787', by: 'a@b' }, 'listening'));
    expect(line).toMatchObject({ url: 'http://127.0.0.1:8787', by: 'a@b', msg: 'listening' });
  });

  it('leaves out what a failed command was given', () => {
    const error = Object.assign(new Error('WRONGPASS'), { command: { name: 'auth', args: ['hunter2'] } });
    const [line] = logged('warn', (log) => log.warn({ error }, 'Redis is away'));
    expect(JSON.stringify(line)).not.toContain('hunter2');
    expect(line).toMatchObject({ error: { message: 'WRONGPASS', command: { name: 'auth', args: '[redacted]' } } });
  });

  it('leaves out what a failed statement was given', () => {
    const error = Object.assign(new pg.DatabaseError('invalid input syntax for type json', 1, 'error'), {
      code: '22P02',
      detail: 'Token "a canary" is invalid.',
      where: 'JSON data, line 1: {"x":"a canary...\nunnamed portal parameter $4 = \'...\'',
      internalQuery: `SELECT 'a canary'`,
    });
    const [line] = logged('error', (log) => log.error({ error }, 'a call failed'));
    expect(JSON.stringify(line)).not.toContain('canary');
    expect(line).toMatchObject({ error: { message: 'invalid input syntax for type json', code: '22P02' } });
  });
});
