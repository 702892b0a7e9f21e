import { describe, expect, it } from 'vitest';
import { answerHeaders, costHeaders, rateHeaders } from '../../../services/relay/http/answerHeaders.ts';
import { modelRoutes } from '../../../services/relay/http/modelRoutes.ts';
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
  concurrency: null,
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

async function ask(path: string, caller: CallerKey, id = '', headers: Call['headers'] = {}): Promise<Reply> {
  const route = routes.find((one: Route) => one.path === path);
  if (route?.policy !== 'apiKey') throw new Error(`no route ${path} for API keys`);
  const call: Call = {
    requestId: 'r1',
    headers,
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
    expect(await ask('/v1/models/*id', key(null), 'vendor/c')).toEqual({ status: 200, body: shown('vendor/c') });
  });

  it.each([
    ['b', key(null)],
    ['a', key(['b'])],
    ['unpriced', key(null)],
    ['__proto__', key(null)],
  ])('do not include %s for everybody', async (id, caller) => {
    await expect(ask('/v1/models/*id', caller, id)).rejects.toMatchObject({ code: 'model_not_found', param: 'model' });
  });
});

describe('The list of models', () => {
  const caller = key(['a']);

  it.each([
    ['/v1/chat/models', {}, { object: 'list', data: [shown('a')] }],
    [
      '/v1/models',
      { authorization: 'Bearer k', 'anthropic-version': '2023-06-01' },
      {
        data: [{ type: 'model', id: 'a', display_name: 'a', created_at: '1970-01-01T00:00:00Z', max_tokens: 1 }],
        has_more: false,
        first_id: 'a',
        last_id: 'a',
      },
    ],
    [
      '/api/v1/chat/models',
      {},
      {
        success: true,
        data: [{ id: 'a', name: 'a', description: '', price_per_1k: 1e-9, currency: 'USD', tier: 'paid' }],
      },
    ],
  ])('at %s with %j has the shape of its clients', async (path, headers, body) => {
    expect(await ask(path, caller, '', headers)).toEqual({ status: 200, body });
  });

  it.each([
    ['/v1beta/models', {}],
    ['/v1/models', { 'x-goog-api-key': 'k' }],
  ])('at %s with %j is Gemini’s', async (path, headers) => {
    expect((await ask(path, caller, '', headers)).body).toMatchObject({ models: [{ name: 'models/a' }] });
  });

  it('is Ollama’s for the clients of its service', async () => {
    expect((await ask('/api/ai-service/models', caller)).body).toMatchObject({ models: [{ name: 'a', model: 'a' }] });
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

  it.each([
    ['openai', ['x-request-id', 'r1', 'x-ratelimit-limit-requests', '60']],
    ['claude', ['x-request-id', 'r1', 'request-id', 'r1', 'anthropic-ratelimit-requests-limit', '60']],
    ['gemini', ['x-request-id', 'r1']],
  ] as const)('are those that clients of %s know', (dialect, first) => {
    const requests = { limit: 60, remaining: 59, resetMs: 1_500 };
    const headers = answerHeaders(dialect, 'r1', { allowed: true, retryAfterMs: 0, requests, tokens: null }, NOW);
    expect(headers.slice(0, first.length)).toEqual(first);
    if (dialect === 'claude') {
      expect(headers.slice(-2)).toEqual(['anthropic-ratelimit-requests-reset', '2025-11-20T09:13:21.500Z']);
    }
  });
});
