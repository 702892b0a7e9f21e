import { describe, expect, it } from 'vitest';
import { costHeaders, openaiError, rateHeaders } from '../../../services/relay/http/openaiHeaders.ts';
import { modelRoutes } from '../../../services/relay/http/modelRoutes.ts';
import { ApiError } from '../../../services/http/errors.ts';
import type { Call, Reply, Route } from '../../../services/http/route.ts';
import type { CallerKey, PricedModel } from '../../../services/relay/ports.ts';
import { PRICE_VERSION } from '../../support/events.ts';

const NOW = 1_763_630_000_000;

const priced = (model: string): PricedModel => ({
  model,
  currency: 'USD',
  priceVersion: PRICE_VERSION,
  price: { blended: 1 },
  maxOutputTokens: 1,
});
const key = (models: readonly string[] | null, mode: CallerKey['mode'] = 'live'): CallerKey => ({
  keyId: 'key_1',
  accountId: 'acct_1',
  mode,
  status: 'active',
  models: models === null ? null : new Set(models),
  requestsPerMinute: null,
  tokensPerMinute: null,
});

const routes = modelRoutes(
  { find: () => null, models: (now) => (now === NOW ? ['a', 'b', 'vendor/c'].map(priced) : []) },
  {
    candidates: () => [],
    models: (mode) => (mode === 'live' ? new Set(['a', 'vendor/c', 'unpriced']) : null),
    succeeded: () => undefined,
    failed: () => undefined,
  },
  { now: () => NOW, monotonic: () => 0 },
);

async function ask(path: string, caller: CallerKey, id = ''): Promise<Reply> {
  const route = routes.find((one: Route) => one.path === path);
  if (route?.policy !== 'apiKey') throw new Error(`no route ${path} for API keys`);
  const call: Call = {
    requestId: 'r1',
    headers: {},
    params: { id },
    query: new URLSearchParams(),
    body: undefined,
    remoteAddress: '127.0.0.1',
  };
  return route.handle(call, caller);
}

const shown = (id: string) => ({ id, object: 'model', created: 0, owned_by: 'tallystick' });

describe('The models of a key', () => {
  it.each([
    ['what has a price and a channel', key(null), ['a', 'vendor/c']],
    ['of these what the key may use', key(['vendor/c', 'b']), ['vendor/c']],
    ['everything priced in test mode', key(null, 'test'), ['a', 'b', 'vendor/c']],
    ['nothing for a key without models', key([]), []],
  ])('are %s', async (_name, caller, models) => {
    expect(await ask('/v1/models', caller)).toEqual({
      status: 200,
      body: { object: 'list', data: models.map(shown) },
    });
  });

  it('are found one by one', async () => {
    expect(await ask('/v1/models/:id', key(null), 'vendor/c')).toEqual({ status: 200, body: shown('vendor/c') });
  });

  it.each([
    ['b', key(null)],
    ['a', key(['b'])],
    ['unpriced', key(null)],
    ['__proto__', key(null)],
  ])('do not include %s for everybody', async (id, caller) => {
    await expect(ask('/v1/models/:id', caller, id)).rejects.toMatchObject({ code: 'model_not_found', param: 'model' });
  });
});

describe('The headers of an answer', () => {
  it('tell the limits that a key has', () => {
    const requests = { limit: 60, remaining: 59, resetMs: 1_500 };
    const tokens = { limit: 1_000, remaining: 0, resetMs: 60_000 };
    expect(rateHeaders({ allowed: true, retryAfterMs: 0, requests, tokens })).toEqual([
      ...['x-ratelimit-limit-requests', '60', 'x-ratelimit-remaining-requests', '59'],
      ...['x-ratelimit-reset-requests', '1.5s'],
      ...['x-ratelimit-limit-tokens', '1000', 'x-ratelimit-remaining-tokens', '0'],
      ...['x-ratelimit-reset-tokens', '60s'],
    ]);
    expect(rateHeaders({ allowed: true, retryAfterMs: 0, requests: null, tokens: null })).toEqual([]);
  });

  it('tell the exact cost', () => {
    expect(costHeaders(8_550_000n, 'CNY')).toEqual(['x-tallystick-cost', '0.00000855', 'x-tallystick-currency', 'CNY']);
  });

  it('of an error are a flat list', () => {
    const { headers, body } = openaiError(new ApiError('no_channel', { retryAfterMs: 5_000 }), 'r1');
    expect(headers).toEqual([
      ...['x-request-id', 'r1', 'x-should-retry', 'true'],
      ...['retry-after', '5', 'retry-after-ms', '5000'],
    ]);
    expect(JSON.parse(body)).toMatchObject({ error: { code: 'no_channel' } });
  });
});
