import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decode, encode } from '../../../events/codec.ts';
import { keyDecider } from '../../../services/keys/key.decider.ts';
import { keyHistory } from './keyHistories.ts';
import { fold, runCommands } from './runCommands.ts';

const history = keyHistory('key_1', ['a', 'b', 'c', 'd']);

describe('the life of a key', () => {
  it('gives nothing new when a command that succeeded is repeated', () => {
    fc.assert(
      fc.property(history, (commands) => {
        let state = keyDecider.initialState();
        for (const command of commands) {
          const decision = keyDecider.decide(command, state);
          if (!decision.ok) continue;
          state = fold(decision.events, state);
          expect(keyDecider.decide(command, state)).toEqual({ ok: true, events: [] });
        }
      }),
    );
  });

  it('is the same whether its events are folded at once or in two halves', () => {
    fc.assert(
      fc.property(history, fc.nat(), (commands, cut) => {
        const { state, events } = runCommands(commands);
        const half = cut % (events.length + 1);
        expect(fold(events.slice(half), fold(events.slice(0, half)))).toEqual(state);
      }),
    );
  });

  it('consists of events that can be stored and read back, each with an id of its own', () => {
    fc.assert(
      fc.property(history, (commands) => {
        const { events } = runCommands(commands);
        for (const event of events) expect(decode(encode(event))).toEqual(event);
        expect(new Set(events.map((event) => event.eventId)).size).toBe(events.length);
      }),
    );
  });

  it('never goes on after it was revoked', () => {
    fc.assert(
      fc.property(history, (commands) => {
        const { events } = runCommands(commands);
        const end = events.findIndex((event) => event.type === 'ApiKeyRevoked');
        expect(end === -1 || end === events.length - 1).toBe(true);
      }),
    );
  });
});
