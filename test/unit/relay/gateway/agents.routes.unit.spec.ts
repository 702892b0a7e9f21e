import { beforeEach, describe, expect, it } from 'vitest';
import { MemoryRateLimiter } from '../../../../infra/memory/rateLimiter.ts';
import { agentsRoute } from '../../../../services/relay/operations/agents.routes.ts';
import type { CallerKey, PricedModel } from '../../../../services/relay/ports.ts';
import { NOW } from '../../keys/keyExamples.ts';

const KEY: CallerKey = {
  ...{ keyId: 'key_1', accountId: 'acct_live1', mode: 'live', status: 'active', models: null },
  ...{ requestsPerMinute: null, tokensPerMinute: null, concurrency: null },
};
const priced = (model: string): PricedModel => ({
  ...{ model, currency: 'USD', priceVersion: 'v', price: { blended: 1 }, maxOutputTokens: 1 },
});

let served: ReadonlySet<string> | null;
let prices: readonly string[];
let ask: (key?: Partial<CallerKey>) => Promise<unknown>;

beforeEach(() => {
  served = new Set(['fastgpt', 'dify', 'gpt-4o']);
  prices = ['fastgpt', 'coze', 'gpt-4o'];
  const route = agentsRoute({
    router: { models: (mode) => (mode === 'live' ? served : null) },
    prices: { models: () => prices.map(priced) },
    limiter: new MemoryRateLimiter(),
    clock: { now: () => NOW, monotonic: () => NOW },
    uploads: new Set(['dify']),
  });
  if (route.policy !== 'apiKey') throw new Error('the list is for holders of keys');
  const call = { requestId: 'r', headers: {}, params: {}, query: new URLSearchParams(), body: undefined };
  ask = async (key = {}) => (await route.handle({ ...call, remoteAddress: '::1' }, { ...KEY, ...key })).body;
});

const available = async (key?: Partial<CallerKey>) => {
  const { data } = (await ask(key)) as { data: { id: string; available: boolean }[] };
  return data.filter((agent) => agent.available).map(({ id }) => id);
};

describe('the list of agents', () => {
  it('has every platform, and says which the key may call', async () => {
    const agent = (id: string, name: string, upload: boolean, usable: boolean) => ({
      ...{ id, name, platform: id, capabilities: { stream: true, upload }, available: usable },
    });
    expect(await ask()).toEqual({
      code: 0,
      msg: 'Success',
      data: [
        agent('fastgpt', 'FastGPT', false, true),
        agent('dify', 'Dify', true, false),
        agent('coze', 'Coze', false, false),
      ],
    });
  });

  it('follows the mode and the models of the key, the channels and the prices', async () => {
    expect(await available({ mode: 'test' })).toEqual(['fastgpt', 'coze']);
    expect(await available({ mode: 'test', models: new Set(['coze', 'dify']) })).toEqual(['coze']);
    served = new Set();
    expect(await available()).toEqual([]);
    served = null;
    prices = [];
    expect(await available()).toEqual([]);
  });

  it('is given to each key 30 times a minute', async () => {
    for (let count = 0; count < 30; count += 1) await ask();
    const refused = await ask().catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: 'rate_limit_exceeded' });
    expect((refused as { retryAfterMs: number }).retryAfterMs).toBeGreaterThan(0);
    await expect(ask({ keyId: 'key_2' })).resolves.toMatchObject({ code: 0 });
  });
});
