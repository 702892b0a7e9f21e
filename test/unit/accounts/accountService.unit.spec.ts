import { beforeEach, describe, expect, it, vi } from 'vitest';
import { decode } from '../../../events/codec.ts';
import { StoreUnavailable } from '../../../events/eventStore.ts';
import { accountStream } from '../../../events/ids.ts';
import { memorySubjectKeys } from '../../../infra/crypto/memorySubjectKeys.ts';
import { MemoryEventStore } from '../../../infra/memory/eventStore.ts';
import { accountIdsOf } from '../../../services/accounts/identity.ts';
import { accountWorld, EMAIL, PASSWORD, PLAN } from './accountWorld.ts';

const NOW = Date.parse('2026-11-20T09:30:00.000Z');
const wish = { email: EMAIL, password: PASSWORD, name: 'Ada Lovelace' };

let store: MemoryEventStore;
let subjectKeys: ReturnType<typeof memorySubjectKeys>;
let world: ReturnType<typeof accountWorld>;
const caughtUp = vi.fn<(position: bigint) => Promise<void>>();

beforeEach(() => {
  store = new MemoryEventStore();
  subjectKeys = memorySubjectKeys();
  caughtUp.mockReset().mockResolvedValue();
  world = accountWorld(store, { subjectKeys, caughtUp, now: () => NOW });
});

const everything = async () => (await store.readAll({ after: 0n, limit: 100 })).events;
const types = async () => (await everything()).map((event) => event.type);
const REGISTERED = ['UserRegistered', 'AccountOpened', 'AccountOpened'];

describe('registering', () => {
  it('makes a user with a live and a test account on the default plan', async () => {
    const user = await world.accounts.register(wish, 'request');
    expect(user).toEqual({
      userId: world.accounts.userIdOf(EMAIL),
      email: EMAIL,
      name: 'Ada Lovelace',
      accounts: accountIdsOf(user.userId),
      registeredAt: '2026-11-20T09:30:00.000Z',
    });
    expect(user.userId).toMatch(/^user_[0-9a-f]{26}$/);
    const [registered, live, test] = (await everything()).map((recorded) => decode(recorded));
    expect(registered).toMatchObject({ userId: user.userId, accountId: user.accounts.live, correlationId: 'request' });
    expect(live).toMatchObject({ accountId: user.accounts.live, mode: 'live', userId: user.userId, ...PLAN });
    expect(test).toMatchObject({ accountId: user.accounts.test, mode: 'test', userId: user.userId, ...PLAN });
  });

  it('waits until the new accounts can be read', async () => {
    await world.accounts.register(wish, 'request');
    expect(caughtUp.mock.calls).toEqual([[3n]]);
  });

  it('leaves no personal data and no password in any event', async () => {
    await world.accounts.register(wish, 'request');
    const text = JSON.stringify(await everything(), (_key, value: unknown) =>
      typeof value === 'bigint' ? String(value) : value,
    );
    for (const secret of [EMAIL, 'example.com', 'Lovelace', PASSWORD, 'argon2']) expect(text).not.toContain(secret);
  });

  it('of a taken address is refused, however it is written', async () => {
    await world.accounts.register(wish, 'request');
    for (const email of [EMAIL, 'ADA@Example.COM']) {
      const again = world.accounts.register({ ...wish, email, password: 'another long password' }, 'request');
      await expect(again).rejects.toMatchObject({ code: 'email_taken', param: 'email' });
    }
    expect(await types()).toEqual(REGISTERED);
  });

  it('lets exactly one of many win that register the same address at once', async () => {
    const other = accountWorld(store, { subjectKeys });
    const tries = [world, other, world, other].map(({ accounts }, which) =>
      accounts.register({ ...wish, password: `${PASSWORD} ${String(which)}` }, 'request'),
    );
    const results = await Promise.allSettled(tries);
    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(1);
    for (const result of results) {
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'email_taken' });
    }
    expect((await types()).sort()).toEqual([...REGISTERED].sort());
    const winner = results.findIndex((result) => result.status === 'fulfilled');
    const session = await world.accounts.logIn(EMAIL, `${PASSWORD} ${String(winner)}`, 'request');
    expect(session.user.userId).toBe(world.accounts.userIdOf(EMAIL));
  });

  it.each([
    ['short', 'only 14 chars.'],
    ['common', 'passwordpassword'],
    ['the address', EMAIL],
  ])('with a password that is %s is refused before anything is written', async (_name, password) => {
    const refused = world.accounts.register({ ...wish, password }, 'request');
    await expect(refused).rejects.toMatchObject({ code: 'invalid_request', param: 'password' });
    expect(await types()).toEqual([]);
  });
});

describe('a registration that died half-way', () => {
  /** The process dies after `appends` of the three appends. */
  async function dieAfter(appends: number) {
    const original = store.append.bind(store);
    let left = appends;
    const dying = vi.spyOn(store, 'append').mockImplementation((append) => {
      left -= 1;
      return left < 0 ? Promise.reject(new StoreUnavailable('the process died')) : original(append);
    });
    await expect(world.accounts.register(wish, 'request')).rejects.toBeInstanceOf(StoreUnavailable);
    dying.mockRestore();
    expect(await types()).toEqual(REGISTERED.slice(0, appends));
  }

  it.each([1, 2])('after append %d is completed by the next log-in', async (appends) => {
    await dieAfter(appends);
    const { user } = await world.accounts.logIn(EMAIL, PASSWORD, 'request');
    expect(await types()).toEqual(REGISTERED);
    for (const accountId of Object.values(user.accounts)) {
      expect(await store.readStream(accountStream(accountId), { direction: 'forwards', limit: 9 })).toHaveLength(1);
    }
  });

  it.each([1, 2])(
    'after append %d is completed by registering again, which says that the address is taken',
    async (n) => {
      await dieAfter(n);
      await expect(world.accounts.register(wish, 'request')).rejects.toMatchObject({ code: 'email_taken' });
      expect(await types()).toEqual(REGISTERED);
    },
  );

  it('before its first append can simply be repeated', async () => {
    await dieAfter(0);
    expect((await world.accounts.register(wish, 'request')).email).toBe(EMAIL);
  });

  it('is completed once by two log-ins at the same time', async () => {
    await dieAfter(1);
    await Promise.all([1, 2].map(() => world.accounts.logIn(EMAIL, PASSWORD, 'request')));
    expect(await types()).toEqual(REGISTERED);
  });
});

describe('logging in', () => {
  beforeEach(async () => {
    await world.accounts.register(wish, 'request');
  });

  it('gives a token that names the user and both accounts', async () => {
    const session = await world.accounts.logIn('Ada@EXAMPLE.com', PASSWORD, 'request');
    expect(session.expiresInSeconds).toBe(3_600);
    expect(session.user).toEqual({ userId: world.accounts.userIdOf(EMAIL), accounts: session.user.accounts });
    expect(await world.tokens.verify(session.token)).toEqual(session.user);
  });

  it('takes the same password in another Unicode form', async () => {
    const password = 'Füße über Straße';
    await world.accounts.register({ ...wish, email: 'u@example.com', password }, 'request');
    expect(password.normalize('NFD')).not.toBe(password);
    const session = await world.accounts.logIn('u@example.com', password.normalize('NFD'), 'request');
    expect(session.user.userId).toBe(world.accounts.userIdOf('u@example.com'));
  });

  it('tells a wrong password, an unknown address and an erased user apart in nothing', async () => {
    const erased = await world.accounts.register({ ...wish, email: 'erased@example.com' }, 'request');
    await world.personalData.destroy(erased.userId);
    const tries = [
      world.accounts.logIn(EMAIL, `${PASSWORD}!`, 'request'),
      world.accounts.logIn('nobody@example.com', PASSWORD, 'request'),
      world.accounts.logIn('erased@example.com', PASSWORD, 'request'),
    ];
    const told = (await Promise.allSettled(tries)).map((result) => {
      expect(result.status).toBe('rejected');
      const error = (result as PromiseRejectedResult).reason as Error & Record<string, unknown>;
      return { name: error.name, message: error.message, code: error['code'], param: error['param'] };
    });
    expect(new Set(told.map((error) => JSON.stringify(error))).size).toBe(1);
    expect(told[0]?.code).toBe('invalid_credentials');
  });

  it('distinguishes passwords beyond any length at which a hash might cut them', async () => {
    const password = `${'long '.repeat(50)}1`;
    await world.accounts.register({ ...wish, email: 'l@example.com', password }, 'request');
    await world.accounts.logIn('l@example.com', password, 'request');
    const other = world.accounts.logIn('l@example.com', `${password.slice(0, -1)}2`, 'request');
    await expect(other).rejects.toMatchObject({ code: 'invalid_credentials' });
  });

  it('cannot be answered while the store is away', async () => {
    store.reachable = false;
    await expect(world.accounts.logIn(EMAIL, PASSWORD, 'request')).rejects.toBeInstanceOf(StoreUnavailable);
  });
});

describe('the profile', () => {
  it('can be read until the subject is erased, and never after', async () => {
    const { userId } = await world.accounts.register(wish, 'request');
    expect(await world.accounts.profileOf(userId)).toEqual({ email: EMAIL, name: 'Ada Lovelace' });
    expect(await world.personalData.destroy(userId)).toBe(true);
    expect(await world.accounts.profileOf(userId)).toBeNull();
    expect(await world.personalData.destroy(userId)).toBe(false);
  });

  it('of an unknown user is nothing', async () => {
    expect(await world.accounts.profileOf('user_nobody')).toBeNull();
  });
});
