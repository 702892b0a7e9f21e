import { accountStream, userStream } from '../../events/ids.ts';
import { userIdOf } from '../accounts/identity.ts';
import { accountDecider, type OpenedAccount } from '../accounts/account.decider.ts';
import { userDecider } from '../accounts/user.decider.ts';
import { load } from '../decider.ts';
import type { SignedInUser } from '../http/route.ts';
import { CommandFailed } from './failure.ts';
import type { Installation } from './ports.ts';

const USER_ID = /^user_[0-9a-f]{26}$/;

type Users = Pick<Installation, 'store' | 'emailIndex' | 'firstRunEmail'>;

/**
 * The user with this e-mail address or id; undefined: the one whom the first start made. Throws CommandFailed `not_found`.
 */
export async function userNamed(users: Users, reference: string | undefined): Promise<SignedInUser> {
  const named = reference ?? users.firstRunEmail;
  if (named === null) {
    throw new CommandFailed('not_found', 'The first start made no user here. Name one with --user.');
  }
  const userId = USER_ID.test(named) ? named : userIdOf(users.emailIndex.of(named));
  const { state } = await load(users.store, userDecider, userStream(userId));
  if (state.status === 'none') throw new CommandFailed('not_found', `There is no user ${named}.`);
  return { userId, accounts: state.accounts };
}

/** An account as its own events say. Throws CommandFailed `not_found`. */
export async function openedAccount({ store }: Pick<Installation, 'store'>, accountId: string): Promise<OpenedAccount> {
  const { state } = await load(store, accountDecider, accountStream(accountId));
  if (state.status === 'none') throw new CommandFailed('not_found', `There is no account ${accountId}.`);
  return state;
}
