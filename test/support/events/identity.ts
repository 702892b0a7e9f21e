import type { AccountEvent, AccountOpened, UserRegistered } from '../../../events/account/account.events.ts';
import type { ApiKeyIssued, KeyEvent } from '../../../events/key/key.events.ts';
import type { PriceBookPublished } from '../../../events/pricebook/pricebook.events.ts';
import { NO_LIMITS } from '../../../events/quota/limits.ts';
import type { QuotaEvent } from '../../../events/quota/quota.events.ts';
import {
  envelope,
  exampleHash,
  KEY,
  LIVE_ACCOUNT,
  MODEL,
  PRICE_VERSION,
  TEST_ACCOUNT,
  USER,
  type Change,
  type OfType,
} from './shared.ts';

export function userRegistered(change: Change<UserRegistered> = {}): UserRegistered {
  const userId = change.userId ?? USER;
  return {
    type: 'UserRegistered',
    version: 1,
    ...envelope('UserRegistered', change, userId),
    userId,
    emailIndex: exampleHash(userId),
    sealedProfile: 'v1.aXY.cHJvZmlsZQ.dGFn',
    sealedPasswordHash: 'v1.aXY.cGFzc3dvcmQ.dGFn',
    accounts: { live: LIVE_ACCOUNT, test: TEST_ACCOUNT },
    ...change,
  };
}

export function adminRights<T extends 'AdminRightsGranted' | 'AdminRightsRevoked'>(
  type: T,
  change: Change<OfType<AccountEvent, T>> = {},
): AccountEvent {
  const userId = change.userId ?? USER;
  return { type, version: 1, ...envelope(type, change, userId), userId, reason: 'example', ...change };
}

export function accountOpened(change: Change<AccountOpened> = {}): AccountOpened {
  return {
    type: 'AccountOpened',
    version: 1,
    ...envelope('AccountOpened', change),
    userId: USER,
    mode: 'live',
    zone: 'UTC',
    limits: NO_LIMITS,
    maxKeys: 10,
    ...change,
  };
}

export function accountLimitsSet(
  change: Change<OfType<QuotaEvent, 'AccountLimitsSet'>> = {},
): OfType<QuotaEvent, 'AccountLimitsSet'> {
  return {
    type: 'AccountLimitsSet',
    version: 1,
    ...envelope('AccountLimitsSet', change),
    limits: NO_LIMITS,
    reason: 'example',
    ...change,
  };
}

export function apiKeyIssued(change: Change<ApiKeyIssued> = {}): ApiKeyIssued {
  const keyId = change.keyId ?? KEY;
  return {
    type: 'ApiKeyIssued',
    version: 1,
    ...envelope('ApiKeyIssued', change, keyId),
    keyId,
    userId: USER,
    name: 'example',
    mode: 'live',
    secretHash: exampleHash(keyId),
    prefix: 'tly_live_abc',
    last4: 'wxyz',
    limits: NO_LIMITS,
    models: null,
    expiresAt: null,
    ...change,
  };
}

export function apiKeyRestricted(
  change: Change<OfType<KeyEvent, 'ApiKeyRestricted'>> = {},
): OfType<KeyEvent, 'ApiKeyRestricted'> {
  const keyId = change.keyId ?? KEY;
  return {
    type: 'ApiKeyRestricted',
    version: 1,
    ...envelope('ApiKeyRestricted', change, keyId),
    keyId,
    limits: NO_LIMITS,
    models: null,
    expiresAt: null,
    ...change,
  };
}

export function apiKeyRotated(
  change: Change<OfType<KeyEvent, 'ApiKeyRotated'>> = {},
): OfType<KeyEvent, 'ApiKeyRotated'> {
  const keyId = change.keyId ?? KEY;
  return {
    type: 'ApiKeyRotated',
    version: 1,
    ...envelope('ApiKeyRotated', change, keyId),
    keyId,
    secretHash: exampleHash(`${keyId} rotated`),
    prefix: 'tly_live_def',
    last4: 'stuv',
    previousValidUntil: '2026-11-21T09:30:00.000Z',
    ...change,
  };
}

/** One of the key's changes of state. */
export function apiKeyChanged<T extends 'ApiKeyDisabled' | 'ApiKeyEnabled' | 'ApiKeyRevoked' | 'ApiKeyExpired'>(
  type: T,
  change: Change<OfType<KeyEvent, T>> = {},
): KeyEvent {
  const keyId = change.keyId ?? KEY;
  const common = { version: 1 as const, ...envelope(type, change, keyId), keyId };
  if (type === 'ApiKeyExpired') return { type, ...common, ...change };
  return { type, ...common, reason: 'example', ...change };
}

/** What an administrator did to the key. */
export function apiKeyAdministered<T extends 'ApiKeySuspended' | 'ApiKeyReinstated'>(
  type: T,
  change: Change<OfType<KeyEvent, T>> = {},
): KeyEvent {
  const keyId = change.keyId ?? KEY;
  return { type, version: 1, ...envelope(type, change, keyId), keyId, by: 'user_admin', reason: 'example', ...change };
}

export function apiKeyRenamed(change: Change<OfType<KeyEvent, 'ApiKeyRenamed'>> = {}): KeyEvent {
  const keyId = change.keyId ?? KEY;
  return {
    type: 'ApiKeyRenamed',
    version: 1,
    ...envelope('ApiKeyRenamed', change, keyId),
    keyId,
    name: 'renamed',
    ...change,
  };
}

export function priceBookPublished(change: Change<PriceBookPublished> = {}): PriceBookPublished {
  return {
    type: 'PriceBookPublished',
    version: 2,
    ...envelope('PriceBookPublished', { accountId: 'system', ...change }),
    priceVersion: PRICE_VERSION,
    effectiveFrom: '2026-01-01T00:00:00.000Z',
    models: [
      {
        model: MODEL,
        currency: 'USD',
        price: { meters: { uncachedInput: 150_000, cacheRead: 75_000, outputText: 600_000 } },
        maxOutputTokens: 16_384,
      },
    ],
    ...change,
  };
}
