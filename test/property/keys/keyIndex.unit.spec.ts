import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { KeyEvent } from '../../../events/key/key.events.ts';
import { KeyIndex } from '../../../services/keys/keyIndex.ts';
import { accountOpened } from '../../support/events.ts';
import { ACCOUNT, DAY_MS, keptSecret, NOW } from '../../unit/keys/keyExamples.ts';
import { keyHistory } from './keyHistories.ts';
import { fold, runCommands } from './runCommands.ts';

const NAMES = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'] as const;
const oneKey = keyHistory('key_1', ['a', 'b', 'c', 'd']);
const otherKey = keyHistory('key_2', ['e', 'f', 'g', 'h']);

/** What the whole history of a key says of a secret, worked out without an index: its status, or null. */
function judge(events: readonly KeyEvent[], secretHash: string, nowMs: number): string | null {
  const state = fold(events);
  if (state.status === 'none' || state.status === 'revoked') return null;
  const last = events.findLastIndex((event) => event.type === 'ApiKeyRotated');
  const replaced = fold(events.slice(0, Math.max(0, last)));
  const isCurrent = state.secret.secretHash === secretHash;
  const isReplaced = replaced.status !== 'none' && replaced.secret.secretHash === secretHash;
  const lives = state.previousValidUntil !== null && nowMs < Date.parse(state.previousValidUntil);
  if (!isCurrent && !(isReplaced && lives)) return null;
  return state.expiresAt !== null && nowMs >= Date.parse(state.expiresAt) ? 'expired' : state.status;
}

describe('the key index', () => {
  it('says of every secret at every instant what the whole history says, after every event', () => {
    fc.assert(
      fc.property(oneKey, otherKey, fc.integer({ min: 0, max: 60 }), (one, other, days) => {
        const index = new KeyIndex();
        index.apply(accountOpened({ accountId: ACCOUNT }));
        const nowMs = NOW + days * DAY_MS;
        const histories = [runCommands(one).events, runCommands(other).events];
        histories.forEach((events, which) => {
          for (const [at, event] of events.entries()) {
            index.apply(event);
            for (const name of NAMES.slice(which * 4, which * 4 + 4)) {
              const { secretHash } = keptSecret(name);
              const found = index.find(secretHash, nowMs);
              expect(found?.status ?? null).toBe(judge(events.slice(0, at + 1), secretHash, nowMs));
              if (found) expect(found.keyId).toBe(event.keyId);
            }
          }
        });
      }),
      { numRuns: 300 },
    );
  });

  it('is not changed by events that come twice in a row', () => {
    fc.assert(
      fc.property(oneKey, fc.integer({ min: 0, max: 60 }), (commands, days) => {
        const { events } = runCommands(commands);
        const [once, twice] = [new KeyIndex(), new KeyIndex()];
        const opened = accountOpened({ accountId: ACCOUNT });
        for (const event of [opened, ...events]) once.apply(event);
        for (const event of [opened, ...events]) [event, event].forEach((same) => twice.apply(same));
        for (const name of NAMES) {
          const { secretHash } = keptSecret(name);
          const nowMs = NOW + days * DAY_MS;
          expect(twice.find(secretHash, nowMs)).toEqual(once.find(secretHash, nowMs));
        }
      }),
    );
  });
});
