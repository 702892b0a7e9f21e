import { describe, expect, it } from 'vitest';
import { deriveId } from '../../../events/ids.ts';
import type { KeyEvent } from '../../../events/key/key.events.ts';
import { NO_LIMITS } from '../../../events/quota/limits.ts';
import type { KeyCommand, KeyRefusal } from '../../../services/keys/key.commands.ts';
import { keyDecider } from '../../../services/keys/key.decider.ts';
import { accountOpened, apiKeyChanged, apiKeyIssued, apiKeyRestricted } from '../../support/events.ts';
import { ACCOUNT, at, command, DAY_MS, KEY_ID, keptSecret, NOW, OTHER_ACCOUNT } from './keyExamples.ts';

const issued = (change: Parameters<typeof apiKeyIssued>[0] = {}) => apiKeyIssued({ accountId: ACCOUNT, ...change });
const disabled = apiKeyChanged('ApiKeyDisabled');
const enabled = apiKeyChanged('ApiKeyEnabled');
const revoked = apiKeyChanged('ApiKeyRevoked');
const expired = apiKeyChanged('ApiKeyExpired');

function given(...events: readonly KeyEvent[]) {
  const state = events.reduce((folded, event) => keyDecider.evolve(folded, event), keyDecider.initialState());
  return {
    when(wish: KeyCommand) {
      const decision = keyDecider.decide(wish, state);
      return {
        then: (...expected: readonly KeyEvent[]) => expect(decision).toEqual({ ok: true, events: expected }),
        thenRefused: (refusal: KeyRefusal) => expect(decision).toEqual({ ok: false, refusal }),
      };
    },
  };
}

function header<T extends KeyEvent['type']>(type: T) {
  return {
    type,
    version: 1 as const,
    eventId: deriveId('key', KEY_ID, 'command', type),
    occurredAt: at(0),
    accountId: ACCOUNT,
    correlationId: 'request',
    causationId: null,
    keyId: KEY_ID,
  };
}

describe('issuing', () => {
  it('says everything about the new key but its secret', () => {
    const limits = { ...NO_LIMITS, tokensPerMonth: 500, spendPerMonth: [{ currency: 'USD' as const, picos: '0' }] };
    const wish = { limits, models: ['gpt-4o-mini'], expiresAt: at(1) };
    given()
      .when(command.issue(wish))
      .then({
        ...header('ApiKeyIssued'),
        userId: 'user_1',
        name: 'ci',
        mode: 'live',
        ...keptSecret('a'),
        ...wish,
      });
  });

  it('of the same secret again yields nothing', () => {
    given(issued({ ...keptSecret('a') }))
      .when(command.issue())
      .then();
  });

  it('under an id that is taken is refused', () => {
    given(issued({ ...keptSecret('b') }))
      .when(command.issue())
      .thenRefused('already_issued');
  });

  it('of a key that is already past its expiry is refused', () => {
    given()
      .when(command.issue({ expiresAt: at(0) }))
      .thenRefused('expiry_in_past');
  });

  it.each([
    ['negative tokens', { tokensPerMonth: -1 }],
    ['an unsafe quantity', { tokensPerMinute: 2 ** 53 }],
    ['negative money', { spendPerMonth: [{ currency: 'USD' as const, picos: '-1' }] }],
    [
      'one currency twice',
      {
        spendPerMonth: [
          { currency: 'USD' as const, picos: '1' },
          { currency: 'USD' as const, picos: '2' },
        ],
      },
    ],
  ])('with %s is refused', (_name, wrong) => {
    given()
      .when(command.issue({ limits: { ...NO_LIMITS, ...wrong } }))
      .thenRefused('invalid_limits');
  });
});

describe('restricting', () => {
  const spend = (usd: string) => [{ currency: 'USD' as const, picos: usd }];

  it('changes what is named and keeps the rest', () => {
    const before = issued({ limits: { ...NO_LIMITS, concurrency: 3, spendPerMonth: spend('5') }, models: ['a'] });
    given(before)
      .when(command.restrict({ change: { limits: { tokensPerMonth: 9 }, expiresAt: at(5) } }))
      .then({
        ...header('ApiKeyRestricted'),
        limits: { ...NO_LIMITS, concurrency: 3, spendPerMonth: spend('5'), tokensPerMonth: 9 },
        models: ['a'],
        expiresAt: at(5),
      });
  });

  it('lifts restrictions that are set to null', () => {
    given(issued({ models: ['a'], expiresAt: at(9) }))
      .when(command.restrict({ change: { models: null, expiresAt: null } }))
      .then({ ...header('ApiKeyRestricted'), limits: NO_LIMITS, models: null, expiresAt: null });
  });

  it('an empty list of models allows none', () => {
    given(issued())
      .when(command.restrict({ change: { models: [] } }))
      .then({ ...header('ApiKeyRestricted'), limits: NO_LIMITS, models: [], expiresAt: null });
  });

  it('to what holds already yields nothing, whatever the order of models and however amounts are written', () => {
    given(issued({ models: ['a', 'b'], limits: { ...NO_LIMITS, spendPerMonth: spend('5') } }))
      .when(command.restrict({ change: { models: ['b', 'a'], limits: { spendPerMonth: spend('005') } } }))
      .then();
  });

  it('works on a disabled key', () => {
    given(issued(), disabled)
      .when(command.restrict({ change: { limits: { concurrency: 0 } } }))
      .then({ ...header('ApiKeyRestricted'), limits: { ...NO_LIMITS, concurrency: 0 }, models: null, expiresAt: null });
  });

  it('to an expiry that has passed, or to wrong limits, is refused', () => {
    given(issued())
      .when(command.restrict({ change: { expiresAt: at(-1) } }))
      .thenRefused('expiry_in_past');
    const negative = { limits: { concurrency: -1 } };
    given(issued())
      .when(command.restrict({ change: negative }))
      .thenRefused('invalid_limits');
  });

  it('cannot bring back a key whose expiry has passed, recorded or not', () => {
    const later = command.restrict({ change: { expiresAt: at(DAY_MS) } });
    given(issued({ expiresAt: at(0) }))
      .when(later)
      .thenRefused('expired');
    given(issued({ expiresAt: at(0) }), expired)
      .when(later)
      .thenRefused('expired');
  });
});

describe('rotating', () => {
  it('replaces the secret and says until when the previous one is valid', () => {
    given(issued())
      .when(command.rotate())
      .then({ ...header('ApiKeyRotated'), ...keptSecret('b'), previousValidUntil: at(DAY_MS) });
  });

  it('without overlap ends the previous secret at once', () => {
    given(issued(), disabled)
      .when(command.rotate({ overlapMs: 0 }))
      .then({ ...header('ApiKeyRotated'), ...keptSecret('b'), previousValidUntil: at(0) });
  });

  it('to the secret that it has yields nothing', () => {
    given(issued({ ...keptSecret('b') }))
      .when(command.rotate())
      .then();
  });

  it.each([-1, 30 * DAY_MS + 1, 0.5, Number.NaN, Infinity])('with an overlap of %d ms is refused', (overlapMs) => {
    given(issued()).when(command.rotate({ overlapMs })).thenRefused('overlap_out_of_range');
  });
});

describe('disabling and enabling', () => {
  it('turns a key off and on', () => {
    given(issued())
      .when(command.disable({ reason: 'leak' }))
      .then({ ...header('ApiKeyDisabled'), reason: 'leak' });
    given(issued(), disabled)
      .when(command.enable({ reason: 'ok' }))
      .then({ ...header('ApiKeyEnabled'), reason: 'ok' });
  });

  it('yields nothing when the key is so already', () => {
    given(issued(), disabled).when(command.disable()).then();
    given(issued()).when(command.enable()).then();
    given(issued(), disabled, enabled).when(command.enable()).then();
  });
});

describe('revoking', () => {
  it.each([
    ['an active', [issued()]],
    ['a disabled', [issued(), disabled]],
    ['an expired', [issued({ expiresAt: at(-1) }), expired]],
  ])('ends %s key', (_name, history) => {
    given(...history)
      .when(command.revoke({ reason: 'leak' }))
      .then({ ...header('ApiKeyRevoked'), reason: 'leak' });
  });

  it('of a revoked key yields nothing', () => {
    given(issued(), revoked).when(command.revoke()).then();
  });
});

describe('expiring', () => {
  const due = issued({ expiresAt: at(0) });

  it('is recorded from the very instant of the expiry on', () => {
    given(due).when(command.expire()).then(header('ApiKeyExpired'));
    given(due, disabled).when(command.expire()).then(header('ApiKeyExpired'));
    given(due)
      .when(command.expire({ now: NOW - 1 }))
      .thenRefused('not_due');
  });

  it('of an expired key yields nothing', () => {
    given(due, expired).when(command.expire()).then();
  });

  it('is refused when the expiry was moved or lifted meanwhile, or the key revoked', () => {
    given(due, apiKeyRestricted({ expiresAt: at(1) }))
      .when(command.expire())
      .thenRefused('not_due');
    given(due, apiKeyRestricted({ expiresAt: null }))
      .when(command.expire())
      .thenRefused('not_due');
    given(due, revoked).when(command.expire()).thenRefused('revoked');
  });
});

const changes = {
  restrict: command.restrict({ change: { models: ['a'] } }),
  rotate: command.rotate(),
  rename: command.rename(),
  disable: command.disable(),
  enable: command.enable(),
  revoke: command.revoke(),
  expire: command.expire(),
};

describe.each(Object.entries(changes))('%s', (name, wish) => {
  it('does not know a key that was never issued', () => {
    given().when(wish).thenRefused('unknown_key');
  });

  it('does not know a key of another account', () => {
    given(issued({ accountId: OTHER_ACCOUNT }))
      .when(wish)
      .thenRefused('unknown_key');
  });

  it('leaves a revoked key as it is', () => {
    if (name === 'revoke') given(issued(), revoked).when(wish).then();
    else given(issued(), revoked).when(wish).thenRefused('revoked');
  });
});

it('refuses to own the events of others', () => {
  expect(keyDecider.owns(issued())).toBe(true);
  expect(keyDecider.owns(accountOpened())).toBe(false);
});
