import type { KeySummary } from '../../keys/keySummary.ts';
import { toInstant } from '../../runtime.ts';
import { limitsDocument, limitsText } from '../limits.ts';
import { tableOf } from '../table.ts';

/** The key as it stands at an instant: one past its expiry is expired, whether or not that is recorded yet. */
export function keyAt(key: KeySummary, now: number): KeySummary {
  const isOver = key.expiresAt !== null && key.expiresAt <= toInstant(now) && key.status !== 'revoked';
  return isOver ? { ...key, status: 'expired' } : key;
}

/** A key as JSON. */
export function keyDocument(key: KeySummary) {
  return { ...key, limits: limitsDocument(key.limits) };
}

/** Keys as a table. */
export function keyTable(keys: readonly KeySummary[]): string {
  return tableOf(
    [
      { head: 'key', of: (key) => key.keyId },
      { head: 'name', of: (key) => key.name },
      { head: 'mode', of: (key) => key.mode },
      { head: 'status', of: (key) => key.status },
      { head: 'secret', of: (key) => `${key.prefix}…${key.last4}` },
      { head: 'limits', of: (key) => limitsText(key.limits) },
      { head: 'models', of: (key) => key.models?.join(', ') ?? 'all' },
      { head: 'expires', of: (key) => key.expiresAt ?? 'never' },
    ],
    keys,
    'No keys.',
  );
}
