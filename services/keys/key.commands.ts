import type { Mode } from '../../events/envelope.ts';
import type { Limits } from '../../events/quota/limits.ts';

/** A secret as it is kept: its SHA-256 and what a list may show of it. */
export interface KeptSecret {
  readonly secretHash: string;
  readonly prefix: string;
  readonly last4: string;
}

/** What a key may do. `models` null: every priced model. `expiresAt` null: it does not expire. */
export interface Restrictions {
  readonly limits: Limits;
  readonly models: readonly string[] | null;
  /** The stored text of an instant. */
  readonly expiresAt: string | null;
}

/** Only what is named changes. */
export interface RestrictionChange {
  readonly limits?: Partial<Limits>;
  readonly models?: readonly string[] | null;
  readonly expiresAt?: string | null;
}

interface Command {
  readonly keyId: string;
  /** Names this wish: the ids of its events are derived from it. */
  readonly commandId: string;
  readonly correlationId: string;
  /** Epoch milliseconds. */
  readonly now: number;
}

/** On behalf of the holder of these accounts. A key of any other account does not exist for them. */
interface OwnersCommand extends Command {
  readonly accountIds: readonly string[];
}

export interface IssueKey extends Command, Restrictions {
  readonly type: 'IssueKey';
  readonly accountId: string;
  readonly userId: string;
  readonly name: string;
  readonly mode: Mode;
  readonly secret: KeptSecret;
}
export interface RestrictKey extends OwnersCommand {
  readonly type: 'RestrictKey';
  readonly change: RestrictionChange;
}
/** The replaced secret stays valid for `overlapMs` more; one that an earlier rotation replaced ends at once. */
export interface RotateKey extends OwnersCommand {
  readonly type: 'RotateKey';
  readonly secret: KeptSecret;
  readonly overlapMs: number;
}
export interface DisableKey extends OwnersCommand {
  readonly type: 'DisableKey';
  readonly reason: string;
}
export interface EnableKey extends OwnersCommand {
  readonly type: 'EnableKey';
  readonly reason: string;
}
export interface RevokeKey extends OwnersCommand {
  readonly type: 'RevokeKey';
  readonly reason: string;
}
/** What the owner calls the key. */
export interface RenameKey extends OwnersCommand {
  readonly type: 'RenameKey';
  readonly name: string;
}
/** On behalf of an administrator, whatever account the key is in: its owner cannot enable it again. */
export interface SuspendKey extends Command {
  readonly type: 'SuspendKey';
  /** The administrator's user id. */
  readonly by: string;
  readonly reason: string;
}
/** On behalf of an administrator: the key may be used again, whoever had disabled it. */
export interface ReinstateKey extends Command {
  readonly type: 'ReinstateKey';
  /** The administrator's user id. */
  readonly by: string;
  readonly reason: string;
}
/** Records that the expiry has passed; the key was refused from that instant on in any case. */
export interface ExpireKey extends OwnersCommand {
  readonly type: 'ExpireKey';
}

export type KeyCommand =
  | IssueKey
  | RestrictKey
  | RotateKey
  | RenameKey
  | DisableKey
  | EnableKey
  | SuspendKey
  | ReinstateKey
  | RevokeKey
  | ExpireKey;

export type KeyRefusal =
  /** The id is taken by a key with another secret. */
  | 'already_issued'
  /** There is no such key in the accounts of the caller. */
  | 'unknown_key'
  | 'revoked'
  | 'expired'
  /** An administrator disabled the key, so its owner cannot enable it. */
  | 'suspended'
  /** The new expiry is not in the future. */
  | 'expiry_in_past'
  /** A negative amount, or a currency named twice. */
  | 'invalid_limits'
  | 'overlap_out_of_range'
  /** The key does not expire, or not yet. */
  | 'not_due';
