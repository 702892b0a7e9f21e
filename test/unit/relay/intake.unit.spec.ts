import { describe, expect, it } from 'vitest';
import { NO_LIMITS } from '../../../events/quota/limits.ts';
import { KeyIndex } from '../../../services/keys/keyIndex.ts';
import { ApiError } from '../../../services/http/errors.ts';
import { Intake, type IntakeKey, type IntakePlace } from '../../../services/relay/http/intake.ts';
import { Tally } from '../../../services/relay/http/tally.ts';
import { accountOpened, apiKeyIssued, exampleHash, KEY } from '../../support/events.ts';

const CALLER: IntakeKey = { keyId: 'key_1', accountId: 'acct_1', concurrency: null };
const OTHER: IntakeKey = { keyId: 'key_2', accountId: 'acct_2', concurrency: null };

/** As the index of keys has it. */
function keyWith(own: number | null, account: number | null): IntakeKey {
  const index = new KeyIndex();
  index.apply(accountOpened({ limits: { ...NO_LIMITS, concurrency: account } }));
  index.apply(apiKeyIssued({ limits: { ...NO_LIMITS, concurrency: own } }));
  const key = index.find(exampleHash(KEY), Date.now());
  if (!key) throw new Error('the index does not have the key');
  return key;
}

/** Enters until refused, at most a thousand times. */
function fill(intake: Intake, key: IntakeKey): { places: IntakePlace[]; refusal: unknown } {
  const places: IntakePlace[] = [];
  try {
    while (places.length < 1_000) places.push(intake.enter(key));
    return { places, refusal: null };
  } catch (refusal) {
    return { places, refusal };
  }
}

describe('A tally', () => {
  it('gives each name as much as it may have, and tells when that is too little', () => {
    const tally = new Tally();
    expect([tally.take('a', 2), tally.take('a', 2), tally.take('a', 2)]).toEqual([true, true, false]);
    expect(tally.take('b', 10, 10)).toBe(true);
    expect(tally.take('b', 10)).toBe(false);
    tally.giveBack('a');
    expect([tally.take('a', 2), tally.take('a', 2)]).toEqual([true, false]);
  });

  it('forgets a name that has nothing left, and one that was refused everything', () => {
    const tally = new Tally();
    tally.take('a', 2);
    tally.take('a', 2);
    tally.take('b', 0);
    expect(tally.size).toBe(1);
    tally.giveBack('a');
    expect(tally.size).toBe(1);
    tally.giveBack('a');
    expect(tally.size).toBe(0);
  });

  it('never has less than nothing', () => {
    const tally = new Tally();
    tally.giveBack('a');
    tally.take('a', 3, 2);
    tally.giveBack('a', 5);
    expect(tally.size).toBe(0);
    expect([tally.take('a', 1), tally.take('a', 1)]).toEqual([true, false]);
  });
});

describe('The places of a key', () => {
  it.each([
    ['twice its own concurrency', 10, null, 20],
    ['twice that of its account', null, 30, 60],
    ['twice the narrower of both', 40, 15, 30],
    ['8 where it may make few calls at once', 1, 10, 8],
    ['8 where it may make none', 0, null, 8],
    ['256 where nothing is limited', null, null, 256],
    ['as many as a large limit asks for', 400, 100_000, 800],
  ])('are %s', (_what, own, account, places) => {
    expect(fill(new Intake(1_000, 1), keyWith(own, account)).places).toHaveLength(places);
  });

  it('are refused beyond with 429 and a time to come again, and leave other keys alone', () => {
    const intake = new Intake(1_000, 1);
    const { refusal } = fill(intake, keyWith(4, null));
    expect(refusal).toMatchObject({ code: 'concurrency_exceeded', retryAfterMs: 1_000, extra: { limit: 8 } });
    expect(fill(intake, OTHER).places).toHaveLength(256);
  });

  it('are free again when they were left, once each', () => {
    const intake = new Intake(1_000, 1);
    const { places } = fill(intake, keyWith(4, null));
    places[0]?.leave();
    places[0]?.leave();
    expect(fill(intake, keyWith(4, null)).places).toHaveLength(1);
  });
});

describe('The bytes of bodies', () => {
  it('are held until their call leaves, and given back once', () => {
    const intake = new Intake(100, 1);
    const [one, other] = [intake.enter(CALLER), intake.enter(CALLER)];
    expect([one.hold(20), one.hold(10), other.hold(5)]).toEqual([null, null, null]);
    expect(intake.heldBytes).toBe(35);
    one.leave();
    one.leave();
    expect(intake.heldBytes).toBe(5);
    other.leave();
    expect(intake.heldBytes).toBe(0);
  });

  it('of one account are half of what there is, and 429 beyond', () => {
    const intake = new Intake(100, 1);
    expect(intake.enter(CALLER).hold(30)).toBeNull();
    const second = intake.enter({ ...CALLER, keyId: 'key_of_the_same_account' });
    expect(second.hold(20)).toBeNull();
    expect(second.hold(1)).toMatchObject({ code: 'concurrency_exceeded', retryAfterMs: 1_000 });
    expect(intake.enter(OTHER).hold(50)).toBeNull();
  });

  it('of one account may be two of the largest body, however large that is', () => {
    const place = new Intake(100, 1_000).enter(CALLER);
    expect([place.hold(1_000), place.hold(1_000)]).toEqual([null, null]);
    expect(place.hold(1)).not.toBeNull();
  });

  it('of all are bounded, and 503 beyond; what was refused was not counted', () => {
    const intake = new Intake(100, 1);
    const third = intake.enter({ keyId: 'key_3', accountId: 'acct_3', concurrency: null });
    const full = intake.enter(OTHER);
    intake.enter(CALLER).hold(50);
    full.hold(50);
    expect(third.hold(1)).toMatchObject({ code: 'service_unavailable', retryAfterMs: 1_000 });
    expect(third.hold(1)).toBeInstanceOf(ApiError);
    expect(intake.heldBytes).toBe(100);
    full.leave();
    third.leave();
    expect(intake.heldBytes).toBe(50);
  });
});
