import { toInstant } from '../runtime.ts';
import type { IssuedKey } from './key.decider.ts';

/** A key as its owner may see it: nothing of its secret but its ends. */
export interface KeySummary extends Omit<IssuedKey, 'secret' | 'userId' | 'suspended'> {
  readonly prefix: string;
  readonly last4: string;
}

export function summaryOf(key: IssuedKey): KeySummary {
  const { keyId, accountId, mode, name, status, limits, models, expiresAt, previousValidUntil, issuedAt } = key;
  const { prefix, last4 } = key.secret;
  const identity = { keyId, accountId, mode, name, prefix, last4, status };
  return { ...identity, limits, models, expiresAt, previousValidUntil, issuedAt };
}

/** The status at an instant: a key past its expiry is expired, whether or not that is recorded yet. */
export function statusAt(key: Pick<KeySummary, 'status' | 'expiresAt'>, now: number): KeySummary['status'] {
  const isOver = key.expiresAt !== null && key.expiresAt <= toInstant(now) && key.status !== 'revoked';
  return isOver ? 'expired' : key.status;
}
