import { beforeEach, describe, expect, it } from 'vitest';
import { decode } from '../../../events/codec.ts';
import { StoreUnavailable } from '../../../events/eventStore.ts';
import { MemoryEventStore } from '../../../infra/memory/eventStore.ts';
import { systemRuntime } from '../../../infra/runtime.ts';
import { changeAdminRights, isAdmin } from '../../../services/accounts/adminRights.ts';
import { accountOpened, appendAll, LIVE_ACCOUNT, USER, userRegistered } from '../../support/events.ts';
import { silentLog } from '../../support/log.ts';
import { accountWorld, EMAIL, PASSWORD } from './accountWorld.ts';

let store: MemoryEventStore;
beforeEach(async () => {
  store = new MemoryEventStore();
  await appendAll(store, [userRegistered(), accountOpened(), userRegistered({ userId: 'user_2' })]);
});

const change = (type: 'GrantAdminRights' | 'RevokeAdminRights', userId = USER) =>
  changeAdminRights(
    { store, runtime: systemRuntime(silentLog) },
    { type, userId, reason: 'duty', correlationId: 'cli' },
  );

describe('the rights of an administrator', () => {
  it('are nobody’s until they are granted, and end at once when they are revoked', async () => {
    expect(await isAdmin(store, USER)).toBe(false);
    expect(await change('GrantAdminRights')).toBe(true);
    expect(await isAdmin(store, USER)).toBe(true);
    expect(await isAdmin(store, 'user_2')).toBe(false);
    expect(await change('RevokeAdminRights')).toBe(true);
    expect(await isAdmin(store, USER)).toBe(false);
    expect(await change('GrantAdminRights')).toBe(true);
    expect(await isAdmin(store, USER)).toBe(true);
  });

  it('stand in the user’s own history, audited with the live account', async () => {
    await change('GrantAdminRights');
    const [, granted] = await store.readStream(`user-${USER}`, { direction: 'forwards', limit: 10 });
    expect(granted && decode(granted)).toMatchObject({
      type: 'AdminRightsGranted',
      version: 1,
      userId: USER,
      accountId: LIVE_ACCOUNT,
      reason: 'duty',
      correlationId: 'cli',
    });
  });

  it('are not granted or revoked twice', async () => {
    expect(await change('RevokeAdminRights')).toBe(false);
    await change('GrantAdminRights');
    expect(await change('GrantAdminRights')).toBe(false);
    expect(await store.readStream(`user-${USER}`, { direction: 'forwards', limit: 10 })).toHaveLength(2);
  });

  it('cannot be given to somebody who is not registered', async () => {
    expect(await change('GrantAdminRights', 'user_nobody')).toBeNull();
    expect(await change('RevokeAdminRights', 'user_nobody')).toBeNull();
    expect(await isAdmin(store, 'user_nobody')).toBe(false);
  });

  it('are not assumed while the store is away', async () => {
    await change('GrantAdminRights');
    store.reachable = false;
    await expect(isAdmin(store, USER)).rejects.toBeInstanceOf(StoreUnavailable);
  });

  it('change nothing about signing in', async () => {
    const world = accountWorld(store);
    const { userId } = await world.accounts.register({ email: EMAIL, password: PASSWORD, name: null }, 'request');
    await change('GrantAdminRights', userId);
    const { token, user } = await world.accounts.logIn(EMAIL, PASSWORD, 'request');
    expect(await world.tokens.verify(token)).toEqual(user);
    expect(await world.accounts.profileOf(userId)).toEqual({ email: EMAIL, name: null });
    const again = world.accounts.register({ email: EMAIL, password: PASSWORD, name: null }, 'request');
    await expect(again).rejects.toMatchObject({ code: 'email_taken' });
  });
});
