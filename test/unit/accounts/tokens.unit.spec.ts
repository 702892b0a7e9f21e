import { randomBytes } from 'node:crypto';
import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose';
import { describe, expect, it } from 'vitest';
import { createAccessTokens } from '../../../infra/crypto/tokens.ts';
import { authenticateUser } from '../../../services/accounts/authenticate.ts';
import { mintSecret, parseSecret } from '../../../services/keys/secret.ts';

const NOW = Date.parse('2026-11-20T09:30:00.000Z');
const SECONDS = NOW / 1_000;
const SECRET = randomBytes(64);
const user = { userId: 'user_1', accounts: { live: 'acct_1', test: 'acct_2' } };

let now = NOW;
const clock = { now: () => now, monotonic: () => now };
const tokens = createAccessTokens(SECRET, clock);

/** A token like ours but for what a test changes. */
function forge(change: { header?: object; claims?: object; key?: Uint8Array } = {}) {
  const claims = {
    sub: user.userId,
    accounts: user.accounts,
    iss: 'tallystick',
    aud: 'tallystick/management',
    iat: SECONDS,
    exp: SECONDS + 3_600,
  };
  return new SignJWT({ ...claims, ...change.claims })
    .setProtectedHeader({ alg: 'HS256', typ: 'at+jwt', ...change.header })
    .sign(change.key ?? SECRET);
}

describe('access tokens', () => {
  it('name a user for an hour', async () => {
    now = NOW;
    const { token, expiresInSeconds } = await tokens.issue(user);
    expect(expiresInSeconds).toBe(3_600);
    expect(await tokens.verify(token)).toEqual(user);
    now = NOW + 3_599_000;
    expect(await tokens.verify(token)).toEqual(user);
    now = NOW + 3_600_000;
    expect(await tokens.verify(token)).toBeNull();
    now = NOW;
  });

  it('cannot be made with a short secret', () => {
    for (const length of [0, 9, 31]) {
      expect(() => createAccessTokens(Buffer.alloc(length), clock)).toThrow(RangeError);
    }
  });

  it('are what the forgeries below would be if they were honest', async () => {
    expect(await tokens.verify(await forge())).toEqual(user);
  });

  it.each<[string, () => Promise<string> | string]>([
    ['nothing', () => ''],
    ['no JWT', () => 'a.b.c'],
    ['another secret', () => forge({ key: randomBytes(32) })],
    ['another HMAC of the same secret', () => forge({ header: { alg: 'HS512' } })],
    ['another type', () => forge({ header: { typ: 'JWT' } })],
    ['no type', () => forge({ header: { typ: undefined } })],
    ['another issuer', () => forge({ claims: { iss: 'elsewhere' } })],
    ['another audience', () => forge({ claims: { aud: 'elsewhere' } })],
    ['no expiry', () => forge({ claims: { exp: undefined } })],
    ['an expiry beyond our hour', () => forge({ claims: { iat: SECONDS - 7_200, exp: SECONDS + 7_200 } })],
    ['a start in the future', () => forge({ claims: { nbf: SECONDS + 60 } })],
    ['no subject', () => forge({ claims: { sub: undefined } })],
    ['a subject that is no id of ours', () => forge({ claims: { sub: '../user-1' } })],
    ['no accounts', () => forge({ claims: { accounts: undefined } })],
    ['one account only', () => forge({ claims: { accounts: { live: 'acct_1' } } })],
    [
      'no signature at all',
      () =>
        new UnsecuredJWT({ sub: user.userId, accounts: user.accounts })
          .setIssuer('tallystick')
          .setAudience('tallystick/management')
          .setIssuedAt(SECONDS)
          .setExpirationTime(SECONDS + 60)
          .encode(),
    ],
    ['a changed claim', async () => (await forge()).replace(/\.[^.]+\./, (part) => part.replace(/.\.$/, 'A.'))],
    ['a cut signature', async () => (await forge()).slice(0, -10)],
    ['an empty signature', async () => (await forge()).replace(/[^.]+$/, '')],
  ])('are refused with %s', async (_name, make) => {
    expect(await tokens.verify(await make())).toBeNull();
  });

  it('are refused when signed with a key that they bring or name themselves', async () => {
    const { privateKey, publicKey } = await generateKeyPair('RS256');
    const jwk = await exportJWK(publicKey);
    for (const header of [{ jwk }, { jku: 'http://127.0.0.1/keys' }, { kid: '../../../../dev/null' }]) {
      const token = await new SignJWT({ sub: user.userId, accounts: user.accounts })
        .setProtectedHeader({ alg: 'RS256', typ: 'at+jwt', ...header })
        .setIssuer('tallystick')
        .setAudience('tallystick/management')
        .setIssuedAt(SECONDS)
        .setExpirationTime(SECONDS + 60)
        .sign(privateKey);
      expect(await tokens.verify(token)).toBeNull();
    }
    expect(await tokens.verify(await forge({ header: { kid: '/dev/null' }, key: Buffer.alloc(32) }))).toBeNull();
  });
});

describe('authenticating a user', () => {
  it('reads the bearer token', async () => {
    const { token } = await tokens.issue(user);
    for (const scheme of ['Bearer', 'bearer', 'BEARER ']) {
      expect(await authenticateUser({ authorization: `${scheme} ${token}` }, tokens)).toEqual(user);
    }
  });

  it('refuses an API key, as a key look-up refuses a token', async () => {
    const { secret } = mintSecret('live', { bytes: randomBytes });
    const refused = authenticateUser({ authorization: `Bearer ${secret}` }, tokens);
    await expect(refused).rejects.toMatchObject({ code: 'invalid_token' });
    expect(parseSecret((await tokens.issue(user)).token)).toBeNull();
  });

  it('refuses anything else', async () => {
    const { token } = await tokens.issue(user);
    const headers = [undefined, '', token, `Basic ${token}`, `Bearer ${token} ${token}`, `Bearer ${'a'.repeat(3_000)}`];
    for (const authorization of headers) {
      const refused = authenticateUser({ ...(authorization !== undefined && { authorization }) }, tokens);
      await expect(refused).rejects.toMatchObject({ code: 'invalid_token' });
    }
    await expect(authenticateUser({ 'x-api-key': token }, tokens)).rejects.toMatchObject({ code: 'invalid_token' });
  });
});
