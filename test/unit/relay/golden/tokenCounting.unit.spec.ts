import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { mintSecret } from '../../../../services/keys/secret.ts';
import { Admission } from '../../../../services/relay/admission.ts';
import { TokenCounting } from '../../../../services/relay/http/tokenCounting.ts';
import { countOperations } from '../../../../services/relay/operations/counts.ts';
import type { CallerKey } from '../../../../services/relay/ports.ts';
import { silentLog } from '../../../support/log.ts';
import { wordEstimator } from '../chatFixtures.ts';
import { ManualTimers } from '../manualTimers.ts';

const KEY: CallerKey = {
  keyId: 'key_1',
  accountId: 'acct_live1',
  mode: 'live',
  status: 'active',
  models: null,
  requestsPerMinute: null,
  tokensPerMinute: null,
  concurrency: null,
};
const { secret: SECRET } = mintSecret('live', { bytes: (length) => Buffer.alloc(length) });
const unused = (): never => {
  throw new Error('counting must not come here');
};

let key: CallerKey | null = KEY;
let allowed = true;
const taken: unknown[] = [];

const runtime = {
  clock: { now: () => 0, monotonic: () => 0 },
  ids: { uuid: () => 'request-1' },
  random: { bytes: (length: number) => Buffer.alloc(length), fraction: () => 0 },
  timers: new ManualTimers(),
  log: silentLog,
};
const limiter = {
  take(...asked: unknown[]) {
    taken.push(asked);
    return Promise.resolve({ allowed, retryAfterMs: 2_000, requests: null, tokens: null });
  },
};
const counting = new TokenCounting({
  admission: new Admission({
    keys: { find: () => key },
    prices: { find: unused, models: unused },
    router: { candidates: unused, models: unused, succeeded: unused, failed: unused },
    limiter: { take: unused },
    holds: { take: unused, freeSlot: unused, forgetIdempotency: unused },
    settlements: { append: unused, nearFull: false },
    runtime,
    holdMs: 1,
  }),
  limiter,
  estimator: wordEstimator,
  runtime,
  limits: { maxBufferBytes: 65_536, stallMs: 1_000, keepAliveMs: 1_000, maxBodyBytes: 10_000 },
});

let server: Server;

beforeAll(async () => {
  const operations = new Map(countOperations(64).map((operation) => [operation.path, operation]));
  server = createServer((request, response) => {
    const operation = operations.get(request.url ?? '');
    if (operation) counting.handle(operation, request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
});
afterAll(async () => {
  server.close();
  await once(server, 'close');
});
beforeEach(() => {
  key = KEY;
  allowed = true;
  taken.length = 0;
});

const CLAUDE = '/v1/messages/count_tokens';
const MESSAGES = [{ role: 'user', content: 'one two three' }];

async function count(path: string, body: object, secret = SECRET) {
  const { port } = server.address() as AddressInfo;
  const response = await fetch(`http://127.0.0.1:${String(port)}${path}`, {
    method: 'POST',
    headers: { 'x-api-key': secret, 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.status, headers: response.headers, body: await response.json() };
}

describe('Counting the tokens of a prompt', () => {
  it('is answered without a price, a channel, a hold or a settlement', async () => {
    // 3 words, 3 for the request and 3 for its message.
    expect(await count(CLAUDE, { model: 'any', messages: MESSAGES })).toMatchObject({
      status: 200,
      body: { input_tokens: 9 },
    });
    expect(await count('/v1/responses/input_tokens', { input: 'one two three' })).toMatchObject({
      status: 200,
      body: { object: 'response.input_tokens' },
    });
  });

  it('has rate limits of its own, those of the key or 600 a minute, and takes no tokens', async () => {
    await count(CLAUDE, { model: 'any', messages: MESSAGES });
    key = { ...KEY, requestsPerMinute: 5, tokensPerMinute: 7 };
    await count(CLAUDE, { model: 'any', messages: MESSAGES });
    expect(taken).toEqual([
      ['count:key_1', { requestsPerMinute: 600, tokensPerMinute: null }, 0],
      ['count:key_1', { requestsPerMinute: 5, tokensPerMinute: null }, 0],
    ]);
  });

  it('is refused above its limit, and says when to come back', async () => {
    allowed = false;
    const { status, headers, body } = await count(CLAUDE, { model: 'any', messages: MESSAGES });
    expect(status).toBe(429);
    expect(headers.get('retry-after')).toBe('2');
    expect(body).toMatchObject({ type: 'error', error: { type: 'rate_limit_error' } });
  });

  it.each([
    ['without a key that is known', 401, () => (key = null)],
    ['with a key that is disabled', 403, () => (key = { ...KEY, status: 'disabled' })],
  ])('is refused %s, before any limit is taken', async (_what, status, change) => {
    change();
    expect((await count(CLAUDE, { model: 'any', messages: MESSAGES })).status).toBe(status);
    expect(taken).toEqual([]);
  });

  it('is refused for a body that is none, or too large', async () => {
    expect((await count(CLAUDE, { messages: 'x' })).status).toBe(400);
    const messages = [{ role: 'user', content: 'x'.repeat(20_000) }];
    expect((await count(CLAUDE, { model: 'any', messages })).status).toBe(413);
  });
});
