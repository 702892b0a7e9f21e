import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectOpenAiError, residentMegabytes, startHostileService, type HostileService } from './hostileService.ts';

let world: HostileService;

beforeAll(async () => {
  world = await startHostileService();
});
afterAll(() => world.dispose());

const MODEL = '"model":"tallystick-sim"';
const MESSAGES = '"messages":[{"role":"user","content":"Hi"}]';
const VALID = `${MODEL},${MESSAGES}`;

async function post(
  body: string | Buffer | ReadableStream,
  headers: Readonly<Record<string, string>> = {},
): Promise<{ status: number; text: string }> {
  const response = await fetch(`${world.service.baseUrl}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${world.key}`, 'content-type': 'application/json', ...headers },
    body,
    duplex: 'half',
  });
  return { status: response.status, text: await response.text() };
}

async function expectRefused(body: string | Buffer, status: number, code: string, param?: string | null) {
  const answer = await post(body);
  expect(answer.status, body.toString().slice(0, 200)).toBe(status);
  const error = expectOpenAiError(answer.text);
  expect(error.code).toBe(code);
  if (param !== undefined) expect(error.param).toBe(param);
}

const HOSTILE_VALUES = [
  '-1',
  '-9007199254740993',
  '9007199254740992',
  '18446744073709551615',
  '1e309',
  '-1e309',
  '1e308',
  '"1"',
  '"1e9"',
  '[]',
  '[1]',
  '{}',
  '{"valueOf":1}',
  'true',
  '""',
  '"__proto__"',
];

describe('a number that counts or costs', () => {
  it.each([
    'max_tokens',
    'max_completion_tokens',
    'n',
    'temperature',
    'top_p',
    'presence_penalty',
    'frequency_penalty',
  ])('%s, is refused when it is negative, huge or no number at all', async (field) => {
    const negativeIsFine = field.endsWith('_penalty');
    const values = negativeIsFine ? HOSTILE_VALUES.slice(1) : HOSTILE_VALUES;
    await Promise.all(
      values.map((value) => expectRefused(`{${VALID},"${field}":${value}}`, 400, 'invalid_request', field)),
    );
    const { rows } = await world.service.pool.query('SELECT 1 FROM requests.log WHERE account_id = $1', [
      world.attacker.accounts.test,
    ]);
    expect(rows).toEqual([]);
  });

  it.each(['0', '1.5', '-0', '17'])('n is refused as %s', async (value) => {
    await expectRefused(`{${VALID},"n":${value}}`, 400, 'invalid_request', 'n');
  });

  it('takes null as absent', async () => {
    expect((await post(`{${VALID},"max_tokens":null,"n":null,"temperature":null}`)).status).toBe(200);
  });
});

describe('a field of another type than its own', () => {
  it.each(['stream', 'stream_options', 'tools', 'messages', 'model', 'usage'])('%s, is refused', async (field) => {
    const rest = { messages: MODEL, model: MESSAGES }[field] ?? VALID;
    const values = ['-1', '1e309', '"x"', '[null]', '[[]]', '{"a":[]}', 'true', 'false'].filter(
      (value) =>
        !(field === 'stream' && (value === 'true' || value === 'false')) &&
        !(['stream_options', 'usage'].includes(field) && value.startsWith('{')) &&
        !(field === 'model' && value === '"x"'),
    );
    for (const value of values) await expectRefused(`{${rest},"${field}":${value}}`, 400, 'invalid_request');
  });

  it.each([
    '[{"role":"user"},null]',
    '[{"role":"root","content":"x"}]',
    '[{"role":"user","content":5}]',
    '[{"role":"user","content":{"type":"text"}}]',
    '[{"role":"user","content":[{"type":5}]}]',
    '[{"content":"x"}]',
    '[["role","user"]]',
  ])('messages %s are refused', async (messages) => {
    await expectRefused(`{${MODEL},"messages":${messages}}`, 400, 'invalid_request');
  });

  it.each(['__proto__', 'constructor', 'hasOwnProperty', 'toString', '\\u0000', '../../etc/passwd', "' OR 1=1 --"])(
    'the model %s is one that does not exist',
    async (model) => {
      await expectRefused(`{${MESSAGES},"model":"${model}"}`, 404, 'model_not_found', 'model');
    },
  );
});

describe('JSON that is meant to harm its reader', () => {
  it.each([
    ['arrays, closed', '['.repeat(5_000_000) + ']'.repeat(5_000_000)],
    ['arrays, never closed', '['.repeat(10_000_000)],
    ['objects', '{"a":'.repeat(1_000_000) + '1' + '}'.repeat(1_000_000)],
    ['arrays in an unknown field', `{${VALID},"x":${'['.repeat(1_000_000)}${']'.repeat(1_000_000)}}`],
    [
      'arrays in a content part',
      `{${MODEL},"messages":[{"role":"user","content":[${'['.repeat(65)}${']'.repeat(65)}]}]}`,
    ],
  ])('nested too deeply in %s is refused at once', async (_what, body) => {
    await expectRefused(body, 400, 'invalid_request');
  });

  it.each([
    ['members of the body', `{${VALID},${Array.from({ length: 500_000 }, (_, at) => `"k${String(at)}":1`).join(',')}}`],
    ['empty objects', `{${VALID},"x":[${'{},'.repeat(3_000_000)}{}]}`],
    ['numbers', `{${VALID},"x":[${'1,'.repeat(4_000_000)}1]}`],
    [
      'content parts',
      `{${MODEL},"messages":[{"role":"user","content":[${'{"type":"a"},'.repeat(700_000)}{"type":"a"}]}]}`,
    ],
  ])('with too many %s is refused at once', async (_what, body) => {
    await expectRefused(body, 400, 'invalid_request');
  });

  it.each([
    `{${VALID},"__proto__":{"isAdmin":true}}`,
    `{${VALID},"\\u005f\\u005fproto\\u005f\\u005f":{"isAdmin":true}}`,
    `{${VALID},"metadata":{"a":{"__proto__":{"isAdmin":true}}}}`,
    `{${MODEL},"messages":[{"role":"user","content":"x","__proto__":{"isAdmin":true}}]}`,
  ])('that reaches for a prototype is refused: %s', async (body) => {
    await expectRefused(body, 400, 'invalid_request');
  });

  it('may name a constructor, which is only a name', async () => {
    const answer = await post(
      `{${VALID},"constructor":{"prototype":{"status":500}},"toString":1,"hasOwnProperty":null}`,
    );
    expect(answer.status).toBe(200);
    expect((await post(`{${VALID}}`)).status).toBe(200);
  });

  it.each([
    '',
    ' ',
    'null',
    '1',
    '"text"',
    '[]',
    'true',
    '{',
    '{"model"',
    `{${VALID}`,
    `{${VALID}}}`,
    `{${VALID}}{}`,
    'NaN',
    `{${VALID},"n":NaN}`,
    `{${VALID},"n":Infinity}`,
    `{${VALID},"n":0x10}`,
    `{${VALID},}`,
    `{'model':'x'}`,
    '\ufeff{}',
    `//comment\n{${VALID}}`,
    `{${VALID},"a":"\u0001"}`,
    '<xml/>',
    'model=tallystick-sim',
  ])('%j is refused as what it is', async (body) => {
    const answer = await post(body);
    expect(answer.status).toBe(400);
    expect(['invalid_json', 'invalid_request']).toContain(expectOpenAiError(answer.text).code);
  });

  it('that says twice which model it means is refused', async () => {
    await expectRefused(`{"model":"gpt-4o",${VALID}}`, 400, 'invalid_request', 'model');
    await expectRefused(`{${VALID},"MODEL":"gpt-4o"}`, 400, 'invalid_request', 'model');
  });
});

describe('bytes that are not UTF-8', () => {
  const around = (bytes: readonly number[]) =>
    Buffer.concat([
      Buffer.from(`{${MODEL},"messages":[{"role":"user","content":"`),
      Buffer.from(bytes),
      Buffer.from('"}]}'),
    ]);

  it.each([
    ['a lone byte', [0xff]],
    ['a cut sequence', [0xe4, 0xbd]],
    ['an overlong form', [0xc0, 0xaf]],
    ['a surrogate', [0xed, 0xa0, 0x80]],
    ['beyond Unicode', [0xf4, 0x90, 0x80, 0x80]],
  ])('%s, are refused', async (_what, bytes) => {
    await expectRefused(around(bytes), 400, 'invalid_json');
  });

  it('are refused as UTF-16 and as Latin-1', async () => {
    await expectRefused(Buffer.from(`{${VALID}}`, 'utf16le'), 400, 'invalid_json');
    await expectRefused(around([0xe9]), 400, 'invalid_json');
  });

  it('cannot hide a second model behind a broken name', async () => {
    const broken = Buffer.concat([Buffer.from('{"mod'), Buffer.from([0xff]), Buffer.from(`el":"gpt-4o",${VALID}}`)]);
    await expectRefused(broken, 400, 'invalid_json');
  });

  it('are no lone surrogates in escapes, which are taken and answered', async () => {
    const answer = await post(`{${MODEL},"messages":[{"role":"user","content":"\\ud800 \\u0000 \\ufffe"}]}`);
    expect(answer.status).toBe(200);
  });
});

describe('a body of 100 MB', () => {
  it.each([
    ['announced', () => Buffer.alloc(100_000_000, 0x20)],
    [
      'in chunks without an end in sight',
      () => {
        let left = 1_600;
        return new ReadableStream({
          pull: (controller) => (left-- > 0 ? controller.enqueue(Buffer.alloc(65_536, 0x20)) : controller.close()),
        });
      },
    ],
  ])('%s, gets a readable 413 and takes no memory', async (_what, make) => {
    const before = residentMegabytes(world.service.pid);
    const answer = await post(make());
    expect(answer.status).toBe(413);
    expect(expectOpenAiError(answer.text).code).toBe('request_too_large');
    expect(residentMegabytes(world.service.pid) - before).toBeLessThan(80);
  });

  it('gets one on the management routes too', async () => {
    const response = await fetch(`${world.service.baseUrl}/api/v1/developer/auth/login`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: Buffer.alloc(100_000_000, 0x20),
    });
    expect(response.status).toBe(413);
    expect(await response.json()).toMatchObject({ success: false, error: { code: 'request_too_large' } });
  });

  it('is refused in the same way when it is announced and never sent', async () => {
    const head = `POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${world.key}\r\n`;
    const socket = await world.connection();
    const received = new Promise<string>((resolve) => socket.setEncoding('utf8').once('data', resolve));
    socket.write(`${head}Content-Type: application/json\r\nContent-Length: 100000000\r\n\r\n`);
    expect(await received).toMatch(/^HTTP\/1\.1 413 /);
    socket.destroy();
  });
});

describe('a content type', () => {
  it.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'application/jsonp',
    '',
  ])('other than JSON, such as %j, is refused', async (type) => {
    const answer = await post(`{${VALID}}`, { 'content-type': type });
    expect(answer.status).toBe(415);
    expect(expectOpenAiError(answer.text).code).toBe('unsupported_media_type');
  });

  it.each(['application/json', 'APPLICATION/JSON', 'application/json; charset=utf-8', 'application/vnd.api+json'])(
    '%s is taken',
    async (type) => {
      expect((await post(`{${VALID}}`, { 'content-type': type })).status).toBe(200);
    },
  );
});

describe('after all these bodies', () => {
  it('the service is unharmed', async () => {
    await world.expectUnharmed();
    expect((await post(`{${VALID}}`)).status).toBe(200);
  });
});
