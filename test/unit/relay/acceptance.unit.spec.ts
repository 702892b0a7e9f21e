import { describe, expect, it } from 'vitest';
import { encode } from '../../../events/codec.ts';
import type { Append } from '../../../events/eventStore.ts';
import { Acceptance } from '../../../services/relay/acceptance.ts';
import { requestAccepted } from '../../support/events.ts';
import { ManualTimers } from './manualTimers.ts';

const event = encode(requestAccepted());

/** A call that has just been held, and what its settlements and log were given. */
function accepted(append: () => Promise<void> = () => Promise.resolve()) {
  const timers = new ManualTimers();
  const appends: Append[] = [];
  const errors: object[] = [];
  const settlements = {
    nearFull: false,
    append(wanted: Append) {
      appends.push(wanted);
      return append();
    },
  };
  const log = { info: () => undefined, warn: () => undefined, error: (fields: object) => errors.push(fields) };
  return { timers, appends, errors, acceptance: new Acceptance('req-1', event, settlements, { timers, log }) };
}

describe('the acceptance of a call', () => {
  it('goes with the settlement of a call that ends before 50 ms, and is not appended afterwards', async () => {
    const { timers, appends, acceptance } = accepted();
    timers.advance(49);
    expect(await acceptance.standsAlone()).toBe(false);
    timers.advance(1_000);
    expect(appends).toEqual([]);
    expect(timers.pending).toBe(0);
  });

  it('is appended by itself, once, when the call lasts 50 ms', async () => {
    const { timers, appends, acceptance } = accepted();
    timers.advance(50);
    timers.advance(1_000);
    expect(appends).toEqual([{ stream: 'request-req-1', expected: 'no_stream', events: [event] }]);
    expect(await acceptance.standsAlone()).toBe(true);
  });

  it('makes the settlement wait until its own append is decided', async () => {
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const { timers, acceptance } = accepted(() => promise);
    timers.advance(50);
    let decided = false;
    const standing = Promise.resolve(acceptance.standsAlone()).then((stands) => {
      decided = true;
      return stands;
    });
    await Promise.resolve();
    expect(decided).toBe(false);
    resolve(undefined);
    expect(await standing).toBe(true);
  });

  it('is left to the settlement, and told, when its append fails', async () => {
    const error = new Error('disk full');
    const { timers, errors, acceptance } = accepted(() => Promise.reject(error));
    timers.advance(50);
    expect(await acceptance.standsAlone()).toBe(false);
    expect(errors).toEqual([{ error, requestId: 'req-1' }]);
  });
});
