import type OpenAI from 'openai';
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { embeddedUrl } from '../../../infra/postgres/embedded/files.ts';
import { Developer } from '../../support/developer.ts';
import { openai, saying } from '../clients/sdk.ts';
import { startCanaryWorld, TEXTS, type CanaryWorld } from './canaryWorld.ts';
import { CanarySearch, type Canaries } from './search.ts';

let world: CanaryWorld;
let developer: Developer;
/** Everything that must stand nowhere: the chosen texts, and the secrets that the service itself has made. */
let canaries: Canaries;
let search: CanarySearch;
let pool: pg.Pool;
let testKey: { readonly id: string; readonly key: string };
let liveKey: { readonly id: string; readonly key: string };

beforeAll(async () => {
  world = await startCanaryWorld();
  const { service } = world;
  pool = new pg.Pool({ connectionString: await embeddedUrl(service.dataDir), max: 1 });
  developer = await Developer.register(service.baseUrl, TEXTS.email, TEXTS.password);
  testKey = await developer.issueKey();
  liveKey = await developer.issueKey({ mode: 'live' });
  const rotated = await developer.issueKey();
  const { body } = await developer.call<{ key: string }>('POST', `/keys/keys/${rotated.id}/rotate`, {});
  const own = JSON.parse(readFileSync(path.join(service.dataDir, 'secrets.json'), 'utf8')) as Canaries;
  canaries = {
    ...TEXTS,
    testKey: testKey.key,
    liveKey: liveKey.key,
    rotatedKey: rotated.key,
    rotatedKeySuccessor: body.data.key,
    accessToken: developer.token,
    accessTokenSignature: developer.token.slice(developer.token.lastIndexOf('.') + 1),
    masterKey: own['masterKey'] ?? '',
    jwtSecret: own['jwtSecret'] ?? '',
    firstRunKey: service.firstRun.testKey,
    firstRunPassword: service.firstRun.password,
    databasePassword: new URL(await embeddedUrl(service.dataDir)).password,
  };
  search = new CanarySearch(canaries);
  await makeCallsOfEveryKind();
});
afterAll(() => world.dispose());

/** Body fields that carry a canary each. */
function loaded(content: string = TEXTS.prompt, model = 'tallystick-sim'): OpenAI.ChatCompletionCreateParams {
  return {
    model,
    messages: [
      { role: 'system', content: TEXTS.systemPrompt },
      {
        role: 'user',
        content: [
          { type: 'text', text: content },
          { type: 'image_url', image_url: { url: `data:image/png;base64,${TEXTS.image}` } },
        ],
      },
    ],
    tools: [{ type: 'function', function: { name: 'get_weather', description: TEXTS.toolDescription } }],
    metadata: { note: TEXTS.metadata },
    safety_identifier: TEXTS.endUser,
    stop: [TEXTS.metadata],
  };
}

/** Whatever comes of it: what counts is what stays behind. */
async function whatever(call: Promise<unknown>): Promise<void> {
  await call.catch(() => undefined);
}

async function readOn(stream: Promise<AsyncIterable<unknown>>): Promise<void> {
  await whatever(
    (async () => {
      for await (const chunk of await stream) expect(chunk).toBeDefined();
    })(),
  );
}

async function makeCallsOfEveryKind(): Promise<void> {
  const { service } = world;
  const client = (key: string, headers: Readonly<Record<string, string>> = {}) =>
    openai(service.baseUrl, key, { fetch: (input, init) => world.fetch(input, init), defaultHeaders: headers });
  const inHeaders = { Cookie: `session=${TEXTS.cookie}`, 'X-Custom': TEXTS.header, 'User-Agent': TEXTS.header };
  const test = client(testKey.key, inHeaders);
  const live = client(liveKey.key, inHeaders);

  await answersAndFailuresOfTheSimulation(test);
  await answersAndFailuresOfAProvider(live);
  await Promise.all(
    Object.values({ ...TEXTS, testKey: testKey.key, liveKey: liveKey.key, token: developer.token }).map(refusedBefore),
  );
  await requestsThatAreNone();
  await signInsThatFail();
  await developer.call('PATCH', `/keys/keys/${testKey.id}`, { name: TEXTS.unknownField });
  await developer.call('DELETE', `/keys/keys/${testKey.id}`);
  await whatever(test.chat.completions.create(loaded()));
}

async function answersAndFailuresOfTheSimulation(client: OpenAI): Promise<void> {
  await client.chat.completions.create(loaded());
  await client.chat.completions.create(loaded(), { headers: { 'Idempotency-Key': TEXTS.idempotencyKey } });
  await client.chat.completions.create(loaded(), { headers: { 'Idempotency-Key': TEXTS.idempotencyKey } });
  await whatever(
    client.chat.completions.create(loaded('other'), { headers: { 'Idempotency-Key': TEXTS.idempotencyKey } }),
  );
  for (const directive of [
    '',
    '[[sim tool=get_weather]]',
    '[[sim error_after=2]]',
    '[[sim cut_after=2]]',
    '[[sim usage=none]]',
  ]) {
    const content = `${TEXTS.prompt} ${directive}`;
    await readOn(client.chat.completions.create({ ...loaded(content), stream: true }));
    await readOn(
      client.chat.completions.create({ ...loaded(content), stream: true, stream_options: { include_usage: true } }),
    );
  }
  for (const status of [400, 401, 402, 404, 429, 500, 503, 504]) {
    await whatever(client.chat.completions.create(loaded(`${TEXTS.prompt} [[sim status=${String(status)}]]`)));
  }
  await whatever(client.chat.completions.create(loaded(`${TEXTS.prompt} [[sim ${TEXTS.unknownField}]]`)));
  const stream = await client.chat.completions.create({
    ...loaded(`${TEXTS.prompt} [[sim chunks=100 chunk_delay_ms=20]]`),
    stream: true,
  });
  for await (const chunk of stream) if (chunk.choices[0]?.delta.content) stream.controller.abort();
  await whatever(
    client.chat.completions.create(loaded(`${TEXTS.prompt} [[sim hang=before]]`), { timeout: 300, maxRetries: 0 }),
  );
  await whatever(client.chat.completions.create({ ...loaded(), model: TEXTS.model }));
  await whatever(client.models.retrieve(TEXTS.model));
}

async function answersAndFailuresOfAProvider(client: OpenAI): Promise<void> {
  const { provider } = world;
  const echo = [TEXTS.providerKey, TEXTS.secondProviderKey, liveKey.key, developer.token, TEXTS.email].join(' and ');
  const words = (name: string) => `${name} ${TEXTS.prompt}`;
  provider.onMessage('plain', { content: TEXTS.answer });
  // More than was held is worth a line in the log.
  provider.onMessage('fortune', { content: TEXTS.answer, usage: { prompt_tokens: 1e9, completion_tokens: 1e9 } });
  provider.onMessage('call', {
    toolCalls: [{ name: 'get_weather', arguments: JSON.stringify({ a: TEXTS.toolArguments }) }],
  });
  provider.onMessage('echoing', { content: TEXTS.answer, finishReason: TEXTS.answer, id: TEXTS.answer });
  provider.onMessage(
    'cut',
    { content: TEXTS.answer.repeat(20) },
    { streamingProfile: { tps: 100 }, truncateAfterChunks: 5 },
  );
  provider.onMessage('late', { content: TEXTS.answer }, { chaos: { latencyMs: 1_500 } });
  provider.onMessage('broken', { content: TEXTS.answer }, { chaos: { malformedRate: 1 } });
  provider.onMessage('dropped', { content: TEXTS.answer }, { chaos: { disconnectRate: 1 } });
  for (const status of [400, 401, 403, 404, 413, 422, 429, 500]) {
    const error = { message: `Failed with ${echo}`, type: 'error', code: 'some_code' };
    provider.onMessage(`status ${String(status)}`, { error, status });
  }
  for (const model of ['gpt-4o-mini', 'gpt-4o']) {
    for (const name of [
      'plain',
      'fortune',
      'call',
      'echoing',
      'cut',
      'late',
      'broken',
      'dropped',
      'status 400',
      'status 422',
    ]) {
      await whatever(client.chat.completions.create(loaded(words(name), model)));
      await readOn(client.chat.completions.create({ ...loaded(words(name), model), stream: true }));
    }
  }
  for (const status of [401, 403, 404, 413, 429, 500]) {
    await whatever(client.chat.completions.create(loaded(words(`status ${String(status)}`), 'gpt-4o-mini')));
  }
  await whatever(client.chat.completions.create(loaded(words('nothing matches'), 'gpt-4o-mini')));
}

/** A secret in every place where it should not be, on a call that is refused. */
async function refusedBefore(secret: string): Promise<void> {
  const { baseUrl } = world.service;
  const chat = `${baseUrl}/v1/chat/completions`;
  const escaped = encodeURIComponent(secret);
  const body = JSON.stringify(saying(secret));
  const json = { 'content-type': 'application/json' };
  const post = (url: string, headers: Readonly<Record<string, string>>, text = body) =>
    whatever(world.fetch(url, { method: 'POST', headers: { ...json, ...headers }, body: text }));
  await post(chat, { authorization: `Bearer ${secret}x` });
  await post(chat, { 'x-api-key': `${secret}x` });
  await post(chat, { authorization: `Basic ${Buffer.from(`user:${secret}`).toString('base64')}` });
  await post(`${chat}?api_key=${escaped}`, {});
  await post(`${chat}?key=${escaped}&token=${escaped}`, { cookie: `key=${escaped}` });
  await post(chat, { authorization: `Bearer ${testKey.key}` }, `{"model":"tallystick-sim","messages":"${secret}`);
  await post(chat, { authorization: `Bearer ${testKey.key}` }, JSON.stringify({ [secret]: secret }));
  await post(chat, { authorization: `Bearer ${testKey.key}` }, JSON.stringify({ ...saying('x'), temperature: secret }));
  await post(chat, { authorization: `Bearer ${testKey.key}`, 'idempotency-key': secret.repeat(20) });
  await post(chat, { authorization: `Bearer ${testKey.key}`, 'content-type': `text/${escaped}` });
  await post(chat, { authorization: `Bearer ${testKey.key}` }, JSON.stringify(saying(secret.repeat(4_000))));
  for (const place of ['keys/quota', 'keys/keys', `keys/keys/${escaped}/usage`]) {
    const url = `${baseUrl}/api/v1/developer/${place}`;
    await whatever(
      world.fetch(`${url}?mode=${escaped}&api_key=${escaped}`, { headers: { authorization: `Bearer ${secret}` } }),
    );
    await whatever(world.fetch(`${url}?mode=${escaped}`, { headers: { authorization: `Bearer ${developer.token}` } }));
  }
  await whatever(world.fetch(`${baseUrl}/${escaped}?${escaped}=${escaped}`));
  await whatever(world.fetch(`${baseUrl}/api/${escaped}`));
}

async function requestsThatAreNone(): Promise<void> {
  for (const secret of [testKey.key, TEXTS.header, developer.token]) {
    await world.raw(`${secret}\r\n\r\n`);
    await world.raw(`POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${secret}\0\r\n\r\n`);
    await world.raw(
      `GET /${secret} HTTP/1.1\r\nHost: ${secret}\r\nConnection: close\r\nX: ${secret.repeat(500)}\r\n\r\n`,
    );
  }
}

async function signInsThatFail(): Promise<void> {
  const auth = `${world.service.baseUrl}/api/v1/developer/auth`;
  const send = (place: string, body: string) =>
    whatever(
      world.fetch(`${auth}/${place}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body }),
    );
  await send('login', JSON.stringify({ email: TEXTS.email, password: TEXTS.wrongPassword }));
  await send('login', JSON.stringify({ email: `x${TEXTS.email}`, password: TEXTS.password }));
  await send('login', `{"email":"${TEXTS.email}","password":"${TEXTS.password}","note":"${TEXTS.brokenJson}`);
  await send('login', JSON.stringify({ email: TEXTS.email, password: TEXTS.password, note: TEXTS.unknownField }));
  await send('register', JSON.stringify({ email: TEXTS.email, password: TEXTS.wrongPassword, name: TEXTS.name }));
  await send(
    'register',
    JSON.stringify({ email: `second-${TEXTS.email}`, password: TEXTS.wrongPassword, name: TEXTS.name }),
  );
  await send('register', JSON.stringify({ email: TEXTS.email, password: 'short', name: TEXTS.name }));
  await send(`login?password=${encodeURIComponent(TEXTS.password)}`, '{}');
}

describe('what was meant to stay is found by the same search, so the search works', () => {
  it('in the tables: the hash of a key, what a list shows of it, and who it belongs to', async () => {
    const known = new CanarySearch({
      hash: hash('sha256', liveKey.key),
      shown: liveKey.key.slice(0, 13),
      user: developer.userId,
      account: developer.accounts.live,
    });
    const { found } = await known.inTables(pool);
    expect(found).toEqual(
      expect.arrayContaining([
        'hash in keys.api_keys',
        'hash in public.events',
        'shown in keys.api_keys',
        'user in keys.users',
        'account in requests.log',
        'account in audit.entries',
      ]),
    );
  });

  it('in the files and the log: the address of the service, and in the metrics: its calls', async () => {
    const known = new CanarySearch({ address: world.service.baseUrl });
    expect((await known.inFiles(world.service.dataDir)).found).toContain('address in first-run.json');
    expect(known.in(world.service.output())).toEqual(['address']);
    expect(new CanarySearch({ calls: 'relay_requests_total' }).in(await metrics())).toEqual(['calls']);
  });

  it('and the calls were of every kind', async () => {
    await vi.waitFor(async () => {
      const { rows } = await pool.query('SELECT 1 FROM holds');
      expect(rows).toEqual([]);
    });
    const { rows } = await pool.query<{ kind: string }>(
      `SELECT DISTINCT concat_ws(' ', mode, status, streamed, source) AS kind FROM requests.log`,
    );
    expect(rows.map(({ kind }) => kind)).toEqual(
      expect.arrayContaining([
        'test completed f reported',
        'test completed t reported',
        'test completed t estimated',
        'test failed f none',
        'test failed t estimated',
        'test aborted t estimated',
        'live completed f reported',
        'live completed t reported',
        'live failed f none',
        'live failed t estimated',
      ]),
    );
    expect(world.errorReplies.length).toBeGreaterThan(300);
  });
});

describe('no key, password, address, token, prompt or answer stands', () => {
  it('in any table of any schema', async () => {
    const { tables, found } = await search.inTables(pool);
    expect(tables).toBeGreaterThan(80);
    expect(found).toEqual([]);
  });

  it('in the metrics', async () => {
    expect(search.in(await metrics())).toEqual([]);
  });

  it('in any reply with an error', () => {
    const leaking = world.errorReplies.filter((reply) => search.in(reply).length > 0);
    expect(leaking.map((reply) => `${search.in(reply).join(', ')}: ${reply.slice(-400)}`)).toEqual([]);
  });

  it('in anything printed at debug level, but for the first key in the line that a newcomer is to copy', () => {
    const { forNewcomers, log } = printed();
    expect(search.in(forNewcomers)).toEqual(['firstRunKey']);
    expect(log).toContain('usage above its hold');
    expect(search.in(log)).toEqual([]);
  });

  it('in any file of the data directory, with the books closed, but those that are there to hold secrets', async () => {
    await pool.end();
    expect(await world.service.stop()).toBe(0);
    const { files, found } = await search.inFiles(world.service.dataDir, [
      'secrets.json',
      'first-run.json',
      'postgres.password',
    ]);
    expect(files).toBeGreaterThan(500);
    expect(found).toEqual([]);
    expect(search.in(printed().log)).toEqual([]);
  });
});

async function metrics(): Promise<string> {
  return (await fetch(`${world.service.baseUrl}/metrics`)).text();
}

/** What the service has printed: up to the line to copy, and after it. */
function printed(): { readonly forNewcomers: string; readonly log: string } {
  const [, forNewcomers = '', log = ''] = /^([^]*?\n\ncurl -s [^\n]+\n)([^]*)$/.exec(world.service.output()) ?? [];
  return { forNewcomers, log };
}
