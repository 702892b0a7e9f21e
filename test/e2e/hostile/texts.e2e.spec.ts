import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startHostileService, type HostileService } from './hostileService.ts';

let world: HostileService;
let inputFile: string;

beforeAll(async () => {
  world = await startHostileService({ STORE_RESPONSES: 'on' });
  const line = {
    ...{ custom_id: 'a', method: 'POST', url: '/v1/chat/completions' },
    body: { model: 'tallystick-sim', messages: [{ role: 'user', content: 'Hi' }], max_tokens: 5 },
  };
  const form = new FormData();
  form.append('purpose', 'batch');
  form.append('file', new Blob([JSON.stringify(line)]), 'in.jsonl');
  const uploaded = await call('POST', '/v1/files', form);
  inputFile = (JSON.parse(uploaded.text) as { id: string }).id;
});
afterAll(() => world.dispose());

async function call(method: string, path: string, body?: FormData | object, headers: Record<string, string> = {}) {
  const isForm = body instanceof FormData;
  const response = await fetch(world.service.baseUrl + path, {
    method,
    headers: {
      authorization: `Bearer ${world.key}`,
      ...(body && !isForm && { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body && { body: isForm ? body : JSON.stringify(body) }),
  });
  return { status: response.status, text: await response.text() };
}

const batch = (change: object) =>
  call('POST', '/v1/batches', {
    ...{ input_file_id: inputFile, endpoint: '/v1/chat/completions', completion_window: '24h' },
    ...change,
  });

/** In a path or a query there is no half of a surrogate pair: its bytes are no UTF-8. */
const NULS = ['\0', 'a\0b'];
const NO_TEXTS = [...NULS, '\ud800', 'a\udc00b'];
const told = (reply: { status: number; text: string }) => `${String(reply.status)} ${reply.text}`;

describe('What PostgreSQL cannot hold', () => {
  it.each(NULS)('is not there as an id in a path: %j', async (text) => {
    const id = encodeURIComponent(text);
    for (const [method, path] of [
      ['GET', `/v1/files/${id}`],
      ['DELETE', `/v1/files/${id}`],
      ['GET', `/v1/files/${id}/content`],
      ['GET', `/files/${id}?expires=99999999999&signature=${'0'.repeat(64)}`],
      ['GET', `/v1/batches/${id}`],
      ['POST', `/v1/batches/${id}/cancel`],
      ['GET', `/v1/responses/${id}`],
      ['DELETE', `/v1/responses/${id}`],
      ['POST', `/v1/responses/${id}/cancel`],
    ] as const) {
      expect(`${method} ${path} ${told(await call(method, path))}`).toContain(`${method} ${path} 404 `);
    }
  });

  it.each(['/v1/files?after', '/v1/files?purpose', '/v1/batches?after'])('is refused as %s', async (place) => {
    expect(told(await call('GET', `${place}=a%00b`))).toMatch(/^400 .*whole characters without NUL/);
  });

  it.each(NO_TEXTS)('is not there as an id in a body: %j', async (text) => {
    expect(told(await batch({ input_file_id: text }))).toContain('404 ');
    const request = { model: 'tallystick-sim', input: 'Hi', previous_response_id: text };
    expect(told(await call('POST', '/v1/responses', request))).toMatch(/^400 .*there is no response/);
    for (const agent of ['dify', 'fastgpt', 'coze']) {
      for (const named of [{ conversation_id: text }, { session_id: text }, { files: [{ id: text }] }]) {
        const asked = { query: 'Hi', user: 'ada', ...named };
        expect(told(await call('POST', '/api/v1/chat', asked, { agent }))).toContain('404 ');
      }
    }
  });

  it.each(NO_TEXTS)('is harmless as the name of an end user, a line and a file: %j', async (text) => {
    const asked = { query: 'Hi', user: text };
    expect((await call('POST', '/api/v1/chat', asked, { agent: 'dify' })).status).toBeLessThan(500);
    const form = new FormData();
    form.append('purpose', 'user_data');
    form.append('file', new Blob(['x']), text);
    expect((await call('POST', '/v1/files', form)).status).toBe(200);
    const request = { model: 'tallystick-sim', input: 'Hi', user: text, metadata: { a: text } };
    expect((await call('POST', '/v1/responses', request)).status).toBeLessThan(500);
  });

  it('is refused as the name of who uploads', async () => {
    const form = new FormData();
    form.append('created_by', 'a\0b');
    form.append('file', new Blob(['x']), 'x.txt');
    expect(told(await call('POST', '/api/v1/upload', form, { agent: 'dify' }))).toMatch(/^400 .*created_by/);
  });

  it.each(NO_TEXTS)('is refused in the metadata of a batch, which then leaves nothing behind: %j', async (text) => {
    for (const metadata of [{ a: text }, { [text]: 'a' }]) {
      expect(told(await batch({ metadata }))).toMatch(/^400 .*metadata/);
    }
    const { rows } = await world.service.pool.query(
      `SELECT FROM holds h WHERE h.accepted::text LIKE '%/v1/batches%'
       UNION ALL SELECT FROM files f WHERE f.account_id = 'tallystick_batches'`,
    );
    expect(rows).toEqual([]);
  });

  it.each(NO_TEXTS)('is refused as a name of a user, a key and a model: %j', async (text) => {
    const developer = world.attacker;
    const user = { email: 'somebody@users.example', password: 'a password of my own', name: text };
    expect((await developer.call('POST', '/auth/register', user)).status).toBe(400);
    expect((await developer.call('POST', '/keys/keys', { name: text, mode: 'test' })).status).toBe(400);
    expect((await developer.call('POST', '/keys/keys', { name: 'x', models: [text] })).status).toBe(400);
    const chat = { model: text, messages: [{ role: 'user', content: 'Hi' }] };
    expect((await call('POST', '/v1/chat/completions', chat)).status).toBe(404);
  });

  it('has broken nothing', () => world.expectUnharmed());
});
