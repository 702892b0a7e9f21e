import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Developer } from '../../support/developer.ts';
import { chunksOf, send } from '../../support/documents/httpSample.ts';
import { differences } from '../../support/documents/likeness.ts';
import { Workplace } from '../../support/documents/programs.ts';
import { jsonSample, sample } from '../../support/documents/samples.ts';
import { answerAsPlatform, PLATFORMS, type Platform } from './agentPlatforms.ts';
import { startLiveService, type LiveService } from './liveService.ts';

const GATEWAY = 'agentGateway';
const LOCAL = 'http://localhost:3000';
const SAYS = 'This is a simulated answer. You said:';
const NAMES = Object.keys(PLATFORMS) as Platform[];

let live: LiveService;
let workplace: Workplace;
let developer: Developer;
let testKey: string;
let liveKey: string;

beforeAll(async () => {
  workplace = await Workplace.open();
  live = await startLiveService(({ origin }) =>
    NAMES.map((name) => ({
      name,
      protocol: name,
      baseUrl: name === 'fastgpt' ? `${origin}/api` : origin,
      models: { [name]: 'bot-7' },
      coolsOff: false,
    })),
  );
  live.provider.otherwise(answerAsPlatform);
  testKey = live.service.firstRun.testKey;
  developer = await Developer.register(live.service.baseUrl);
  liveKey = (await developer.issueKey({ mode: 'live' })).key;
});
afterAll(async () => {
  await live.dispose();
  await workplace.close();
});

interface Chat {
  readonly id: string;
  readonly usage: { readonly total_tokens: number };
  readonly choices: readonly { readonly message: { readonly content: string } }[];
}
interface Chunk {
  readonly id: string;
  readonly choices: readonly { readonly delta: { readonly content?: string } }[];
}
interface Envelope<Data = Readonly<Record<string, unknown>>> {
  readonly code: number;
  readonly msg: string;
  readonly detail: string;
  readonly data: Data;
}

/** What a sample's line prints with a key, which all of them lack: the document takes the platform's name for one. */
async function curl(title: string, key: string, filledIn: Readonly<Record<string, string>> = {}): Promise<string> {
  const line = sample(GATEWAY, title, { [LOCAL]: live.service.baseUrl, ...filledIn });
  return workplace.shell(line.replace('curl', `curl -s -H 'Authorization: Bearer ${key}'`));
}

/** `fastgpt` of a sample, as another platform. */
const at = (agent: string) => ({ 'agent: fastgpt': `agent: ${agent}` });

/** Requests that are no samples. */
const ask = <Data = Readonly<Record<string, unknown>>>(line: string, credential: string, body?: object) =>
  send<Envelope<Data>>(
    live.service.baseUrl,
    `${line}\nAuthorization: Bearer ${credential}\nContent-Type: application/json\nAgent: fastgpt` +
      (body ? `\n\n${JSON.stringify(body)}` : ''),
  );

describe('a chat of the gateway’s document', () => {
  it('is answered bare, in the shape of the sample, by the simulated upstream for a test key', async () => {
    const answer = JSON.parse(await curl('chat', testKey)) as Chat;
    expect(differences(answer, jsonSample(GATEWAY, 'chat reply'))).toEqual([]);
    expect(answer).toMatchObject({
      model: 'fastgpt',
      choices: [
        {
          index: 0,
          finish_reason: 'stop',
          message: { role: 'assistant', content: `${SAYS} 你好，请介绍一下AI Gateway` },
        },
      ],
    });
  });

  it('streams chunks that all bear the id of the conversation', async () => {
    const chunks = chunksOf(await curl('chat stream', testKey)) as Chunk[];
    const said = chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('');
    expect(said).toBe(`${SAYS} 请详细介绍一下AI Gateway的功能`);
    expect(new Set(chunks.map(({ id }) => id)).size).toBe(1);
  });

  it('goes on where it was left, for the same user only', async () => {
    const { id } = JSON.parse(await curl('chat', liveKey)) as Chat;
    const followed = (user: string) =>
      curl('chat', liveKey, { '"user": "test_user"': `"user": "${user}", "conversation_id": "${id}"` });
    expect(JSON.parse(await followed('test_user'))).toMatchObject({ id });
    expect(JSON.parse(await followed('another'))).toMatchObject({ code: 404, detail: 'not_found' });
  });

  it.each(NAMES)('reaches %s, whole and streamed, and is billed by its tokens', async (name) => {
    const whole = JSON.parse(await curl('chat', liveKey, at(name))) as Chat;
    expect(whole).toMatchObject({
      model: name,
      usage: { prompt_tokens: 7, completion_tokens: 3, total_tokens: 10 },
      choices: [{ message: { role: 'assistant', content: '你好！' }, finish_reason: 'stop' }],
    });
    const chunks = chunksOf(await curl('chat stream', liveKey, at(name))) as Chunk[];
    expect(chunks.map(({ choices }) => choices[0]?.delta.content ?? '').join('')).toBe('你好！');
    const paths = live.provider.calls.slice(-2).map(({ path }) => path.split('?')[0]);
    expect(paths).toEqual([PLATFORMS[name].path, PLATFORMS[name].path]);
  });

  it.each(sample(GATEWAY, 'agents').match(/^-H .+$/gm) ?? [])('is directed by the header %s', async (header) => {
    const line = sample(GATEWAY, 'chat', { [LOCAL]: live.service.baseUrl, "-H 'agent: fastgpt'": header });
    const answer = await workplace.shell(line.replace('curl', `curl -s -H 'X-API-Key: ${testKey}'`));
    expect(header).toContain(`Agent: ${(JSON.parse(answer) as { model: string }).model}`);
  });
});

describe('the gateway’s other routes', () => {
  it('log a user in, by e-mail address or as username', async () => {
    const { email, password } = developer;
    for (const who of [{ email }, { username: email }]) {
      const { status, body } = await ask<{ token: string }>('POST /api/v1/login', 'none', { ...who, password });
      expect(status).toBe(200);
      expect(body).toMatchObject({
        code: 0,
        msg: 'Success',
        data: { token_type: 'Bearer', user_id: developer.userId },
      });
      expect(body.data.token).toMatch(/^ey/);
    }
  });

  it('issue a key that chats', async () => {
    const { email, password } = developer;
    const login = await ask<{ token: string }>('POST /api/v1/login', 'none', { email, password });
    const issued = await ask<{ key: string }>('POST /api/v1/api-keys', login.body.data.token, { mode: 'test' });
    expect(issued).toMatchObject({ status: 200, body: { code: 0, msg: 'Success', data: { status: 'active' } } });
    expect(JSON.parse(await curl('chat', issued.body.data.key))).toMatchObject({ model: 'fastgpt' });
  });

  it('list every platform and whether a key may use it', async () => {
    const narrow = await developer.issueKey({ mode: 'live', models: ['dify'] });
    const { status, body } = await ask<object[]>('GET /api/v1/agents', narrow.key);
    expect(status).toBe(200);
    expect(body).toMatchObject({ code: 0, msg: 'Success' });
    expect(body.data).toEqual(
      NAMES.map((name) => expect.objectContaining({ id: name, platform: name, available: name === 'dify' }) as unknown),
    );
  });
});

describe('an error of the gateway', () => {
  it('has the shape of its sample, and its status as its code', async () => {
    const failed = async (answer: ReturnType<typeof ask>) => {
      const { status, body } = await answer;
      expect(differences(body, jsonSample(GATEWAY, 'error'))).toEqual([]);
      expect(body.code).toBe(status);
      return [status, body.detail];
    };
    const chat = { query: 'Hi', user: 'test_user' };
    expect(await failed(ask('POST /api/v1/chat', testKey, { user: 'test_user' }))).toEqual([400, 'invalid_request']);
    expect(await failed(ask('POST /api/v1/chat', 'sk-wrong', chat))).toEqual([401, 'invalid_api_key']);
    expect(await failed(ask('POST /api/v1/login', 'none', { email: developer.email, password: 'wrong' }))).toEqual([
      401,
      'invalid_credentials',
    ]);
    const unknown = { ...chat, conversation_id: 'nowhere' };
    expect(await failed(ask('POST /api/v1/chat', testKey, unknown))).toEqual([404, 'not_found']);
  });

  it('is told to a caller of the line as it stands, for the name of a platform is no key', async () => {
    const line = sample(GATEWAY, 'chat', { [LOCAL]: live.service.baseUrl });
    const answer = JSON.parse(await workplace.shell(line.replace('curl', 'curl -s'))) as unknown;
    expect(answer).toMatchObject({ code: 401, detail: 'missing_api_key' });
  });

  it('says which header is missing, and that a platform is not known', async () => {
    expect(JSON.parse(await curl('chat', testKey, { "  -H 'agent: fastgpt' \\\n": '' }))).toMatchObject({ code: 400 });
    expect(JSON.parse(await curl('chat', testKey, at('langflow')))).toMatchObject({ code: 404, detail: 'not_found' });
  });
});

describe('in a minute the gateway allows', () => {
  /** How many of `wished` requests of a new key are let through. */
  async function allowed(wished: number, request: (key: string) => Promise<number>): Promise<number> {
    const { key } = await developer.issueKey({ limits: { concurrency: 100 } });
    const statuses: number[] = [];
    // One after another: what counts is the number in a minute, not how many at once.
    for (let at = 0; at < wished; at += 1) statuses.push(await request(key));
    expect(new Set(statuses)).toEqual(new Set([200, 429]));
    expect(statuses.lastIndexOf(200)).toBe(statuses.indexOf(429) - 1);
    return statuses.filter((status) => status === 200).length;
  }

  it('60 chats of a key', async () => {
    const chat = { query: 'Hi', user: 'test_user' };
    expect(await allowed(61, async (key) => (await ask('POST /api/v1/chat', key, chat)).status)).toBe(60);
  });

  it('30 questions for the agents', async () => {
    expect(await allowed(31, async (key) => (await ask('GET /api/v1/agents', key)).status)).toBe(30);
  });
});
