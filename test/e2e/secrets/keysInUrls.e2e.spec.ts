import { connect } from 'node:net';
import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startBookedService, type BookedService } from '../clients/bookedService.ts';
import { Developer } from '../../support/developer.ts';
import { ScriptedUpstream, type ScriptedCall } from '../../support/scriptedUpstream.ts';
import { freshDirectory } from '../../support/serviceProcess.ts';
import { CanarySearch } from './search.ts';

const MESSAGES = [{ role: 'user', content: 'hi' }];
const CHAT = { model: 'gpt-4o-mini', messages: MESSAGES };
const CONTENTS = { contents: [{ role: 'user', parts: [{ text: 'hi' }] }] };
const GEMINI = '/v1beta/models/gemini-2.5-flash';

let upstream: ScriptedUpstream;
let service: BookedService;
let search: CanarySearch;
let live: string;
let test: string;
/** What clients were told with an error status, heads included. */
const errors: string[] = [];

/** An upstream that repeats what it was asked when it fails, as careless ones do. */
function answer(call: ScriptedCall): void {
  const failing = call.body.includes('fail');
  const echo = `${call.path} ${JSON.stringify(call.headers)}`;
  if (failing) call.answer(call.body.includes('invalid') ? 400 : 500, { error: { message: `Failed: ${echo}` } });
  else if (call.path.includes('generateContent')) call.answer(200, GEMINI_ANSWER);
  else call.answer(200, CHAT_ANSWER);
}

const GEMINI_ANSWER = {
  candidates: [{ content: { parts: [{ text: 'hello' }], role: 'model' }, finishReason: 'STOP', index: 0 }],
  usageMetadata: { promptTokenCount: 3, candidatesTokenCount: 4, totalTokenCount: 7 },
};
const CHAT_ANSWER = {
  id: 'chatcmpl-1',
  object: 'chat.completion',
  created: 1_763_630_000,
  model: 'gpt-4o-mini',
  choices: [{ index: 0, message: { role: 'assistant', content: 'hello' }, finish_reason: 'stop' }],
  usage: { prompt_tokens: 3, completion_tokens: 4, total_tokens: 7 },
};

beforeAll(async () => {
  upstream = await ScriptedUpstream.start();
  upstream.otherwise(answer);
  const file = path.join(await freshDirectory(), 'channels.yaml');
  const channels = [
    { name: 'google', protocol: 'gemini', baseUrl: `${upstream.origin}/v1beta`, models: ['gemini-2.5-flash'] },
    { name: 'openai', baseUrl: upstream.baseUrl, models: ['gpt-4o-mini'] },
  ].map((channel) => ({ ...channel, apiKeyEnv: 'PROVIDER_KEY', coolsOff: false }));
  await writeFile(file, JSON.stringify({ channels }));
  service = await startBookedService({ CHANNELS_FILE: file, LOG_LEVEL: 'debug', PROVIDER_KEY: 'provider-key' });
  const developer = await Developer.register(service.baseUrl);
  live = (await developer.issueKey({ mode: 'live' })).key;
  test = (await developer.issueKey()).key;
  search = new CanarySearch({ live, test });
});

afterAll(async () => {
  await service.dispose();
  await upstream.close();
});

interface Told {
  readonly status: number;
  readonly text: string;
}

async function ask(method: 'GET' | 'POST', target: string, body?: object | string): Promise<Told> {
  const response = await fetch(service.baseUrl + target, {
    method,
    headers: { 'content-type': 'application/json' },
    ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  if (response.status >= 400) errors.push(`${JSON.stringify([...response.headers])}\n${text}`);
  return { status: response.status, text };
}

const saying = (content: string) => ({ ...CHAT, messages: [{ role: 'user', content }] });
const asking = (text: string) => ({ contents: [{ role: 'user', parts: [{ text }] }] });

describe('A key in the query of a route that documents it', () => {
  it.each([
    ['POST', `${GEMINI}:generateContent?key=KEY`, CONTENTS],
    ['POST', `${GEMINI}:generateContent?$alt=json&key=KEY&prettyPrint=false`, CONTENTS],
    ['POST', `${GEMINI}:streamGenerateContent?alt=sse&key=KEY`, CONTENTS],
    ['POST', `${GEMINI}:streamGenerateContent?key=KEY`, CONTENTS],
    ['POST', `${GEMINI}:countTokens?key=KEY`, CONTENTS],
    ['GET', '/v1beta/models?key=KEY&pageSize=5', undefined],
    ['GET', `${GEMINI}?key=KEY`, undefined],
    ['POST', '/api/v1/chat/completions?api_key=KEY', CHAT],
    ['POST', '/api/v1/chat/stream?api_key=KEY', CHAT],
    ['GET', '/api/v1/chat/models?api_key=KEY', undefined],
  ] as const)('%s %s is accepted', async (method, target, body) => {
    for (const key of [live, encodeURIComponent(live)]) {
      const told = await ask(method, target.replace('KEY', key), body);
      expect(told.status, told.text).toBe(200);
    }
  });

  it.each([
    ['an upstream that fails', 502, `${GEMINI}:generateContent?key=KEY`, asking('fail')],
    ['an upstream that refuses', 400, `${GEMINI}:generateContent?key=KEY`, asking('fail, invalid')],
    ['a stream that fails', 502, `${GEMINI}:streamGenerateContent?alt=sse&key=KEY`, asking('fail')],
    ['a hub call that fails', 502, '/api/v1/chat/completions?api_key=KEY', saying('fail')],
    ['a hub stream that is refused', 400, '/api/v1/chat/stream?api_key=KEY', saying('fail, invalid')],
    ['a body that is none', 400, `${GEMINI}:generateContent?key=KEY`, '{'],
    ['a hub body that is none', 400, '/api/v1/chat/completions?api_key=KEY', '{'],
    ['an unknown method', 404, `${GEMINI}:doNothing?key=KEY`, CONTENTS],
    ['an unknown model', 404, '/v1beta/models/no-such:generateContent?key=KEY', CONTENTS],
    ['a key as the model', 404, '/v1beta/models/KEY:generateContent?key=KEY', CONTENTS],
    ['a key that is none', 401, `${GEMINI}:generateContent?key=KEYx`, CONTENTS],
    ['a hub key that is none', 401, '/api/v1/chat/completions?api_key=KEYx', CHAT],
  ] as const)('%s answers %i', async (_what, status, target, body) => {
    const told = await ask('POST', target.replaceAll('KEY', live), body);
    expect(told.status, told.text).toBe(status);
  });
});

describe('A key in the query of a route that does not document it', () => {
  it.each([
    ['POST', '/v1/chat/completions?key=KEY', CHAT],
    ['POST', '/v1/chat/completions?api_key=KEY', CHAT],
    ['POST', '/v1/messages?key=KEY', { ...CHAT, max_tokens: 5 }],
    ['POST', '/v1/responses?api_key=KEY', { model: 'gpt-4o-mini', input: 'hi' }],
    ['POST', '/v1/embeddings?key=KEY', { model: 'text-embedding-3-small', input: 'hi' }],
    ['POST', '/api/ai-service/chat?api_key=KEY', CHAT],
    ['POST', '/api/v1/chat?api_key=KEY', { query: 'hi', user: 'u' }],
    ['POST', '/api/v1/chat/completions?key=KEY', CHAT],
    ['POST', `${GEMINI}:generateContent?api_key=KEY`, CONTENTS],
    ['POST', `${GEMINI}:generateContent?access_token=KEY`, CONTENTS],
    ['GET', '/v1/chat/models?key=KEY', undefined],
    ['GET', '/api/ai-service/models?api_key=KEY', undefined],
    ['GET', '/api/v1/agents?api_key=KEY', undefined],
    ['GET', '/api/v1/developer/keys/keys?key=KEY', undefined],
  ] as const)('%s %s is as if it were not there: 401', async (method, target, body) => {
    const told = await ask(method, target.replaceAll('KEY', live), body);
    expect(told.status, told.text).toBe(401);
  });
});

describe('A key in a WebSocket handshake', () => {
  it.each(['/v1/realtime?model=gpt-realtime', '/v1/realtime?model=gpt-realtime&api_key=KEY', '/v1/chat/completions'])(
    'is never said back at %s',
    async (target) => {
      const head = await handshake(target.replace('KEY', test));
      errors.push(head);
      expect(search.in(head)).toEqual([]);
      const selected = /^sec-websocket-protocol: *(.*)$/im.exec(head)?.[1]?.trim();
      expect(['realtime', undefined]).toContain(selected);
    },
  );
});

/** The head of what a handshake with a key among its subprotocols is answered. */
async function handshake(target: string): Promise<string> {
  const socket = connect(Number(new URL(service.baseUrl).port), '127.0.0.1');
  socket.write(
    `GET ${target} HTTP/1.1\r\nHost: relay\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n` +
      `Sec-WebSocket-Protocol: realtime, openai-insecure-api-key.${test}, openai-beta.realtime-v1\r\n\r\n`,
  );
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.once('data', (bytes) => {
      socket.destroy();
      resolve(bytes.toString('latin1'));
    });
  });
}

describe('After all of these calls, no key of a client stands', () => {
  it('in anything that an upstream was sent, which has got the calls and the key of its channel', () => {
    expect(upstream.calls.length).toBeGreaterThan(12);
    const sent = upstream.calls.map(
      ({ path: target, headers, body }) => `${target}\n${JSON.stringify(headers)}\n${body}`,
    );
    expect(sent.filter((text) => search.in(text).length > 0)).toEqual([]);
    expect(sent.every((text) => text.includes('provider-key'))).toBe(true);
    expect(upstream.calls.filter(({ path: target }) => /[?&](\$?key|api_key)=/.test(target))).toEqual([]);
  });

  it('in any table or event', async () => {
    const { tables, found } = await search.inTables(service.pool);
    expect(tables).toBeGreaterThan(80);
    expect(found).toEqual([]);
  });

  it('in the metrics', async () => {
    const metrics = await (await fetch(`${service.baseUrl}/metrics`)).text();
    expect(metrics).toContain('relay_requests_total');
    expect(search.in(metrics)).toEqual([]);
  });

  it('in any answer with an error', () => {
    expect(errors.length).toBeGreaterThan(25);
    expect(errors.filter((text) => search.in(text).length > 0)).toEqual([]);
  });

  it('in anything printed at debug level, and in any file of the service', async () => {
    expect(await service.stop()).toBe(0);
    expect(service.output()).toContain(service.baseUrl);
    expect(search.in(service.output())).toEqual([]);
    const { found } = await search.inFiles(service.dataDir);
    expect(found).toEqual([]);
  });
});
