import {
  adminRightsGranted,
  adminRightsRevoked,
  userRegistered,
  type AdminRightsGranted,
  type AdminRightsRevoked,
  type UserRegistered,
} from '../../events/account/account.events.ts';
import { deriveId } from '../../events/ids.ts';
import type { Decider, Decision } from '../decider.ts';
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

/** Who may administer the installation is said by its operator alone. */
export interface ChangeAdminRights {
  readonly type: 'GrantAdminRights' | 'RevokeAdminRights';
  readonly userId: string;
  readonly reason: string;
  readonly commandId: string;
  readonly correlationId: string;
  /** Epoch milliseconds. */
  readonly now: number;
}
export type UserCommand = RegisterUser | ChangeAdminRights;
export type UserRefusal = 'email_taken' | 'unknown_user';

type UserStreamEvent = UserRegistered | AdminRightsGranted | AdminRightsRevoked;

export interface RegisteredUser {
  readonly status: 'registered';
  readonly userId: string;
  readonly accounts: AccountIds;
  readonly sealedProfile: string;
  readonly sealedPasswordHash: string;
  readonly registeredAt: string;
  readonly isAdmin: boolean;
}
export type UserState = { readonly status: 'none' } | RegisteredUser;

const types: ReadonlySet<string> = new Set(
  [userRegistered, adminRightsGranted, adminRightsRevoked].map((schema) => schema.shape.type.value),
);

/**
 * A person who signs in. The stream is named after the e-mail index, so that its first event is the claim on the
 * address: of two who register the same one, the store lets one append.
 */
export const userDecider: Decider<UserCommand, UserState, UserStreamEvent, UserRefusal> = {
  initialState: () => ({ status: 'none' }),

  evolve(state, event) {
    if (event.type === 'UserRegistered') {
      const { userId, accounts, sealedProfile, sealedPasswordHash, occurredAt: registeredAt } = event;
      return {
        ...{ status: 'registered', userId, accounts, sealedProfile, sealedPasswordHash, registeredAt },
        isAdmin: false,
      };
    }
    return state.status === 'none' ? state : { ...state, isAdmin: event.type === 'AdminRightsGranted' };
  },

  decide(command, state) {
    return command.type === 'RegisterUser' ? register(command, state) : changeRights(command, state);
  },

  owns: (event): event is UserStreamEvent => types.has(event.type),
};

type UserDecision = Decision<UserStreamEvent, UserRefusal>;

function register(command: RegisterUser, state: UserState): UserDecision {
  if (state.status === 'registered') return { ok: false, refusal: 'email_taken' };
  const { emailIndex, sealedProfile, sealedPasswordHash } = command;
  const userId = userIdOf(emailIndex);
  const accounts = accountIdsOf(userId);
  const body = { userId, emailIndex, sealedProfile, sealedPasswordHash, accounts };
  return { ok: true, events: [{ ...header('UserRegistered', command, userId, accounts), ...body }] };
}

function changeRights(command: ChangeAdminRights, state: UserState): UserDecision {
  if (state.status === 'none') return { ok: false, refusal: 'unknown_user' };
  const isGrant = command.type === 'GrantAdminRights';
  if (state.isAdmin === isGrant) return { ok: true, events: [] };
  const { userId, accounts } = state;
  const type = isGrant ? 'AdminRightsGranted' : 'AdminRightsRevoked';
  return { ok: true, events: [{ ...header(type, command, userId, accounts), userId, reason: command.reason }] };
}

function header<T extends UserStreamEvent['type']>(
  type: T,
  command: UserCommand,
  userId: string,
  accounts: AccountIds,
) {
  return {
    type,
    version: 1 as const,
    eventId: deriveId('user', userId, command.commandId, type),
    occurredAt: toInstant(command.now),
    // A person's own history is audited with their live account.
    accountId: accounts.live,
    correlationId: command.correlationId,
    causationId: null,
  };
}
