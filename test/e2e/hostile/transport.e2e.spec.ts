import { once } from 'node:events';
import type { Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { answersOf, expectOpenAiError, startHostileService, type HostileService } from './hostileService.ts';

let world: HostileService;
/** Clients that never end their headers, from the first test on. */
let dawdlers: Socket[];
/** One that sends a byte of them now and then: when it was sent away, and what it was told. */
let dripping: Promise<{ readonly afterMs: number; readonly received: string }>;

beforeAll(async () => {
  world = await startHostileService();
  dawdlers = await Promise.all(Array.from({ length: 300 }, () => world.connection()));
  for (const socket of dawdlers) {
    socket.on('error', () => socket.destroy()).resume();
    socket.write('POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nX-Slow: ');
  }
  dripping = drip(await world.connection());
});
afterAll(async () => {
  for (const socket of dawdlers) socket.destroy();
  await world.dispose();
});

const BODY = '{"model":"tallystick-sim","messages":[{"role":"user","content":"Hi"}]}';

interface Wish {
  readonly path?: string;
  readonly headers?: readonly string[];
  readonly body?: string;
  readonly length?: string | null;
  readonly version?: string;
  readonly method?: string;
  readonly authorised?: boolean;
}

/** One HTTP request as bytes. It closes the connection after its answer, unless another header says otherwise. */
function request({
  path = '/v1/chat/completions',
  headers = ['Connection: close'],
  body = BODY,
  length = String(Buffer.byteLength(BODY)),
  version = '1.1',
  method = 'POST',
  authorised = true,
}: Wish = {}): string {
  const lines = [
    `${method} ${path} HTTP/${version}`,
    'Host: localhost',
    ...(authorised ? [`Authorization: Bearer ${world.key}`] : []),
    'Content-Type: application/json',
    ...(length === null ? [] : [`Content-Length: ${length}`]),
    ...headers,
  ];
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}

/** Asserts that the bytes get exactly one answer, an error of this status in OpenAI's shape. */
async function expectOneRefusal(bytes: string, status: number, code: string): Promise<void> {
  const answers = answersOf(await world.raw(bytes));
  expect(answers.map((answer) => answer.status)).toEqual([status]);
  expect(expectOpenAiError(answers[0]?.body ?? '').code).toBe(code);
}

describe('a message whose end is not certain', () => {
  const smuggled = 'GET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n';

  it.each([
    ['two lengths', { headers: ['Content-Length: 3'] }],
    ['the same length twice', { headers: [`Content-Length: ${String(BODY.length)}`] }],
    ['a length and chunks', { headers: ['Transfer-Encoding: chunked'], body: `0\r\n\r\n${smuggled}`, length: '5' }],
    [
      'chunks and a length',
      { headers: ['Transfer-Encoding: chunked', 'Content-Length: 5'], length: null, body: '0\r\n\r\n' },
    ],
    ['an unknown coding', { headers: ['Transfer-Encoding: xchunked'], length: null }],
    ['chunks that are not last', { headers: ['Transfer-Encoding: chunked, identity'], length: null }],
    ['a space before the colon', { headers: ['Transfer-Encoding : chunked'], length: null, body: '0\r\n\r\n' }],
    ['a folded header', { headers: ['X-Folded: one', ' two'] }],
    ['a negative length', { length: '-1' }],
    ['a length with a sign', { length: '+70' }],
    ['a length in hexadecimal', { length: '0x46' }],
    ['a list of lengths', { length: '70, 70' }],
    ['a length beyond all numbers', { length: '99999999999999999999' }],
    ['a bare line feed in a header', { headers: ['X-A: b\nTransfer-Encoding: chunked'] }],
    [
      'a chunk size that is no number',
      { headers: ['Transfer-Encoding: chunked'], length: null, body: 'zz\r\nabc\r\n0\r\n\r\n' },
    ],
    [
      'a chunk longer than it says',
      { headers: ['Transfer-Encoding: chunked'], length: null, body: `2\r\n${BODY}\r\n0\r\n\r\n` },
    ],
  ] satisfies readonly (readonly [string, Wish])[])(
    '%s, is refused, and nothing behind it is heard',
    async (_what, wish) => {
      await expectOneRefusal(request(wish) + smuggled, 400, 'invalid_request');
    },
  );
});

describe('headers', () => {
  it.each([
    ['one of 20 kB', [`X-Large: ${'x'.repeat(20_000)}`]],
    ['a key of 20 kB', [`X-Api-Key: ${'x'.repeat(20_000)}`]],
    ['three thousand', Array.from({ length: 3_000 }, (_, at) => `X-${String(at)}: y`)],
  ])('too large, %s, are refused', async (_what, headers) => {
    await expectOneRefusal(request({ headers }), 431, 'headers_too_large');
  });

  it.each([
    ['NUL', 'X-A: b\0c'],
    ['a carriage return', 'X-A: b\rc'],
    ['a name with a space', 'X A: b'],
    ['no name', ': b'],
    ['no colon', 'nonsense'],
    ['a control character in the name', 'X-\x01: b'],
  ])('with %s are refused', async (_what, header) => {
    await expectOneRefusal(request({ headers: [header] }), 400, 'invalid_request');
  });

  it.each([
    'Good morning',
    '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03',
    'PRI * HTTP/2.0\r\n\r\nSM',
    'GET\r\n\r\n',
    'GET / HTTP/9.9\r\n\r\n',
  ])('of another protocol, %j, are refused', async (bytes) => {
    await expectOneRefusal(`${bytes}\r\n\r\n`, 400, 'invalid_request');
  });

  it('that expect what nobody knows are answered all the same', async () => {
    const [answer] = answersOf(await world.raw(request({ headers: ['Expect: miracles', 'Connection: close'] })));
    expect(answer?.status).toBe(200);
  });

  it.each(['evil.example', 'localhost:1/../../admin', '[::1]', 'a@b', '127.0.0.1:8787#@evil'])(
    'that name the host %s change nothing',
    async (host) => {
      const bytes = (authorised: boolean) =>
        request({ method: 'GET', path: '/v1/models', length: null, body: '', authorised }).replace('localhost', host);
      expect(answersOf(await world.raw(bytes(true)))[0]?.status).toBe(200);
      await expectOneRefusal(bytes(false), 401, 'authentication_failed');
    },
  );

  it.each(['X-HTTP-Method-Override: DELETE', 'X-HTTP-Method: GET', 'X-Method-Override: PATCH'])(
    'that would override the method, %s, change nothing',
    async (header) => {
      const { id } = await world.attacker.issueKey();
      const path = `/api/v1/developer/keys/keys/${id}`;
      const bytes = request({ path, headers: [header, 'Connection: close'], body: '{}', length: '2' });
      const [answer] = answersOf(await world.raw(bytes.replace(world.key, world.attacker.token)));
      expect(answer?.status).toBe(405);
      expect(answer?.headers.toLowerCase()).toContain('allow: ');
    },
  );

  it.each(['X-Forwarded-For: 10.0.0.1', 'X-Real-Ip: 127.0.0.1', 'Forwarded: for=10.0.0.1', 'X-Original-Url: /livez'])(
    'that would speak for a proxy, %s, open no door',
    async (header) => {
      await expectOneRefusal(
        request({ authorised: false, headers: [header, 'Connection: close'] }),
        401,
        'authentication_failed',
      );
    },
  );
});

describe('a path', () => {
  it.each([
    '//v1/chat/completions',
    '/v1//chat/completions',
    '/v1/./chat/completions',
    '/v1/%2e%2e/v1/chat/completions',
    '/v1/../v1/chat/completions',
    '/v1/chat%2fcompletions',
    '/v1/chat/completions%00',
    '/v1/chat/completions;a=b',
    '/v1\\chat\\completions',
    '/%76%31/chat/completions',
  ])('%s is not the chat route, with a key and without', async (path) => {
    await expectOneRefusal(request({ path }), 404, 'not_found');
    await expectOneRefusal(request({ path, authorised: false }), 404, 'not_found');
  });

  it.each([
    '/v1/chat/completions/',
    '/V1/Chat/Completions',
    '/v1/chat/completions?model=gpt-4o',
    'http://evil.example/v1/chat/completions',
  ])('%s leads to the chat route, and its door is just as closed', async (path) => {
    const [answer] = answersOf(await world.raw(request({ path })));
    expect(answer?.status).toBe(200);
    expect(answer?.headers.match(/^x-request-id:/gim)).toHaveLength(1);
    await expectOneRefusal(request({ path, authorised: false }), 401, 'authentication_failed');
  });

  it.each(['/v1/chat/completions?api_key=', '/v1/chat/completions?key=', '/v1/models?api_key='])(
    '%s is no place for a key',
    async (path) => {
      const method = path.includes('models') ? 'GET' : 'POST';
      await expectOneRefusal(
        request({ method, path: path + world.key, authorised: false }),
        401,
        'authentication_failed',
      );
    },
  );

  it.each(['/v1/models/%zz', '/v1/models/%c0%af', '/v1/models/%'])(
    '%s that cannot be decoded is refused',
    async (path) => {
      await expectOneRefusal(request({ method: 'GET', path, length: null, body: '' }), 400, 'invalid_request');
    },
  );

  it('of 10 000 characters is one that is not there', async () => {
    await expectOneRefusal(request({ path: `/v1/${'a'.repeat(10_000)}` }), 404, 'not_found');
  });

  it.each(['TRACE', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'PROPFIND'])('answers %s with 405', async (method) => {
    await expectOneRefusal(request({ method, length: null, body: '' }), 405, 'method_not_allowed');
  });
});

describe('requests on one connection', () => {
  it('sent at once are answered in their order', async () => {
    const pipelined = [
      request({ headers: [], body: BODY }),
      request({ headers: [], method: 'GET', path: '/livez', length: null, body: '' }),
      request({ headers: [], path: '/v1/nothing' }),
      request(),
    ];
    const answers = answersOf(await world.raw(pipelined.join('')));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 404, 200]);
    expect(answers[1]?.body).toBe('{"status":"alive"}');
  });

  it('behind one that is cut short are not heard', async () => {
    const answers = answersOf(
      await world.raw(request({ headers: [] }) + request({ headers: ['Content-Length: 1'] }) + request()),
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 400]);
  });

  it('may be a hundred, each held and settled on its own', async () => {
    const bytes = request({ headers: [] }).repeat(99) + request();
    const answers = answersOf(await world.raw(bytes));
    expect(answers).toHaveLength(100);
    // Ten run at once; who sends more is told so.
    expect(new Set(answers.map(({ status }) => status)).has(200)).toBe(true);
    for (const { status, body } of answers) {
      if (status !== 200) expect(expectOpenAiError(body).code).toBe('concurrency_exceeded');
    }
  });

  it('that end in the middle of a body leave nothing behind', async () => {
    const socket = await world.connection();
    socket.write(request({ length: '5000' }));
    socket.resetAndDestroy();
    await nothingHeld();
  });
});

describe('clients that are slow on purpose', () => {
  it('keep nobody from being served', async () => {
    const startedAt = performance.now();
    const [answer] = answersOf(await world.raw(request()));
    expect(answer?.status).toBe(200);
    expect(performance.now() - startedAt).toBeLessThan(1_500);
  });

  it('are sent away when their headers have not come within ten seconds, with a readable 408', async () => {
    const { afterMs, received } = await dripping;
    expect(afterMs).toBeGreaterThan(9_000);
    expect(afterMs).toBeLessThan(20_000);
    const [answer] = answersOf(received);
    expect(answer?.status).toBe(408);
    expect(expectOpenAiError(answer?.body ?? '').code).toBe('request_timeout');
    await vi.waitFor(() => expect(dawdlers.filter((socket) => !socket.closed).length).toBe(0));
  });
});

describe('after all that on the wire', () => {
  it('the service is unharmed and holds nothing', async () => {
    await nothingHeld();
    await world.expectUnharmed();
  });
});

async function nothingHeld(): Promise<void> {
  await vi.waitFor(
    async () => {
      const { rows } = await world.service.pool.query('SELECT 1 FROM holds WHERE account_id = $1', [
        world.attacker.accounts.test,
      ]);
      expect(rows).toEqual([]);
    },
    { timeout: 10_000, interval: 50 },
  );
}

async function drip(socket: Socket): Promise<{ afterMs: number; received: string }> {
  const startedAt = performance.now();
  let received = '';
  socket.setEncoding('utf8').on('data', (text: string) => (received += text));
  socket.on('error', () => socket.destroy());
  socket.write('GET /livez HTTP/1.1\r\n');
  const drops = setInterval(() => socket.write('X'), 500);
  await once(socket, 'close');
  clearInterval(drops);
  return { afterMs: performance.now() - startedAt, received };
}
