import { beforeEach, describe, expect, it } from 'vitest';
import { MemoryEventStore } from '../../../infra/memory/eventStore.ts';
import { isAdmin } from '../../../services/accounts/adminRights.ts';
import { appendAll, userRegistered } from '../../support/events.ts';
import { tryOut } from './tryout.ts';

const USER = `user_${'a'.repeat(26)}`;
const EMAIL = 'ada@example.com';

let store: MemoryEventStore;
let accounts: (...argv: readonly string[]) => ReturnType<typeof tryOut>;

beforeEach(async () => {
  store = new MemoryEventStore();
  await appendAll(store, [userRegistered({ userId: USER })]);
  const emailIndex = { of: (email: string) => (email === EMAIL ? 'a' : 'b').repeat(64) };
  accounts = (...argv) => tryOut(['accounts', ...argv], { installation: { store, emailIndex } });
});

describe('accounts', () => {
  it('grant-admin makes a user an administrator, named by address or id', async () => {
    const granted = await accounts('grant-admin', EMAIL, '--reason', 'duty', '--json');
    expect(granted).toMatchObject({ code: 0, error: '' });
    expect(JSON.parse(granted.out)).toEqual({ userId: USER, isAdmin: true, changed: true });
    expect(await isAdmin(store, USER)).toBe(true);
    const again = await accounts('grant-admin', USER);
    expect(again).toEqual({ code: 0, out: `${USER} is an administrator, as before\n`, error: '' });
  });

  it('revoke-admin takes the rights back', async () => {
    await accounts('grant-admin', USER);
    expect(await accounts('revoke-admin', USER)).toEqual({
      code: 0,
      out: `${USER} is no administrator\n`,
      error: '',
    });
    expect(await isAdmin(store, USER)).toBe(false);
  });

  it.each(['grant-admin', 'revoke-admin'])('%s must be told whom, and knows who is registered', async (command) => {
    expect(await accounts(command)).toMatchObject({ code: 2 });
    expect(await accounts(command, USER, '--reason', 'x'.repeat(201))).toMatchObject({ code: 2 });
    const unknown = await accounts(command, 'eve@example.com');
    expect(unknown).toEqual({ code: 4, out: '', error: 'There is no user eve@example.com.\n' });
  });
});
