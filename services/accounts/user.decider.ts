import { userRegistered, type UserRegistered } from '../../events/account/account.events.ts';
import { deriveId } from '../../events/ids.ts';
import type { Decider } from '../decider.ts';
import { toInstant } from '../runtime.ts';
import { accountIdsOf, userIdOf, type AccountIds } from './identity.ts';

export interface RegisterUser {
  readonly type: 'RegisterUser';
  /** Keyed hash of the e-mail address; the user id follows from it. */
  readonly emailIndex: string;
  readonly sealedProfile: string;
  readonly sealedPasswordHash: string;
  readonly commandId: string;
  readonly correlationId: string;
  /** Epoch milliseconds. */
  readonly now: number;
}

export interface RegisteredUser {
  readonly status: 'registered';
  readonly userId: string;
  readonly accounts: AccountIds;
  readonly sealedProfile: string;
  readonly sealedPasswordHash: string;
  readonly registeredAt: string;
}
export type UserState = { readonly status: 'none' } | RegisteredUser;

/**
 * A person who signs in. The stream is named after the e-mail index, so that its first event is the claim on the
 * address: of two who register the same one, the store lets one append.
 */
export const userDecider: Decider<RegisterUser, UserState, UserRegistered, 'email_taken'> = {
  initialState: () => ({ status: 'none' }),

  evolve(_state, event) {
    const { userId, accounts, sealedProfile, sealedPasswordHash, occurredAt } = event;
    return { status: 'registered', userId, accounts, sealedProfile, sealedPasswordHash, registeredAt: occurredAt };
  },

  decide(command, state) {
    if (state.status === 'registered') return { ok: false, refusal: 'email_taken' };
    const { emailIndex, sealedProfile, sealedPasswordHash, correlationId } = command;
    const userId = userIdOf(emailIndex);
    const accounts = accountIdsOf(userId);
    const event: UserRegistered = {
      type: 'UserRegistered',
      version: 1,
      eventId: deriveId('user', userId, command.commandId, 'UserRegistered'),
      occurredAt: toInstant(command.now),
      // A person's own history is audited with their live account.
      accountId: accounts.live,
      correlationId,
      causationId: null,
      userId,
      emailIndex,
      sealedProfile,
      sealedPasswordHash,
      accounts,
    };
    return { ok: true, events: [event] };
  },

  owns: (event): event is UserRegistered => event.type === userRegistered.shape.type.value,
};
