import type { Mode } from '../../events/envelope.ts';
import { deriveId } from '../../events/ids.ts';

/** The two accounts of a user. */
export type AccountIds = Readonly<Record<Mode, string>>;

/** The user of an e-mail address. 104 bits of a keyed hash: nobody without the key can tell whose id it is. */
export function userIdOf(emailIndex: string): string {
  return `user_${emailIndex.slice(0, 26)}`;
}

/** The accounts of a user, derived so that opening them again after a crash opens the same ones. */
export function accountIdsOf(userId: string): AccountIds {
  return { live: accountIdOf(userId, 'live'), test: accountIdOf(userId, 'test') };
}

function accountIdOf(userId: string, mode: Mode): string {
  return `acct_${deriveId('account', userId, mode).replaceAll('-', '')}`;
}
