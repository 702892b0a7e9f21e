import { beforeEach, describe, expect, it } from 'vitest';
import { decode } from '../../../events/codec.ts';
import type { KeyEvent } from '../../../events/key/key.events.ts';
import { MemoryEventStore } from '../../../infra/memory/eventStore.ts';
import { systemRuntime } from '../../../infra/runtime.ts';
import type { SignedInUser } from '../../../services/http/route.ts';
import type { KeyCommand } from '../../../services/keys/key.commands.ts';
import { keyDecider } from '../../../services/keys/key.decider.ts';
import { KeyAdministration } from '../../../services/keys/keyAdministration.ts';
import { KeyIndex } from '../../../services/keys/keyIndex.ts';
import {
  accountOpened,
  apiKeyAdministered,
  apiKeyChanged,
  apiKeyIssued,
  apiKeyRenamed,
  appendAll,
  exampleHash,
} from '../../support/events.ts';
import { silentLog } from '../../support/log.ts';
import { ADMIN, at, command, NOW } from './keyExamples.ts';

const issued = apiKeyIssued();
const disabled = apiKeyChanged('ApiKeyDisabled');
const suspended = apiKeyAdministered('ApiKeySuspended');
const reinstated = apiKeyAdministered('ApiKeyReinstated');
const revoked = apiKeyChanged('ApiKeyRevoked');

const stateAfter = (...events: readonly KeyEvent[]) =>
  events.reduce((state, event) => keyDecider.evolve(state, event), keyDecider.initialState());

/** What is decided: types and bodies of events, or the refusal. */
function decided(wish: KeyCommand, ...events: readonly KeyEvent[]) {
  const decision = keyDecider.decide(wish, stateAfter(...events));
  return decision.ok ? decision.events : decision.refusal;
}

describe('an administrator', () => {
  it('disables a key of any account, and the event names the administrator', () => {
    expect(decided(command.suspend({ reason: 'abuse' }), issued)).toMatchObject([
      { type: 'ApiKeySuspended', keyId: 'key_1', accountId: issued.accountId, by: ADMIN, reason: 'abuse' },
    ]);
    expect(stateAfter(issued, suspended)).toMatchObject({ status: 'disabled', suspended: true });
  });

  it('disables a key that its owner has disabled, so that it stays so', () => {
    expect(decided(command.suspend(), issued, disabled)).toMatchObject([{ type: 'ApiKeySuspended' }]);
    expect(decided(command.enable(), issued, disabled, suspended)).toBe('suspended');
  });

  it('enables a key, whoever had disabled it', () => {
    expect(decided(command.reinstate({ reason: 'sorry' }), issued, suspended)).toMatchObject([
      { type: 'ApiKeyReinstated', by: ADMIN, reason: 'sorry' },
    ]);
    expect(decided(command.reinstate(), issued, disabled)).toMatchObject([{ type: 'ApiKeyReinstated' }]);
    expect(stateAfter(issued, disabled, suspended, reinstated)).toMatchObject({ status: 'active', suspended: false });
  });

  it('changes nothing by asking for what is so already', () => {
    expect(decided(command.suspend(), issued, suspended)).toEqual([]);
    expect(decided(command.reinstate(), issued)).toEqual([]);
    expect(decided(command.reinstate(), issued, suspended, reinstated)).toEqual([]);
  });

  it('cannot bring back a key that has ended, or one that never was', () => {
    const past = apiKeyIssued({ expiresAt: at(0) });
    for (const wish of [command.suspend(), command.reinstate()]) {
      expect(decided(wish, issued, revoked)).toBe('revoked');
      expect(decided(wish, past)).toBe('expired');
      expect(decided(wish)).toBe('unknown_key');
    }
  });
});

describe('the owner of a key that an administrator disabled', () => {
  it('cannot enable it, and may do so again once it is reinstated', () => {
    expect(decided(command.enable(), issued, suspended)).toBe('suspended');
    expect(decided(command.enable(), issued, suspended, reinstated)).toEqual([]);
    expect(decided(command.enable(), issued, suspended, reinstated, disabled)).toMatchObject([
      { type: 'ApiKeyEnabled' },
    ]);
  });

  it('cannot take it back by disabling it first, by renaming, rotating or restricting it', () => {
    expect(decided(command.disable(), issued, suspended)).toEqual([]);
    const changes = [command.rename(), command.rotate(), command.restrict({ change: { models: [] } })];
    for (const wish of changes) {
      const events = decided(wish, issued, suspended) as readonly KeyEvent[];
      expect(stateAfter(issued, suspended, ...events)).toMatchObject({ status: 'disabled', suspended: true });
    }
  });

  it('may still revoke it', () => {
    expect(decided(command.revoke(), issued, suspended)).toMatchObject([{ type: 'ApiKeyRevoked' }]);
  });
});

describe('renaming', () => {
  it('changes the name alone', () => {
    expect(decided(command.rename({ name: 'new' }), issued)).toMatchObject([{ type: 'ApiKeyRenamed', name: 'new' }]);
    expect(stateAfter(issued, apiKeyRenamed({ name: 'new' }))).toEqual({ ...stateAfter(issued), name: 'new' });
  });

  it('to the same name yields nothing', () => {
    expect(decided(command.rename({ name: 'renamed' }), issued, apiKeyRenamed())).toEqual([]);
  });
});

it('is refused by the index while it is suspended, and found as usable after that', () => {
  const index = new KeyIndex();
  const status = () => index.find(exampleHash('key_1'), NOW)?.status;
  for (const event of [accountOpened(), issued]) index.apply(event);
  expect(status()).toBe('active');
  index.apply(suspended);
  expect(status()).toBe('disabled');
  index.apply(reinstated);
  expect(status()).toBe('active');
});

describe('KeyAdministration', () => {
  const admin: SignedInUser = { userId: ADMIN, accounts: { live: 'acct_live9', test: 'acct_test9' } };
  const KEY_ID = `key_${'a'.repeat(32)}`;
  const positions: bigint[] = [];
  let store: MemoryEventStore;
  let administration: KeyAdministration;

  beforeEach(async () => {
    store = new MemoryEventStore();
    positions.length = 0;
    const runtime = { ...systemRuntime(silentLog), clock: { now: () => NOW, monotonic: () => NOW } };
    const caughtUp = (position: bigint) => Promise.resolve(void positions.push(position));
    administration = new KeyAdministration({ store, caughtUp, runtime });
    await appendAll(store, [accountOpened(), apiKeyIssued({ keyId: KEY_ID })]);
  });

  const set = (isActive: boolean, keyId = KEY_ID) =>
    administration.setActive(admin, keyId, { isActive, reason: 'abuse' }, 'request');

  it('writes who did it into the key’s own history, and waits until that can be read', async () => {
    expect(await set(false)).toMatchObject({ keyId: KEY_ID, userId: 'user_1', status: 'disabled' });
    expect(await set(true)).toMatchObject({ status: 'active' });
    const history = await store.readStream(`key-${KEY_ID}`, { direction: 'forwards', limit: 10 });
    expect(history.slice(1).map((recorded) => decode(recorded))).toMatchObject([
      { type: 'ApiKeySuspended', by: ADMIN, reason: 'abuse', correlationId: 'request', accountId: issued.accountId },
      { type: 'ApiKeyReinstated', by: ADMIN, reason: 'abuse', correlationId: 'request', accountId: issued.accountId },
    ]);
    expect(positions).toEqual([3n, 4n]);
  });

  it('shows nothing of the secret', async () => {
    expect(JSON.stringify(await set(false))).not.toContain(exampleHash(KEY_ID));
  });

  it('tells a key that does not exist from one that has ended', async () => {
    await expect(set(false, `key_${'0'.repeat(32)}`)).rejects.toMatchObject({ code: 'not_found' });
    for (const strange of ['', 'key_1', '../../etc', `key_${'A'.repeat(32)}`]) {
      await expect(set(false, strange)).rejects.toMatchObject({ code: 'not_found' });
    }
    await appendAll(store, [apiKeyChanged('ApiKeyRevoked', { keyId: KEY_ID })]);
    await expect(set(true)).rejects.toMatchObject({ code: 'key_state', extra: { reason: 'revoked' } });
  });
});
