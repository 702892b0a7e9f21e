import { decode } from '../../../events/codec.ts';
import type { EventStore } from '../../../events/eventStore.ts';
import { keyDecider, type IssuedKey, type KeyState } from '../../../services/keys/key.decider.ts';
import { summaryOf } from '../../../services/keys/keySummary.ts';
import type { KeyReader } from '../../../services/keys/ports.ts';

/** A keys read model without a database: folds the key streams of a log whenever it is asked, so it never lags. */
export function foldedKeys(store: EventStore): KeyReader {
  const usable = (key: IssuedKey) => key.status === 'active' || key.status === 'disabled';
  return {
    async listKeys(accountIds, limit) {
      const keys = (await foldAll(store)).filter((key) => accountIds.includes(key.accountId)).reverse();
      return [...keys.filter(usable), ...keys.filter((key) => !usable(key))].slice(0, limit).map(summaryOf);
    },
    async countKeys(accountId) {
      const keys = (await foldAll(store)).filter((key) => key.accountId === accountId);
      return { issued: keys.length, active: keys.filter(usable).length };
    },
    async dueForExpiry(instant, limit) {
      const keys = await foldAll(store);
      const due = keys.filter((key) => usable(key) && key.expiresAt !== null && key.expiresAt <= instant);
      return due.slice(0, limit).map(({ keyId, accountId }) => ({ keyId, accountId }));
    },
  };
}

/** Every key, in the order of their issue. */
async function foldAll(store: EventStore): Promise<IssuedKey[]> {
  const { events } = await store.readAll({ after: 0n, limit: 100_000, categories: ['key'] });
  const states = new Map<string, KeyState>();
  for (const recorded of events) {
    const event = decode(recorded);
    if (!event || !keyDecider.owns(event)) throw new Error(`${recorded.stream} holds ${recorded.type}`);
    states.set(event.keyId, keyDecider.evolve(states.get(event.keyId) ?? keyDecider.initialState(), event));
  }
  return [...states.values()].filter((state) => state.status !== 'none');
}
