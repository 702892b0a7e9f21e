import { accountOpened, type AccountOpened } from '../../events/account/account.events.ts';
import type { Mode } from '../../events/envelope.ts';
import { deriveId } from '../../events/ids.ts';
import type { Limits } from '../../events/quota/limits.ts';
import { accountLimitsSet, type QuotaEvent } from '../../events/quota/quota.events.ts';
import type { Decider } from '../decider.ts';
import { toInstant } from '../runtime.ts';

/** What stands on an `account-{id}` stream. */
type AccountStreamEvent = AccountOpened | Extract<QuotaEvent, { type: 'AccountLimitsSet' }>;

/** What a new account starts with. `zone` is the IANA zone of its billing months. */
export interface Plan {
  readonly limits: Limits;
  readonly maxKeys: number;
  readonly zone: string;
}

interface Command {
  readonly accountId: string;
  readonly commandId: string;
  readonly correlationId: string;
  /** Epoch milliseconds. */
  readonly now: number;
}
export interface OpenAccount extends Command {
  readonly type: 'OpenAccount';
  readonly userId: string;
  readonly mode: Mode;
  readonly plan: Plan;
}
/** Replaces what the account may use as a whole. */
export interface SetAccountLimits extends Command {
  readonly type: 'SetAccountLimits';
  readonly limits: Limits;
  readonly reason: string;
}
export type AccountCommand = OpenAccount | SetAccountLimits;

export interface OpenedAccount {
  readonly status: 'open';
  readonly accountId: string;
  readonly userId: string;
  readonly mode: Mode;
  readonly limits: Limits;
  readonly maxKeys: number;
}
export type AccountState = { readonly status: 'none' } | OpenedAccount;

const types: ReadonlySet<string> = new Set([accountOpened.shape.type.value, accountLimitsSet.shape.type.value]);

/** A ledger of its own, opened once with a plan; its limits may be replaced later. */
export const accountDecider: Decider<AccountCommand, AccountState, AccountStreamEvent, 'unknown_account'> = {
  initialState: () => ({ status: 'none' }),

  evolve(state, event) {
    if (event.type === 'AccountOpened') {
      const { accountId, userId, mode, limits, maxKeys } = event;
      return { status: 'open', accountId, userId, mode, limits, maxKeys };
    }
    return state.status === 'none' ? state : { ...state, limits: event.limits };
  },

  decide(command, state) {
    if (command.type === 'OpenAccount') {
      if (state.status === 'open') return { ok: true, events: [] };
      const { userId, mode, plan } = command;
      return { ok: true, events: [{ ...header('AccountOpened', command), userId, mode, ...plan }] };
    }
    if (state.status === 'none') return { ok: false, refusal: 'unknown_account' };
    const { limits, reason } = command;
    return { ok: true, events: [{ ...header('AccountLimitsSet', command), limits, reason }] };
  },

  owns: (event): event is AccountStreamEvent => types.has(event.type),
};

function header<T extends AccountStreamEvent['type']>(type: T, command: Command) {
  return {
    type,
    version: 1 as const,
    eventId: deriveId('account', command.accountId, command.commandId, type),
    occurredAt: toInstant(command.now),
    accountId: command.accountId,
    correlationId: command.correlationId,
    causationId: null,
  };
}
