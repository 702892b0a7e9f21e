import { beforeEach, describe, expect, it } from 'vitest';
import { createLoginGuard } from '../../../infra/crypto/loginGuard.ts';
import { MemoryEventStore } from '../../../infra/memory/eventStore.ts';
import { GuardedAccounts } from '../../../services/accounts/guardedAccounts.ts';
import { accountRoutes } from '../../../services/accounts/http/accounts.routes.ts';
import type { Reply } from '../../../services/http/route.ts';
import { accountWorld, EMAIL, PASSWORD } from './accountWorld.ts';

const NOW = Date.parse('2026-11-20T09:30:00.000Z');
let store: MemoryEventStore;
let post: (path: string, body: unknown) => Promise<Reply>;

beforeEach(() => {
  store = new MemoryEventStore();
  const { accounts } = accountWorld(store, { now: () => NOW });
  const routes = accountRoutes(new GuardedAccounts(accounts, createLoginGuard()));
  post = (path, body) => {
    const route = routes.find((one) => one.path === `/api/v1/developer/auth/${path}` && one.method === 'POST');
    if (route?.policy !== 'public') throw new Error(`no route ${path}`);
    const query = new URLSearchParams();
    return route.handle({ requestId: 'request', headers: {}, params: {}, query, body, remoteAddress: '127.0.0.1' });
  };
});

describe('registering', () => {
  it('answers with the new user', async () => {
    const reply = await post('register', { email: EMAIL, password: PASSWORD, name: ' Ada ' });
    expect(reply).toEqual({
      status: 201,
      body: {
        success: true,
        data: {
          user_id: expect.stringMatching(/^user_[0-9a-f]{26}$/) as string,
          email: EMAIL,
          name: 'Ada',
          accounts: {
            live: expect.stringMatching(/^acct_[0-9a-f]{32}$/) as string,
            test: expect.stringMatching(/^acct_[0-9a-f]{32}$/) as string,
          },
          created_at: '2026-11-20T09:30:00.000Z',
        },
      },
    });
    expect(JSON.stringify(reply)).not.toContain(PASSWORD);
  });

  it('needs no name', async () => {
    expect(await post('register', { email: EMAIL, password: PASSWORD })).toMatchObject({
      body: { data: { name: null } },
    });
  });

  it.each<[string, unknown, string | null]>([
    ['no body', undefined, null],
    ['a text', 'email=a', null],
    ['no e-mail', { password: PASSWORD }, 'email'],
    ['an e-mail that is none', { email: 'ada', password: PASSWORD }, 'email'],
    ['an e-mail with a newline', { email: `${EMAIL}\n`, password: PASSWORD }, 'email'],
    ['a very long e-mail', { email: `${'a'.repeat(250)}@example.com`, password: PASSWORD }, 'email'],
    ['two e-mails', { email: [EMAIL, EMAIL], password: PASSWORD }, 'email'],
    ['no password', { email: EMAIL }, 'password'],
    ['a number for a password', { email: EMAIL, password: 123_456_789_012_345 }, 'password'],
    ['a short password', { email: EMAIL, password: 'short' }, 'password'],
    ['a huge password', { email: EMAIL, password: 'x'.repeat(100_000) }, 'password'],
    ['an empty name', { email: EMAIL, password: PASSWORD, name: '' }, 'name'],
    ['a control character in the name', { email: EMAIL, password: PASSWORD, name: 'Ada\u0000' }, 'name'],
    ['a role', { email: EMAIL, password: PASSWORD, role: 'admin' }, 'role'],
    ['a user id', { email: EMAIL, password: PASSWORD, userId: 'user_1' }, 'userId'],
    ['limits', { email: EMAIL, password: PASSWORD, limits: { tokensPerMonth: null } }, 'limits'],
    ['a prototype', JSON.parse(`{"email":"${EMAIL}","password":"${PASSWORD}","__proto__":{"a":1}}`), '__proto__'],
  ])('with %s is refused and writes nothing', async (_name, body, param) => {
    await expect(post('register', body)).rejects.toMatchObject({ code: 'invalid_request', param });
    expect(await store.head()).toBe(0n);
  });
});

describe('logging in', () => {
  it('answers with a bearer token that must not be cached', async () => {
    await post('register', { email: EMAIL, password: PASSWORD });
    const reply = await post('login', { email: EMAIL, password: PASSWORD });
    expect(reply).toMatchObject({
      status: 200,
      headers: { 'cache-control': 'no-store' },
      body: {
        success: true,
        data: {
          access_token: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/) as string,
          token_type: 'Bearer',
          expires_in: 3_600,
        },
      },
    });
  });

  it.each<[string, unknown, string | null]>([
    ['no body', undefined, null],
    ['an object for a password', { email: EMAIL, password: { $ne: '' } }, 'password'],
    ['another field', { email: EMAIL, password: PASSWORD, isAdmin: true }, 'isAdmin'],
  ])('with %s is refused', async (_name, body, param) => {
    await expect(post('login', body)).rejects.toMatchObject({ code: 'invalid_request', param });
  });

  it('with a wrong password is refused', async () => {
    await expect(post('login', { email: EMAIL, password: 'x' })).rejects.toMatchObject({ code: 'invalid_credentials' });
  });
});
