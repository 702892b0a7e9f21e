import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Developer, hub } from '../../support/developer.ts';
import { chunksOf, send, type Answered } from '../../support/documents/httpSample.ts';
import { differences } from '../../support/documents/likeness.ts';
import { Workplace } from '../../support/documents/programs.ts';
import { jsonSample, sample } from '../../support/documents/samples.ts';
import { startBookedService, type BookedService } from '../clients/bookedService.ts';

/** Read models follow the log. */
const SOON = { timeout: 15_000 };

const GUIDE = 'developerGuide';
const HUB = 'https://api.aihub.com';
const SAYS = 'This is a simulated answer. You said:';

let service: BookedService;
let workplace: Workplace;
let key: string;

beforeAll(async () => {
  [service, workplace] = await Promise.all([startBookedService(), Workplace.open()]);
  key = service.firstRun.testKey;
});
afterAll(async () => {
  await service.dispose();
  await workplace.close();
});

interface Completion {
  readonly data: {
    readonly choices: readonly { readonly message: { readonly content: string } }[];
    readonly usage: { readonly total_tokens: number };
    readonly cost: number;
  };
}
interface HubError {
  readonly error: { readonly type: string; readonly code: string; readonly message: string };
}

/** Sends the guide's chat completion, its text exchanged where that is given. */
function complete(said = '你好，请介绍一下你自己', apiKey = key): Promise<Answered<Completion & HubError>> {
  const filledIn = { your_api_key_here: apiKey, '你好，请介绍一下你自己': said };
  return send(service.baseUrl, sample(GUIDE, 'chat completion', filledIn));
}

describe('the three steps to a key of AI Hub’s developer guide', () => {
  it('lead from registration over a token to a key that calls', async () => {
    const body = { email: 'guide@users.example', password: 'a long enough pass phrase' };
    expect((await hub(service.baseUrl, 'POST', '/auth/register', { body })).status).toBe(201);
    const { data: session } = (
      await hub<{ access_token: string; token_type: string }>(service.baseUrl, 'POST', '/auth/login', { body })
    ).body;
    expect(session.token_type).toBe('Bearer');
    const issued = await hub<{ key: string }>(service.baseUrl, 'POST', '/keys/keys', {
      body: { name: 'guide', mode: 'test' },
      token: session.access_token,
    });
    expect(issued.status).toBe(201);
    expect((await complete('你好', issued.body.data.key)).body.data.choices[0]?.message.content).toBe(`${SAYS} 你好`);
    const listed = await hub<object[]>(service.baseUrl, 'GET', '/keys/keys', { token: session.access_token });
    expect(listed.body.data).toMatchObject([{ name: 'guide', last4: issued.body.data.key.slice(-4) }]);
    expect(JSON.stringify(listed.body)).not.toContain(issued.body.data.key);
  });
});

describe('the three ways to authenticate', () => {
  const ways = ['Authorization', 'X-API-Key', 'api_key='] as const;
  const lineOf = (way: string) => {
    const lines = sample(GUIDE, 'authentication', { [HUB]: service.baseUrl, your_api_key_here: key }).split(/\n\n/);
    return lines.find((line) => line.includes(way)) ?? '';
  };

  it.each(ways)('let a completion through with %s, given the body that the lines leave out', async (way) => {
    const body = `-s -H 'Content-Type: application/json' -d '{"model":"gpt-4o-mini","messages":[{"role":"user","content":"Hi"}]}'`;
    const answer = JSON.parse(await workplace.shell(lineOf(way).replace('curl', `curl ${body}`))) as unknown;
    expect(answer).toMatchObject({ success: true, data: { choices: [{ message: { content: `${SAYS} Hi` } }] } });
  });

  it.each(ways)('as they stand only get, with %s, and are told in AI Hub’s words that it takes a post', async (way) => {
    const answer = JSON.parse(await workplace.shell(lineOf(way).replace('curl', 'curl -s'))) as unknown;
    expect(answer).toMatchObject({
      success: false,
      error: { type: 'invalid_request_error', code: 'method_not_allowed' },
    });
  });
});

describe('a chat completion of the guide', () => {
  it('is answered in the shape of its sample, at the price of its table', async () => {
    const { status, body, text } = await complete();
    expect(status).toBe(200);
    expect(differences(body, jsonSample(GUIDE, 'chat completion reply'))).toEqual([]);
    expect(Object.keys(body)).toEqual(['success', 'data']);
    expect(text).toMatch(/"cost":0\.\d+\}\}$/);
    expect(body).toMatchObject({
      success: true,
      data: { object: 'chat.completion', model: 'gpt-4o-mini', choices: [{ index: 0, finish_reason: 'stop' }] },
    });
    // 0.00015 USD per 1 000 tokens.
    expect(body.data.cost).toBe((body.data.usage.total_tokens * 150) / 1e9);
  });

  it('streams raw chunks without an envelope, and [DONE] at the end', async () => {
    const { status, headers, text } = await send(
      service.baseUrl,
      sample(GUIDE, 'chat stream', { your_api_key_here: key }),
    );
    expect(status).toBe(200);
    expect(headers.get('content-type')).toContain('text/event-stream');
    const chunks = chunksOf(text) as { choices: { delta: { content?: string } }[] }[];
    const [printed] = chunksOf(sample(GUIDE, 'chat stream reply'));
    expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')).toBe(`${SAYS} 请写一首关于春天的诗`);
    for (const chunk of chunks.slice(0, -1)) expect(differences(chunk, printed)).toEqual([]);
  });

  it('takes every parameter of its table', async () => {
    const all = { top_p: 0.9, frequency_penalty: 1, presence_penalty: -1, stream: false };
    const request = sample(GUIDE, 'chat completion', { your_api_key_here: key });
    const answer = await send(
      service.baseUrl,
      request.replace('"max_tokens"', `${JSON.stringify(all).slice(1, -1)}, "max_tokens"`),
    );
    expect(answer.body).toMatchObject({ success: true });
  });

  it('lists every model of its tables with its price', async () => {
    const { body } = await send<{ data: object[] }>(
      service.baseUrl,
      `GET /api/v1/chat/models\nAuthorization: Bearer ${key}`,
    );
    const prices = {
      ...{ 'gpt-4o-mini': 0.00015, 'llama-3.1-70b': 0.001, 'gpt-4o': 0.015, 'claude-3.5-sonnet': 0.003 },
      ...{ 'gemini-1.5-pro': 0.0025, 'grok-4-fast:free': 0, 'deepseek-chat-v3.1:free': 0 },
    };
    for (const [id, price] of Object.entries(prices)) {
      expect(body.data).toContainEqual(expect.objectContaining({ id, price_per_1k: price, currency: 'USD' }));
    }
  });
});

describe('usage and quota of the guide', () => {
  it('are in the shape of its samples, and count what was called', async () => {
    const developer = await Developer.register(service.baseUrl);
    const { id, key: own } = await developer.issueKey();
    const today = new Date().toISOString().slice(0, 10);
    const mini = (await complete('你好', own)).body.data;
    const llama = (
      await send<Completion>(
        service.baseUrl,
        sample(GUIDE, 'chat completion', { your_api_key_here: own, 'gpt-4o-mini': 'llama-3.1-70b' }),
      )
    ).body.data;
    const tokens = mini.usage.total_tokens + llama.usage.total_tokens;
    const ask = async (title: string, filledIn: Readonly<Record<string, string>> = {}) =>
      send<{ data: Readonly<Record<string, unknown>> }>(
        service.baseUrl,
        sample(GUIDE, title, { your_jwt_token_here: developer.token, ...filledIn }),
      );
    await expect
      .poll(async () => (await ask('usage', { '{key_id}': id })).body.data['total_tokens'], SOON)
      .toBe(tokens);

    const usage = await ask('usage', { '{key_id}': id });
    expect(differences(usage.body, jsonSample(GUIDE, 'usage reply', { '2025-01-15': today }))).toEqual([]);
    expect(usage.body.data).toMatchObject({ period_days: 30, total_requests: 2, success_rate: 100 });
    expect(usage.body.data['model_usage']).toMatchObject({
      'gpt-4o-mini': { requests: 1, tokens: mini.usage.total_tokens, cost: mini.cost },
      'llama-3.1-70b': { requests: 1, tokens: llama.usage.total_tokens, cost: llama.cost },
    });

    const quota = await ask('quota', { '/quota': '/quota?mode=test' });
    expect(differences(quota.body, jsonSample(GUIDE, 'quota reply'))).toEqual([]);
    expect(quota.body.data).toMatchObject({
      monthly_quota: 1_000_000,
      monthly_used: tokens,
      monthly_remaining: 1_000_000 - tokens,
      active_api_keys: 1,
      max_api_keys: 10,
    });
    expect((await ask('quota')).body.data).toMatchObject({ monthly_used: 0, active_api_keys: 0 });
  });
});

describe('an error of the guide', () => {
  it('has the shape of its sample', async () => {
    const { status, body } = await complete('你好', 'tly_test_wrong');
    expect(status).toBe(401);
    expect(differences(body, jsonSample(GUIDE, 'error'))).toEqual([]);
    expect(body.error).toMatchObject({ type: 'authentication_error', code: 'invalid_api_key' });
  });

  it('has the status and type of its table', async () => {
    const typed = async (answer: Promise<Answered<HubError>>) => {
      const { status, body } = await answer;
      return [status, body.error.type];
    };
    const developer = await Developer.register(service.baseUrl);
    const narrow = await developer.issueKey({ models: ['gpt-4o'] });
    const slow = await developer.issueKey({ limits: { requests_per_minute: 0 } });
    expect(await typed(complete('你好', ''))).toEqual([401, 'authentication_error']);
    expect(await typed(complete('你好', narrow.key))).toEqual([403, 'permission_error']);
    expect(await typed(complete('你好', slow.key))).toEqual([429, 'rate_limit_error']);
    const unsaid = sample(GUIDE, 'chat completion', { your_api_key_here: key, '"messages"': '"letters"' });
    expect(await typed(send(service.baseUrl, unsaid))).toEqual([400, 'invalid_request_error']);
    expect(await typed(complete('[[sim status=500]]'))).toEqual([502, 'server_error']);
  });

  it('meets the eleventh call of a key at once', async () => {
    const { key: own } = await (await Developer.register(service.baseUrl)).issueKey();
    const calls = await Promise.all(Array.from({ length: 11 }, () => complete('[[sim latency_ms=3000]]', own)));
    const refused = calls.filter(({ status }) => status !== 200);
    expect(refused.map(({ status, body }) => [status, body.error.type])).toEqual([[429, 'rate_limit_error']]);
  });
});

describe('the guide’s JavaScript client', () => {
  const program = (apiKey: string) =>
    sample(GUIDE, 'javascript client', { [HUB]: service.baseUrl, your_api_key_here: apiKey });

  it('prints an answer, and then another as it streams', async () => {
    const { stdout, stderr } = await workplace.node(program(key));
    expect(stderr).toBe('');
    expect(stdout).toBe(`${SAYS} 你好！\n${SAYS} 请写一首诗`);
  });

  it('says what it was refused for', async () => {
    await expect(workplace.node(program('tly_test_wrong'))).rejects.toThrow('API错误: 401 - The API key is not valid.');
  });
});
