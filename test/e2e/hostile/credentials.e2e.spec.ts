import { generateKeyPair, SignJWT, type JWTHeaderParameters } from 'jose';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hub } from '../../support/developer.ts';
import { saying } from '../clients/sdk.ts';
import { expectOpenAiError, startHostileService, type HostileService } from './hostileService.ts';

let world: HostileService;
let jwtSecret: Uint8Array;

beforeAll(async () => {
  world = await startHostileService();
  const secrets = readFileSync(path.join(world.service.dataDir, 'secrets.json'), 'utf8');
  jwtSecret = Buffer.from((JSON.parse(secrets) as { jwtSecret: string }).jwtSecret);
});
afterAll(() => world.dispose());

async function chat(headers: Readonly<Record<string, string>>): Promise<{ status: number; text: string }> {
  const response = await fetch(`${world.service.baseUrl}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(saying('Hi')),
  });
  return { status: response.status, text: await response.text() };
}

const random = 'x'.repeat(38);
const MALFORMED: readonly (readonly [string, (key: string) => string])[] = [
  ['one character short', (key) => key.slice(0, -1)],
  ['one character long', (key) => `${key}0`],
  ['with one character changed', (key) => `${key.slice(0, 20)}${key[20] === 'a' ? 'b' : 'a'}${key.slice(21)}`],
  ['with its last two characters swapped', (key) => key.slice(0, -2) + key.slice(-1) + key.slice(-2, -1) + '0'],
  ['of the other mode', (key) => key.replace('tly_test_', 'tly_live_')],
  ['in capitals', (key) => key.toUpperCase()],
  ['twice', (key) => `${key},${key}`],
  ['in quotes', (key) => `"${key}"`],
  ['with a tab inside', (key) => `${key.slice(0, 9)}\t${key.slice(9)}`],
  ['of random characters', () => `tly_test_${random}`],
  ['of 15 000 characters', (key) => key + 'x'.repeat(15_000)],
  ['of another product', () => 'sk-proj-0123456789abcdef'],
  ['in Latin-1', () => `tly_test_${'é'.repeat(38)}`],
  ['that is SQL', () => "' OR '1'='1' --"],
  ['that is SQL behind a true beginning', (key) => `${key.slice(0, 12)}' OR '1'='1' --`],
  ['that is a pattern', () => 'tly_test_%'],
  ['that is JSON', () => '{"$ne":null}'],
  ['that is a hash', () => 'a'.repeat(64)],
];

describe('an API key', () => {
  it.each(MALFORMED)('%s is refused in both places, and never repeated', async (_what, make) => {
    const wrong = make(world.key);
    for (const headers of [{ authorization: `Bearer ${wrong}` }, { authorization: wrong }, { 'x-api-key': wrong }]) {
      const { status, text } = await chat(headers);
      expect(status).toBe(401);
      const { code, type } = expectOpenAiError(text);
      expect({ code, type }).toEqual({ code: 'invalid_api_key', type: 'invalid_request_error' });
      expect(text).not.toContain(wrong.slice(0, 20));
    }
  });

  it.each(['', ' ', 'Bearer', 'Bearer ', 'Basic dXNlcjpwYXNz', 'Bearer null', 'Bearer undefined'])(
    'in the header %j is none',
    async (authorization) => {
      const { status, text } = await chat({ authorization });
      expect(status).toBe(401);
      expect(['authentication_failed', 'invalid_api_key']).toContain(expectOpenAiError(text).code);
    },
  );

  it('is taken in every place, by whatever case of the scheme', async () => {
    for (const headers of [
      { authorization: `Bearer ${world.key}` },
      { authorization: `bearer ${world.key}` },
      { 'x-api-key': world.key },
      { 'api-key': world.key },
      { 'x-goog-api-key': world.key },
      { authorization: `Bearer ${world.key}`, 'x-api-key': 'nonsense' },
    ]) {
      expect((await chat(headers)).status).toBe(200);
    }
  });

  it('in the first place decides alone, even when the second would open', async () => {
    expect((await chat({ authorization: 'Bearer nonsense', 'x-api-key': world.key })).status).toBe(401);
    expect((await chat({ authorization: '', 'x-api-key': world.key })).status).toBe(401);
  });

  it.each(['proxy-authorization', 'cookie', 'x-tallystick-key'])(
    'in the header %s is not looked at',
    async (header) => {
      const { status, text } = await chat({ [header]: world.key });
      expect(status).toBe(401);
      expect(expectOpenAiError(text).code).toBe('authentication_failed');
    },
  );

  it('is no access token, wherever it is given', async () => {
    for (const token of [world.key, `Bearer ${world.key}`]) {
      expect(await hub(world.service.baseUrl, 'GET', '/keys/quota', { token })).toMatchObject({
        status: 401,
        body: { success: false, error: { code: 'invalid_token', type: 'authentication_error' } },
      });
    }
  });
});

/** What a true token says; a forged one differs in one thing. */
interface Forgery {
  readonly header?: Partial<JWTHeaderParameters> & Readonly<Record<string, unknown>>;
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly secret?: Parameters<SignJWT['sign']>[0];
}

async function forge({ header = {}, claims = {}, secret = jwtSecret }: Forgery = {}): Promise<string> {
  const now = Math.floor(Date.now() / 1_000);
  const { userId, accounts } = world.attacker;
  return new SignJWT({
    accounts,
    iss: 'tallystick',
    aud: 'tallystick/management',
    sub: userId,
    iat: now,
    exp: now + 600,
    ...claims,
  })
    .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt', ...header })
    .sign(secret);
}

function unsigned(header: object, payload: string, signature = ''): string {
  return `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${payload}.${signature}`;
}

async function expectNoEntry(token: string): Promise<void> {
  const reply = await hub(world.service.baseUrl, 'GET', '/keys/quota', { token });
  expect(reply.status).toBe(401);
  expect(reply.body).toMatchObject({ success: false, error: { code: 'invalid_token' } });
  expect(reply.headers.get('x-should-retry')).toBe('false');
}

describe('an access token', () => {
  const seconds = Math.floor(Date.now() / 1_000);

  it('that is as it should be opens the door, so that the forgeries below fail by their one difference', async () => {
    const token = await forge();
    expect((await hub(world.service.baseUrl, 'GET', '/keys/quota', { token })).status).toBe(200);
  });

  it.each([
    ['signed with another secret', { secret: Buffer.alloc(32, 7) }],
    ['signed with nothing but zeros', { secret: Buffer.alloc(32) }],
    ['signed with HS384', { header: { alg: 'HS384' } }],
    ['signed with HS512', { header: { alg: 'HS512' }, secret: Buffer.alloc(64, 7) }],
    ['of another type', { header: { typ: 'JWT' } }],
    ['of another issuer', { claims: { iss: 'https://evil.example' } }],
    ['for another audience', { claims: { aud: 'tallystick/relay' } }],
    ['that has expired', { claims: { exp: seconds - 1, iat: seconds - 600 } }],
    ['that never expires', { claims: { exp: undefined } }],
    ['that says not when it was made', { claims: { iat: undefined } }],
    ['that was made long ago and lives on', { claims: { iat: seconds - 100_000, exp: seconds + 100_000 } }],
    ['that is not valid yet', { claims: { nbf: seconds + 600 } }],
    ['made in the future', { claims: { iat: seconds + 600, exp: seconds + 1_200 } }],
    ['of nobody', { claims: { sub: undefined } }],
    ['without accounts', { claims: { accounts: undefined } }],
    ['with an account that is no text', { claims: { accounts: { live: ['a'], test: { b: 1 } } } }],
  ] satisfies readonly (readonly [string, Forgery])[])('%s is refused', async (_what, forgery) => {
    await expectNoEntry(await forge(forgery));
  });

  it.each(['RS256', 'ES256', 'EdDSA', 'PS512'])(
    'signed with a key pair, %s, that it brings along, is refused',
    async (alg) => {
      const { privateKey } = await generateKeyPair(alg);
      const jwk = { kty: 'oct', k: Buffer.from(jwtSecret).toString('base64url') };
      await expectNoEntry(
        await forge({ header: { alg, jwk, jku: 'http://127.0.0.1:1/jwks', x5u: 'x' }, secret: privateKey }),
      );
    },
  );

  it.each(['none', 'None', 'NONE', 'nOnE', ''])(
    'that needs no signature because its algorithm is %j is refused',
    async (alg) => {
      const [, payload = '', signature = ''] = (await forge()).split('.');
      await expectNoEntry(unsigned({ alg, typ: 'at+jwt' }, payload));
      await expectNoEntry(unsigned({ alg, typ: 'at+jwt' }, payload, signature));
    },
  );

  it.each(['../../../../dev/null', '/proc/self/environ', "' UNION SELECT 'x' --", 'http://127.0.0.1:1/'])(
    'whose key id points to %s is judged by the one secret there is',
    async (kid) => {
      await expectNoEntry(await forge({ header: { kid }, secret: Buffer.alloc(32) }));
    },
  );

  it('whose payload was changed is refused, also when the change is to the victim’s id', async () => {
    const [header = '', payload = '', signature = ''] = world.attacker.token.split('.');
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
    const changed = Buffer.from(JSON.stringify({ ...claims, sub: 'user_victim' })).toString('base64url');
    await expectNoEntry(`${header}.${changed}.${signature}`);
  });

  it.each([
    ['cut short', (token: string) => token.slice(0, -4)],
    ['without its signature', (token: string) => token.slice(0, token.lastIndexOf('.') + 1)],
    ['with a fourth part', (token: string) => `${token}.x`],
    ['twice', (token: string) => `${token} ${token}`],
    ['with padding', (token: string) => `${token}==`],
    ['of 50 000 characters', (token: string) => `${token}${'a'.repeat(10_000)}`],
    ['that is no token', () => 'null'],
    ['that is dots', () => '..'],
    ['with a broken header', (token: string) => `e30.${token.slice(token.indexOf('.') + 1)}`],
  ])('%s is refused', async (_what, change) => {
    await expectNoEntry(change(world.attacker.token));
  });

  it('in the query, in a cookie or in another header is none', async () => {
    const url = `${world.service.baseUrl}/api/v1/developer/keys/quota`;
    const { token } = world.attacker;
    for (const [address, headers] of [
      [`${url}?access_token=${token}`, {}],
      [`${url}?token=${token}`, {}],
      [url, { cookie: `token=${token}` }],
      [url, { 'x-api-key': token }],
      [url, { authorization: token }],
      [url, { authorization: `Basic ${token}` }],
    ] as const) {
      expect((await fetch(address, { headers })).status).toBe(401);
    }
  });

  it('is no API key', async () => {
    for (const headers of [
      { authorization: `Bearer ${world.attacker.token}` },
      { 'x-api-key': world.attacker.token },
    ]) {
      const { status, text } = await chat(headers);
      expect(status).toBe(401);
      expect(expectOpenAiError(text).code).toBe('invalid_api_key');
    }
  });
});

describe('signing in', () => {
  it('says the same to a wrong password and to an unknown address, and takes as long', async () => {
    const { email } = world.attacker;
    const attempt = async (address: string) => {
      const startedAt = performance.now();
      const reply = await hub(world.service.baseUrl, 'POST', '/auth/login', {
        body: { email: address, password: 'not the password at all' },
      });
      const { details: _details, ...error } = reply.body.error;
      return { status: reply.status, error, ms: performance.now() - startedAt };
    };
    const known = await attempt(email);
    const unknown = await attempt(`nobody-${email}`);
    expect(known.status).toBe(401);
    expect({ ...unknown, ms: 0 }).toEqual({ ...known, ms: 0 });
    // Hashing dominates both; a short-cut for the unknown would be ten times as fast.
    expect(unknown.ms).toBeGreaterThan(known.ms / 5);
  });

  it('to one account is limited, whatever address the caller claims to have', async () => {
    const email = `sieged-${world.attacker.email}`;
    const statuses = await Promise.all(
      Array.from({ length: 12 }, async (_, at) => {
        const response = await fetch(`${world.service.baseUrl}/api/v1/developer/auth/login`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', 'x-forwarded-for': `10.0.0.${String(at)}` },
          body: JSON.stringify({ email, password: 'guess after guess' }),
        });
        return response.status;
      }),
    );
    expect(statuses.filter((status) => status === 401)).toHaveLength(10);
    expect(statuses.filter((status) => status === 429)).toHaveLength(2);
  });
});

describe('after all these credentials', () => {
  it('the service is unharmed, and has printed none of them', async () => {
    await world.expectUnharmed();
    const printed = world.service.output();
    for (const secret of [world.key, world.attacker.token, world.attacker.password])
      expect(printed).not.toContain(secret);
  });
});
