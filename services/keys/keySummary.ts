import type { IssuedKey } from './key.decider.ts';

/** A key as its owner may see it: everything but the hash of its secret. */
export interface KeySummary extends Omit<IssuedKey, 'secret' | 'userId'> {
  readonly prefix: string;
  readonly last4: string;
}

export function summaryOf(key: IssuedKey): KeySummary {
  const { keyId, accountId, mode, name, status, limits, models, expiresAt, previousValidUntil, issuedAt } = key;
  const { prefix, last4 } = key.secret;
  const identity = { keyId, accountId, mode, name, prefix, last4, status };
  return { ...identity, limits, models, expiresAt, previousValidUntil, issuedAt };
}
