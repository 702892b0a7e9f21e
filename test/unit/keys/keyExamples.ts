import type { KeyCommand, KeptSecret } from '../../../services/keys/key.commands.ts';
import { NO_LIMITS } from '../../../events/quota/limits.ts';
import { toInstant } from '../../../services/runtime.ts';

export const KEY_ID = 'key_1';
export const ACCOUNT = 'acct_live1';
export const ADMIN = 'user_admin';
export const OTHER_ACCOUNT = 'acct_live2';
export const NOW = Date.parse('2026-11-20T09:30:00.000Z');
export const DAY_MS = 86_400_000;
export const at = (offsetMs: number) => toInstant(NOW + offsetMs);

/** A secret that depends on `name`, as it is kept. */
export function keptSecret(name: string): KeptSecret {
  const digit = (name.codePointAt(0) ?? 0) % 10;
  return { secretHash: String(digit).repeat(64), prefix: `tly_live_${name}`.slice(0, 13), last4: 'wxyz' };
}

type Change<T extends KeyCommand['type']> = Partial<Omit<Extract<KeyCommand, { type: T }>, 'type'>>;

const base = { keyId: KEY_ID, commandId: 'command', correlationId: 'request', now: NOW };
const owned = { ...base, accountIds: [ACCOUNT, 'acct_test1'] };

/** Commands with plausible values, and what a test sets. */
export const command = {
  issue: (change: Change<'IssueKey'> = {}): KeyCommand => ({
    type: 'IssueKey',
    ...base,
    accountId: ACCOUNT,
    userId: 'user_1',
    name: 'ci',
    mode: 'live',
    secret: keptSecret('a'),
    limits: NO_LIMITS,
    models: null,
    expiresAt: null,
    ...change,
  }),
  restrict: (change: Change<'RestrictKey'> = {}): KeyCommand => ({
    type: 'RestrictKey',
    ...owned,
    change: {},
    ...change,
  }),
  rotate: (change: Change<'RotateKey'> = {}): KeyCommand => ({
    type: 'RotateKey',
    ...owned,
    secret: keptSecret('b'),
    overlapMs: DAY_MS,
    ...change,
  }),
  disable: (change: Change<'DisableKey'> = {}): KeyCommand => ({ type: 'DisableKey', ...owned, reason: '', ...change }),
  enable: (change: Change<'EnableKey'> = {}): KeyCommand => ({ type: 'EnableKey', ...owned, reason: '', ...change }),
  rename: (change: Change<'RenameKey'> = {}): KeyCommand => ({ type: 'RenameKey', ...owned, name: 'cd', ...change }),
  suspend: (change: Change<'SuspendKey'> = {}): KeyCommand => ({
    type: 'SuspendKey',
    ...base,
    by: ADMIN,
    reason: '',
    ...change,
  }),
  reinstate: (change: Change<'ReinstateKey'> = {}): KeyCommand => ({
    type: 'ReinstateKey',
    ...base,
    by: ADMIN,
    reason: '',
    ...change,
  }),
  revoke: (change: Change<'RevokeKey'> = {}): KeyCommand => ({ type: 'RevokeKey', ...owned, reason: '', ...change }),
  expire: (change: Change<'ExpireKey'> = {}): KeyCommand => ({ type: 'ExpireKey', ...owned, ...change }),
};
