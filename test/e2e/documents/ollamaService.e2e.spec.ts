import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Developer } from '../../support/developer.ts';
import { send, type Answered } from '../../support/documents/httpSample.ts';
import { differences } from '../../support/documents/likeness.ts';
import { jsonSample, sample } from '../../support/documents/samples.ts';
import type { ScriptedCall } from '../../support/scriptedUpstream.ts';
import { startLiveService, type LiveService } from './liveService.ts';

/** Read models follow the log. */
const SOON = { timeout: 15_000 };

const SERVICE = 'ollamaService';
/** Yuan per 1 000 tokens, as the document lists them, and two of its “other models”. */
const PRICES = { llama2: 2, llama3: 3, mistral: 2.5, mixtral: 4, gemma: 2, codellama: 2.5, 'qwen2.5': 2.5 } as const;
const TAGGED = 'llama3:8b';
const DEAD = 'phi3';

let live: LiveService;
let developer: Developer;
let admin: Developer;
/** The developer's, with the limit of the sample. */
let key: string;

beforeAll(async () => {
  live = await startLiveService(({ origin }) => [
    { name: 'ollama', protocol: 'ollama', baseUrl: origin, models: [...Object.keys(PRICES), TAGGED], coolsOff: false },
    // Nobody listens at the first port.
    { name: 'dead', protocol: 'ollama', baseUrl: 'http://127.0.0.1:1', models: [DEAD], coolsOff: false },
  ]);
  live.provider.otherwise(answerAsOllama);
  const { firstRun, baseUrl } = live.service;
  [developer, admin] = await Promise.all([
    Developer.register(baseUrl),
    Developer.signIn(baseUrl, firstRun.email, firstRun.password),
  ]);
  ({ key } = await createKey());
});
afterAll(() => live.dispose());

/** 10 tokens in, 20 out. */
function answerAsOllama(call: ScriptedCall): void {
  const { model } = call.json() as { model: string };
  const said = call.path === '/api/chat' ? { message: { role: 'assistant', content: '你好！' } } : { response: '春天' };
  const counts = { prompt_eval_count: 10, eval_count: 20, total_duration: 5_000_000 };
  call.answer(200, { model, created_at: '2026-01-01T00:00:00Z', ...said, done: true, done_reason: 'stop', ...counts });
}

type Body = Readonly<Record<string, unknown>>;

/** Sends a sample, its placeholders filled in. */
const ask = <B = Body>(title: string, filledIn: Readonly<Record<string, string>>): Promise<Answered<B>> =>
  send<B>(live.service.baseUrl, sample(SERVICE, title, filledIn));
const asUser = () => ({ USER_JWT_TOKEN: developer.token });
const asAdmin = () => ({ ADMIN_JWT_TOKEN: admin.token });

async function createKey(limit = '1000000'): Promise<{ id: string; key: string }> {
  const created = await ask<{ id: string; key: string }>('create key', { ...asUser(), '1000000': limit });
  expect(created.status).toBe(201);
  return created.body;
}

describe('keys of the Ollama service’s document', () => {
  it('are created with the body of the sample, listed without their secret, and deleted', async () => {
    const created = await ask('create key', asUser());
    expect(created.status).toBe(201);
    expect(created.body).toMatchObject({ name: 'My API Key', usageLimit: 1_000_000, tokensUsed: 0, isActive: true });
    const { id, key: secret } = created.body as { id: string; key: string };

    const listed = await ask<{ keys: Body[] }>('list keys', asUser());
    expect(listed.status).toBe(200);
    expect(listed.body.keys).toContainEqual(expect.objectContaining({ id, isActive: true }));
    expect(listed.text).not.toContain(secret);

    expect(await ask('chat', { YOUR_API_KEY: secret })).toMatchObject({ status: 200 });
    expect(await ask('delete key', { ...asUser(), ':keyId': id })).toMatchObject({
      status: 200,
      body: { id, isActive: false, status: 'revoked' },
    });
    expect(await ask('chat', { YOUR_API_KEY: secret })).toMatchObject({
      status: 401,
      body: { code: 'INVALID_API_KEY' },
    });
  });
});

describe('what a key of the document asks', () => {
  it('is a chat, answered as Ollama does', async () => {
    const { status, body } = await ask('chat', { YOUR_API_KEY: key });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      model: 'llama2',
      message: { role: 'assistant', content: '你好！' },
      done: true,
      done_reason: 'stop',
      prompt_eval_count: 10,
      eval_count: 20,
    });
    expect(live.provider.calls.at(-1)?.json()).toMatchObject({ messages: [{ role: 'user', content: '你好，世界！' }] });
  });

  it('is a text, answered as Ollama does', async () => {
    const { status, body } = await ask('generate', { YOUR_API_KEY: key });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      model: 'llama2',
      response: '春天',
      done: true,
      prompt_eval_count: 10,
      eval_count: 20,
    });
    expect(live.provider.calls.at(-1)?.json()).toMatchObject({ prompt: '写一首关于春天的诗' });
  });

  it('is a list of the models that some channel serves', async () => {
    const { body } = await ask<{ models: { name: string }[] }>('models', { YOUR_API_KEY: key });
    const names = body.models.map(({ name }) => name);
    for (const model of Object.keys(PRICES)) expect(names).toContain(model);
    expect(names).not.toContain('gpt-4o');
  });

  it('may be authenticated by X-API-Key too', async () => {
    const filledIn = { YOUR_API_KEY: key, 'Authorization: Bearer': 'X-API-Key:' };
    expect(await ask('chat', filledIn)).toMatchObject({ status: 200 });
  });

  it('is answered by the simulated upstream for a test key, where there is no Ollama', async () => {
    const { firstRun } = live.service;
    for (const title of ['chat', 'generate']) {
      const { status, text } = await ask(title, { YOUR_API_KEY: firstRun.testKey });
      expect(status).toBe(200);
      expect(text).toContain('This is a simulated answer.');
    }
  });

  it.each([...Object.entries(PRICES), [TAGGED, PRICES.llama3] as const])(
    'costs for %s what the document says: %s yuan for a million tokens, over 1 000',
    async (model, thousandths) => {
      const { headers } = await ask('chat', { YOUR_API_KEY: key, llama2: model });
      expect(headers.get('x-tallystick-currency')).toBe('CNY');
      expect(Number(headers.get('x-tallystick-cost'))).toBe((30 * thousandths) / 1e6);
    },
  );
});

describe('usage in the document', () => {
  it('is counted for its user, by model and by key', async () => {
    const own = await Developer.register(live.service.baseUrl);
    const created = await ask('create key', { USER_JWT_TOKEN: own.token });
    const { id, key: ownKey } = created.body as { id: string; key: string };
    await ask('chat', { YOUR_API_KEY: ownKey });
    await ask('generate', { YOUR_API_KEY: ownKey, llama2: 'mixtral' });
    const usage = async () => (await ask('usage', { USER_JWT_TOKEN: own.token })).body;
    await expect.poll(async () => (await usage())['requests'], SOON).toBe(2);
    // 30 tokens at 0.002 and 30 at 0.004 yuan per 1 000.
    expect(await usage()).toMatchObject({
      tokens: 60,
      failedRequests: 0,
      costs: { CNY: '0.00018' },
      models: expect.arrayContaining([
        { model: 'llama2', requests: 1, failedRequests: 0, tokens: 30, costs: { CNY: '0.00006' } },
        { model: 'mixtral', requests: 1, failedRequests: 0, tokens: 30, costs: { CNY: '0.00012' } },
      ]) as unknown,
      keys: [{ keyId: id, requests: 2, failedRequests: 0, tokens: 60, costs: { CNY: '0.00018' } }],
    });
  });
});

describe('an administrator of the document', () => {
  it('sees the keys of all, and disables and enables one', async () => {
    const { id, key: secret } = await createKey();
    const all = await ask<{ keys: Body[] }>('all keys', { ...asAdmin(), '/keys': '/keys?limit=200' });
    expect(all.status).toBe(200);
    expect(all.body.keys).toContainEqual(
      expect.objectContaining({ id, accountId: developer.accounts.live, userId: developer.userId }),
    );
    expect(all.text).not.toContain(secret);

    const patch = { ...asAdmin(), ':keyId': id };
    expect((await ask('disable key', patch)).body).toMatchObject({ id, isActive: false, status: 'disabled' });
    await expect
      .poll(async () => (await ask('chat', { YOUR_API_KEY: secret })).body['code'], SOON)
      .toBe('AUTHENTICATION_ERROR');
    expect((await ask('disable key', { ...patch, false: 'true' })).body).toMatchObject({ id, isActive: true });
    await expect.poll(async () => (await ask('chat', { YOUR_API_KEY: secret })).status, SOON).toBe(200);
  });

  it('sees what the whole system uses', async () => {
    const stats = async () => (await ask<{ requests: number }>('all usage', asAdmin())).body;
    const before = (await stats()).requests;
    await ask('chat', { YOUR_API_KEY: key });
    await expect.poll(async () => (await stats()).requests, SOON).toBeGreaterThan(before);
    expect(await stats()).toMatchObject({ mode: 'live', days: 30, users: expect.any(Number) as unknown });
  });
});

describe('an error of the document', () => {
  const codeOf = async (answer: Promise<Answered>): Promise<readonly unknown[]> => {
    const { status, body } = await answer;
    expect(differences(body, jsonSample(SERVICE, 'error'))).toEqual([]);
    return [status, body['code']];
  };
  const chat = (filledIn: Readonly<Record<string, string>> = {}) => ask('chat', { YOUR_API_KEY: key, ...filledIn });

  it('is MISSING_API_KEY without a key', async () => {
    expect(await codeOf(ask('chat', { 'Authorization: Bearer YOUR_API_KEY\n': '' }))).toEqual([401, 'MISSING_API_KEY']);
  });

  it('is INVALID_API_KEY with one that is none', async () => {
    expect(await codeOf(ask('chat', { YOUR_API_KEY: 'sk-wrong' }))).toEqual([401, 'INVALID_API_KEY']);
  });

  it('is RATE_LIMIT_EXCEEDED when the limit of the key is used up', async () => {
    const { key: small } = await createKey('1');
    expect(await codeOf(ask('chat', { YOUR_API_KEY: small }))).toEqual([429, 'RATE_LIMIT_EXCEEDED']);
  });

  it('is AUTHENTICATION_ERROR for a token that is none, and for a key in its place', async () => {
    for (const token of ['ey.wrong.token', key]) {
      expect(await codeOf(ask('list keys', { USER_JWT_TOKEN: token }))).toEqual([401, 'AUTHENTICATION_ERROR']);
    }
  });

  it.each([['all keys'], ['all usage'], ['disable key']])(
    'is ADMIN_REQUIRED for others who ask for %s',
    async (title) => {
      const answer = ask(title, { ADMIN_JWT_TOKEN: developer.token });
      expect(await codeOf(answer)).toEqual([403, 'ADMIN_REQUIRED']);
    },
  );

  it('is MISSING_MESSAGES for a chat without any', async () => {
    expect(await codeOf(chat({ '"messages"': '"letters"' }))).toEqual([400, 'MISSING_MESSAGES']);
  });

  it('is MISSING_PROMPT for a text without one', async () => {
    expect(await codeOf(ask('generate', { YOUR_API_KEY: key, '"prompt"': '"wish"' }))).toEqual([400, 'MISSING_PROMPT']);
  });

  it('is AI_SERVICE_ERROR when Ollama fails', async () => {
    live.provider.next((call) => call.answer(500, { error: 'model runner has unexpectedly stopped' }));
    expect(await codeOf(chat())).toEqual([502, 'AI_SERVICE_ERROR']);
  });

  it('is OLLAMA_CONNECTION_ERROR when nobody is there', async () => {
    expect(await codeOf(chat({ llama2: DEAD }))).toEqual([503, 'OLLAMA_CONNECTION_ERROR']);
  });
});
