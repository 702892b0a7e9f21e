import { beforeEach, describe, expect, it } from 'vitest';
import { createLoginGuard } from '../../../infra/crypto/loginGuard.ts';
import { MemoryEventStore } from '../../../infra/memory/eventStore.ts';
import { GuardedAccounts } from '../../../services/accounts/guardedAccounts.ts';
import { gatewayLoginRoute } from '../../../services/accounts/http/gatewayLogin.routes.ts';
import type { Reply } from '../../../services/http/route.ts';
import { accountWorld, EMAIL, PASSWORD } from './accountWorld.ts';

const BOUNDS = {
  loginsPerMinutePerAddress: 100,
  registrationsPerMinutePerAddress: 100,
  loginsPerMinutePerUser: 3,
  failuresInARow: 100,
};

let world: ReturnType<typeof accountWorld>;
let logIn: (body: unknown) => Promise<Reply>;

beforeEach(async () => {
  world = accountWorld(new MemoryEventStore());
  await world.accounts.register({ email: EMAIL, password: PASSWORD, name: null }, 'request');
  const route = gatewayLoginRoute(new GuardedAccounts(world.accounts, createLoginGuard(BOUNDS)));
  if (route.policy !== 'public' || route.dialect !== 'gateway') throw new Error('not the gateway’s log-in');
  const call = { requestId: 'request', headers: {}, params: {}, query: new URLSearchParams() };
  logIn = async (body) => route.handle({ ...call, body, remoteAddress: '127.0.0.1' });
});

describe('the gateway’s log-in', () => {
  it.each(['email', 'username'])('gives a token for the %s and the password', async (field) => {
    const reply = await logIn({ [field]: EMAIL, password: PASSWORD });
    expect(reply).toMatchObject({ status: 200, headers: { 'cache-control': 'no-store' } });
    const { data, ...envelope } = reply.body as { data: { token: string; user_id: string; accounts: object } };
    expect(envelope).toEqual({ code: 0, msg: 'Success' });
    const userId = world.accounts.userIdOf(EMAIL);
    expect(data).toMatchObject({ token_type: 'Bearer', expires_in: 3_600, user_id: userId });
    expect(await world.tokens.verify(data.token)).toEqual({ userId, accounts: data.accounts });
    expect(JSON.stringify(reply)).not.toContain(PASSWORD);
  });

  it('takes both names when they are one', async () => {
    expect(await logIn({ email: EMAIL, username: EMAIL, password: PASSWORD })).toMatchObject({ status: 200 });
  });

  it.each<[string, unknown, string | null]>([
    ['no body', undefined, null],
    ['nobody', { password: PASSWORD }, 'username'],
    ['two who differ', { email: EMAIL, username: 'eve@example.com', password: PASSWORD }, 'username'],
    ['a name that is no address', { username: 'admin', password: PASSWORD }, 'username'],
    ['no password', { email: EMAIL }, 'password'],
    ['a password that is no text', { email: EMAIL, password: { $ne: '' } }, 'password'],
    ['more than it asks for', { email: EMAIL, password: PASSWORD, admin: true }, 'admin'],
  ])('refuses %s', async (_what, body, param) => {
    await expect(logIn(body)).rejects.toMatchObject({ code: 'invalid_request', param });
  });

  it('does not tell a wrong password from an unknown address, and bounds guessing', async () => {
    const wrong = { username: EMAIL, password: 'not the password' };
    await expect(logIn({ ...wrong, username: 'nobody@example.com' })).rejects.toMatchObject({
      code: 'invalid_credentials',
    });
    const codes: unknown[] = [];
    for (let count = 0; count < 4; count += 1) {
      codes.push(await logIn(wrong).catch((error: unknown) => (error as { code: string }).code));
    }
    expect(codes).toEqual(['invalid_credentials', 'invalid_credentials', 'invalid_credentials', 'rate_limit_exceeded']);
  });
});
