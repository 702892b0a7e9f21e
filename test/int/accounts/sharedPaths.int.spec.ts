import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseSecret } from '../../../services/keys/secret.ts';
import { testDatabase, type TestDatabase } from '../../support/postgres.ts';
import { PASSWORD } from '../../unit/accounts/accountWorld.ts';
import { startManagement, type Management } from './managementServer.ts';
import { signedInAs } from './signingIn.ts';

const KEYS = '/api/v1/api-keys';
const LOGIN = '/api/v1/login';

let database: TestDatabase;
let server: Management;
let users = 0;

beforeAll(async () => {
  database = await testDatabase();
  server = await startManagement(database);
});
afterAll(async () => {
  await server.stop();
  await database.close();
});

const newUser = () => signedInAs(server, `user${String((users += 1))}@example.com`);
const statusOf = (secret: string) => server.index.find(parseSecret(secret)?.hash ?? '', Date.now())?.status ?? null;

describe('a client of the gateway', () => {
  it('signs in, makes a key for a platform, and is answered in the gateway’s envelope', async () => {
    const { email, userId } = await newUser();
    const session = await server.call('POST', LOGIN, { body: { username: email, password: PASSWORD } });
    expect(session).toMatchObject({ status: 200, body: { code: 0, msg: 'Success', data: { user_id: userId } } });
    const token = String(session.body.data['token']);
    const made = await server.call('POST', KEYS, { token, agent: 'fastgpt', body: {} });
    expect(made).toMatchObject({ status: 200, body: { code: 0, msg: 'Success', data: { name: 'API key' } } });
    expect(statusOf(String(made.body.data['key']))).toBe('active');
  });

  it('is told what is wrong in the gateway’s shape', async () => {
    const { token, email } = await newUser();
    const { key } = (await server.call('POST', KEYS, { token, agent: 'dify' })).body.data;
    const refused = async (status: number, detail: string, ask: Promise<{ status: number; body: object }>) =>
      expect(await ask).toMatchObject({ status, body: { code: status, msg: expect.any(String) as string, detail } });
    await refused(401, 'invalid_credentials', server.call('POST', LOGIN, { body: { email, password: 'wrong' } }));
    await refused(400, 'invalid_request', server.call('POST', LOGIN, { body: { password: 'x' } }));
    await refused(400, 'invalid_json', server.call('POST', LOGIN, { body: '{' }));
    await refused(405, 'method_not_allowed', server.call('GET', LOGIN));
    await refused(401, 'invalid_token', server.call('POST', KEYS, { agent: 'dify', body: {} }));
    await refused(401, 'invalid_token', server.call('POST', KEYS, { agent: 'dify', token: String(key), body: {} }));
    await refused(404, 'not_found', server.call('POST', KEYS, { agent: 'openai', token, body: {} }));
    await refused(400, 'invalid_request', server.call('POST', KEYS, { agent: 'dify', token, body: { role: 'x' } }));
    await refused(405, 'method_not_allowed', server.call('PATCH', KEYS, { agent: 'dify', token, body: {} }));
  });
});

describe('a user of the portal', () => {
  it('makes, changes and revokes a key in AI Hub’s envelope, on the same paths', async () => {
    const { token } = await newUser();
    const made = await server.call('POST', KEYS, { token, body: { name: 'ci', limits: { tokens_per_month: 5 } } });
    expect(made).toMatchObject({ status: 201, body: { success: true, data: { name: 'ci' } } });
    const { id, key } = made.body.data as { id: string; key: string };

    const renamed = await server.call('PUT', `${KEYS}/${id}`, { token, body: { name: 'cd', models: ['m'] } });
    expect(renamed).toMatchObject({ status: 200, body: { success: true, data: { id, name: 'cd', models: ['m'] } } });
    const list = await server.call('GET', KEYS, { token });
    expect(list.body).toMatchObject({ success: true, data: [{ id, name: 'cd', models: ['m'] }] });
    expect(list.text).not.toContain(key.slice(13, -4));
    const permissions = `${KEYS}/${id}/permissions`;
    const lifted = await server.call('PUT', permissions, { token, body: { models: null } });
    expect(lifted.body.data).toMatchObject({ id, models: null, limits: { tokens_per_month: 5 } });
    expect((await server.call('GET', permissions, { token })).body).toEqual(lifted.body);

    expect((await server.call('DELETE', `${KEYS}/${id}`, { token })).body.data).toMatchObject({ status: 'revoked' });
    expect(statusOf(key)).toBeNull();
    expect(await server.call('PUT', `${KEYS}/${id}`, { token, body: { name: 'x' } })).toMatchObject({
      status: 409,
      body: { success: false, error: { code: 'key_state' } },
    });
  });

  it('finds nothing of another tenant, by either kind of call', async () => {
    const [owner, stranger] = [await newUser(), await newUser()];
    const made = await server.call('POST', KEYS, { token: owner.token, body: { name: 'ci' } });
    const { id } = made.body.data as { id: string };
    const routes: [string, string, unknown][] = [
      ['PUT', '', { name: 'x' }],
      ['DELETE', '', undefined],
      ['GET', '/permissions', undefined],
      ['PUT', '/permissions', { models: [] }],
    ];
    for (const agent of [undefined, 'coze']) {
      for (const [method, path, body] of routes) {
        const answers = [id, `key_${'0'.repeat(32)}`].map(async (each) => {
          const options = { token: stranger.token, body, ...(agent !== undefined && { agent }) };
          const reply = await server.call(method, `${KEYS}/${each}${path}`, options);
          return [reply.status, reply.text.replace(/[0-9a-f-]{36}/, 'request id')];
        });
        const [theirs, nobodys] = await Promise.all(answers);
        expect(theirs?.[0]).toBe(404);
        expect(theirs).toEqual(nobodys);
      }
    }
    const kept = await server.call('GET', KEYS, { token: owner.token });
    expect(kept.body.data).toMatchObject([{ id, name: 'ci', status: 'active', models: null }]);
  });

  it('must be signed in, and an API key is not a token', async () => {
    const { token } = await newUser();
    const { key } = (await server.call('POST', KEYS, { token, body: { name: 'ci' } })).body.data;
    for (const credential of [undefined, 'x', String(key), `${token}x`]) {
      const reply = await server.call('GET', KEYS, { ...(credential !== undefined && { token: credential }) });
      expect(reply).toMatchObject({ status: 401, body: { success: false, error: { code: 'invalid_token' } } });
    }
  });
});
