import { beforeEach, describe, expect, it } from 'vitest';
import { NO_LIMITS } from '../../../events/quota/limits.ts';
import { KeyIndex } from '../../../services/keys/keyIndex.ts';
import {
  accountLimitsSet,
  accountOpened,
  apiKeyChanged,
  apiKeyIssued,
  apiKeyRestricted,
  apiKeyRotated,
  exampleHash,
  KEY,
  LIVE_ACCOUNT,
  userRegistered,
} from '../../support/events.ts';
import { at, DAY_MS, NOW } from './keyExamples.ts';

const HASH = exampleHash(KEY);
const ROTATED = exampleHash(`${KEY} rotated`);
const perMinute = (requestsPerMinute: number | null, tokensPerMinute: number | null) => ({
  ...NO_LIMITS,
  requestsPerMinute,
  tokensPerMinute,
});

let index: KeyIndex;
beforeEach(() => {
  index = new KeyIndex();
  index.apply(userRegistered());
  index.apply(accountOpened({ limits: perMinute(600, null) }));
});

describe('finding a key', () => {
  it('gives everything that a request needs to know', () => {
    index.apply(apiKeyIssued({ models: ['a', 'b'], expiresAt: at(5), limits: perMinute(null, 100) }));
    expect(index.find(HASH, NOW)).toEqual({
      keyId: KEY,
      accountId: LIVE_ACCOUNT,
      mode: 'live',
      status: 'active',
      models: new Set(['a', 'b']),
      expiresAt: NOW + 5,
      requestsPerMinute: 600,
      tokensPerMinute: 100,
      concurrency: null,
    });
    expect(index.size).toBe(1);
  });

  it('gives the very same object again, so that looking up allocates nothing', () => {
    index.apply(apiKeyIssued({ expiresAt: at(5) }));
    expect(index.find(HASH, NOW)).toBe(index.find(HASH, NOW + 4));
    expect(index.find(HASH, NOW + 5)).toBe(index.find(HASH, NOW + 6));
  });

  it('knows no secret that was not issued', () => {
    index.apply(apiKeyIssued());
    expect(index.find(exampleHash('other'), NOW)).toBeNull();
    expect(index.find('', NOW)).toBeNull();
  });

  it('denies a key whose account it has not heard of', () => {
    index.apply(apiKeyIssued({ accountId: 'acct_unheard' }));
    expect(index.find(HASH, NOW)).toBeNull();
  });
});

describe('a key that is no longer active', () => {
  it('is denied from the event of its revocation on, for ever', () => {
    for (const event of [apiKeyIssued(), apiKeyRotated(), apiKeyChanged('ApiKeyRevoked')]) index.apply(event);
    index.apply(apiKeyChanged('ApiKeyEnabled'));
    index.apply(apiKeyIssued());
    expect(index.find(HASH, NOW)).toBeNull();
    expect(index.find(ROTATED, NOW)).toBeNull();
  });

  it('is found as disabled, and as active again', () => {
    index.apply(apiKeyIssued());
    index.apply(apiKeyChanged('ApiKeyDisabled'));
    expect(index.find(HASH, NOW)?.status).toBe('disabled');
    index.apply(apiKeyChanged('ApiKeyEnabled'));
    expect(index.find(HASH, NOW)?.status).toBe('active');
  });

  it('is expired from the very instant of its expiry, without any event', () => {
    index.apply(apiKeyIssued({ expiresAt: at(DAY_MS) }));
    expect(index.find(HASH, NOW + DAY_MS - 1)?.status).toBe('active');
    expect(index.find(HASH, NOW + DAY_MS)?.status).toBe('expired');
    index.apply(apiKeyChanged('ApiKeyExpired'));
    expect(index.find(HASH, NOW + DAY_MS)?.status).toBe('expired');
  });
});

describe('a rotated key', () => {
  it('has two secrets until the previous one ends', () => {
    index.apply(apiKeyIssued());
    index.apply(apiKeyRotated({ previousValidUntil: at(DAY_MS) }));
    expect(index.find(ROTATED, NOW)?.keyId).toBe(KEY);
    expect(index.find(HASH, NOW + DAY_MS - 1)?.keyId).toBe(KEY);
    expect(index.find(HASH, NOW + DAY_MS)).toBeNull();
    expect(index.find(ROTATED, NOW + DAY_MS)?.keyId).toBe(KEY);
  });

  it('loses the secret before the previous one at once', () => {
    const third = exampleHash('third');
    index.apply(apiKeyIssued());
    index.apply(apiKeyRotated({ previousValidUntil: at(DAY_MS) }));
    index.apply(apiKeyRotated({ secretHash: third, previousValidUntil: at(DAY_MS) }));
    expect([HASH, ROTATED, third].map((hash) => index.find(hash, NOW)?.keyId ?? null)).toEqual([null, KEY, KEY]);
  });

  it('is disabled under both secrets', () => {
    for (const event of [apiKeyIssued(), apiKeyRotated(), apiKeyChanged('ApiKeyDisabled')]) index.apply(event);
    expect([HASH, ROTATED].map((hash) => index.find(hash, NOW)?.status)).toEqual(['disabled', 'disabled']);
  });
});

describe('limits', () => {
  it.each([
    [null, null, null],
    [null, 600, 600],
    [5, null, 5],
    [5, 600, 5],
    [700, 600, 600],
    [0, 600, 0],
  ])('of the key %j and of the account %j make %j', (ofKey, ofAccount, effective) => {
    index.apply(accountLimitsSet({ limits: { ...perMinute(ofAccount, ofAccount), concurrency: ofAccount } }));
    index.apply(apiKeyIssued({ limits: { ...perMinute(ofKey, ofKey), concurrency: ofKey } }));
    expect(index.find(HASH, NOW)).toMatchObject({
      requestsPerMinute: effective,
      tokensPerMinute: effective,
      concurrency: effective,
    });
  });

  it('follow a change of the key and a change of the account', () => {
    index.apply(apiKeyIssued());
    index.apply(apiKeyRestricted({ limits: perMinute(10, 20), models: ['a'] }));
    expect(index.find(HASH, NOW)).toMatchObject({ requestsPerMinute: 10, models: new Set(['a']) });
    index.apply(accountLimitsSet({ limits: perMinute(3, null) }));
    expect(index.find(HASH, NOW)).toMatchObject({ requestsPerMinute: 3, tokensPerMinute: 20 });
  });

  it('of an account do not touch the keys of another', () => {
    const [other, otherHash] = ['key_other', exampleHash('key_other')];
    index.apply(accountOpened({ accountId: 'acct_other' }));
    index.apply(apiKeyIssued({ accountId: 'acct_other', keyId: other }));
    index.apply(accountLimitsSet({ limits: perMinute(3, 3) }));
    expect(index.find(otherHash, NOW)).toMatchObject({ keyId: other, requestsPerMinute: null });
  });
});
