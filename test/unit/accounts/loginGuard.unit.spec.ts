import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createLoginGuard } from '../../../infra/crypto/loginGuard.ts';
import { MemoryEventStore } from '../../../infra/memory/eventStore.ts';
import { GuardedAccounts } from '../../../services/accounts/guardedAccounts.ts';
import type { LoginGuard } from '../../../services/accounts/ports.ts';
import { accountWorld, EMAIL, PASSWORD } from './accountWorld.ts';

const BOUNDS = {
  loginsPerMinutePerAddress: 5,
  registrationsPerMinutePerAddress: 2,
  loginsPerMinutePerUser: 3,
  failuresInARow: 4,
};
const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const refusal = { code: 'rate_limit_exceeded' };

describe('the login guard', () => {
  let guard: LoginGuard;

  beforeEach(() => {
    vi.useFakeTimers();
    guard = createLoginGuard(BOUNDS);
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  const times = async (count: number, attempt: (index: number) => Promise<void>) => {
    for (let index = 0; index < count; index += 1) await attempt(index);
  };

  it('bounds log-ins from one address, whoever is asked for', async () => {
    await times(5, (index) => guard.beforeLogin('192.0.2.1', `user_${String(index)}`));
    await expect(guard.beforeLogin('192.0.2.1', 'user_9')).rejects.toMatchObject(refusal);
    await guard.beforeLogin('192.0.2.2', 'user_9');
    vi.advanceTimersByTime(MINUTE_MS);
    await guard.beforeLogin('192.0.2.1', 'user_9');
  });

  it('says when to come back', async () => {
    await times(5, (index) => guard.beforeLogin('192.0.2.1', `user_${String(index)}`));
    vi.advanceTimersByTime(20_000);
    await expect(guard.beforeLogin('192.0.2.1', 'user_9')).rejects.toMatchObject({ retryAfterMs: 40_000 });
  });

  it('counts an IPv6 network and a mapped IPv4 address as one', async () => {
    await times(5, (index) => guard.beforeLogin(`2001:db8:0:${String(index)}::1`, `user_${String(index)}`));
    await expect(guard.beforeLogin('2001:db8:0:ff::2', 'user_9')).rejects.toMatchObject(refusal);
    await times(5, (index) => guard.beforeLogin('::ffff:192.0.2.1', `other_${String(index)}`));
    await expect(guard.beforeLogin('192.0.2.1', 'user_9')).rejects.toMatchObject(refusal);
  });

  it('bounds log-ins to one user, from wherever', async () => {
    await times(3, (index) => guard.beforeLogin(`192.0.2.${String(index)}`, 'user_1'));
    await expect(guard.beforeLogin('192.0.2.9', 'user_1')).rejects.toMatchObject(refusal);
    await guard.beforeLogin('192.0.2.9', 'user_2');
  });

  it('locks a user for a day after so many failures in a row, over any number of minutes', async () => {
    await times(4, async (index) => {
      await guard.beforeLogin(`192.0.2.${String(index)}`, 'user_1');
      vi.advanceTimersByTime(MINUTE_MS);
    });
    await expect(guard.beforeLogin('192.0.2.9', 'user_1')).rejects.toMatchObject({ ...refusal, retryAfterMs: DAY_MS });
    vi.advanceTimersByTime(DAY_MS - 1);
    await expect(guard.beforeLogin('192.0.2.9', 'user_1')).rejects.toMatchObject(refusal);
    vi.advanceTimersByTime(1);
    await guard.beforeLogin('192.0.2.9', 'user_1');
  });

  it('counts from the beginning after a success', async () => {
    await times(12, async (index) => {
      await guard.beforeLogin(`192.0.2.${String(index)}`, 'user_1');
      if (index % 4 === 3) await guard.afterLogin('user_1');
      vi.advanceTimersByTime(MINUTE_MS);
    });
  });

  it('lets no more through when all come at once', async () => {
    const tries = Array.from({ length: 50 }, (_, index) => guard.beforeLogin(`192.0.2.${String(index)}`, 'user_1'));
    const results = await Promise.allSettled(tries);
    expect(results.filter((result) => result.status === 'fulfilled')).toHaveLength(3);
  });

  it('bounds registrations from one address', async () => {
    await times(2, () => guard.beforeRegistration('192.0.2.1'));
    await expect(guard.beforeRegistration('192.0.2.1')).rejects.toMatchObject(refusal);
    await guard.beforeRegistration('192.0.2.2');
    await guard.beforeLogin('192.0.2.1', 'user_1');
  });
});

describe('guarded accounts', () => {
  const asker = (address: string) => ({ address, requestId: 'request' });

  it('do not look at a password once the bound is met, not even at the right one', async () => {
    const { accounts } = accountWorld(new MemoryEventStore());
    const guarded = new GuardedAccounts(accounts, createLoginGuard(BOUNDS));
    await guarded.register({ email: EMAIL, password: PASSWORD, name: null }, asker('192.0.2.1'));
    for (let index = 0; index < 3; index += 1) {
      const wrong = guarded.logIn(EMAIL, 'wrong', asker(`192.0.2.${String(index)}`));
      await expect(wrong).rejects.toMatchObject({ code: 'invalid_credentials' });
    }
    const looked = vi.spyOn(accounts, 'logIn');
    await expect(guarded.logIn(EMAIL.toUpperCase(), PASSWORD, asker('192.0.2.9'))).rejects.toMatchObject(refusal);
    expect(looked).not.toHaveBeenCalled();
  });

  it('bound guesses at an address that nobody has just as those at one that somebody has', async () => {
    const { accounts } = accountWorld(new MemoryEventStore());
    const guarded = new GuardedAccounts(accounts, createLoginGuard(BOUNDS));
    await guarded.register({ email: EMAIL, password: PASSWORD, name: null }, asker('192.0.2.1'));
    const outcomes = async (email: string, network: string) => {
      const codes: unknown[] = [];
      for (let index = 0; index < 5; index += 1) {
        const failed = guarded.logIn(email, 'wrong', asker(`${network}.${String(index)}`));
        codes.push(await failed.catch((error: unknown) => (error as { code: unknown }).code));
      }
      return codes;
    };
    const known = await outcomes(EMAIL, '192.0.2');
    expect(known).toEqual([
      ...Array.from({ length: 3 }, () => 'invalid_credentials'),
      ...Array.from({ length: 2 }, () => 'rate_limit_exceeded'),
    ]);
    expect(await outcomes('nobody@example.com', '198.51.100')).toEqual(known);
  });

  it('end the row of failures at a success', async () => {
    const { accounts } = accountWorld(new MemoryEventStore());
    const bounds = { ...BOUNDS, loginsPerMinutePerUser: 100, failuresInARow: 2, loginsPerMinutePerAddress: 100 };
    const guarded = new GuardedAccounts(accounts, createLoginGuard(bounds));
    await guarded.register({ email: EMAIL, password: PASSWORD, name: null }, asker('192.0.2.1'));
    for (let round = 0; round < 2; round += 1) {
      await expect(guarded.logIn(EMAIL, 'wrong', asker('192.0.2.1'))).rejects.toMatchObject({
        code: 'invalid_credentials',
      });
      await guarded.logIn(EMAIL, PASSWORD, asker('192.0.2.1'));
    }
    for (let round = 0; round < 2; round += 1)
      await guarded.logIn(EMAIL, 'wrong', asker('192.0.2.1')).catch(() => null);
    await expect(guarded.logIn(EMAIL, PASSWORD, asker('192.0.2.1'))).rejects.toMatchObject(refusal);
  });
});
