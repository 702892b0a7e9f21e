import type { Mode } from '../../events/envelope.ts';
import { deriveId } from '../../events/ids.ts';
import { keyEvent, type KeyEvent } from '../../events/key/key.events.ts';
import type { Decider, Decision } from '../decider.ts';
import { toInstant } from '../runtime.ts';
import type {
  ExpireKey,
  IssueKey,
  KeptSecret,
  KeyCommand,
  KeyRefusal,
  ReinstateKey,
  RestrictKey,
  Restrictions,
  RotateKey,
  SuspendKey,
} from './key.commands.ts';
import { changed, limitsAreValid, sameRestrictions } from './restrictions.ts';

/** A rotated-out secret may live on for at most 30 days. */
export const MAX_OVERLAP_MS = 30 * 86_400_000;

/** A key that was issued. An `active` one whose `expiresAt` has passed is treated as expired everywhere. */
export interface IssuedKey extends Restrictions {
  readonly status: 'active' | 'disabled' | 'revoked' | 'expired';
  readonly keyId: string;
  readonly accountId: string;
  readonly userId: string;
  readonly name: string;
  readonly mode: Mode;
  readonly secret: KeptSecret;
  /** Disabled by an administrator; only then can it be true. */
  readonly suspended: boolean;
  readonly previousValidUntil: string | null;
  readonly issuedAt: string;
}
export type KeyState = { readonly status: 'none' } | IssuedKey;

type KeyDecision = Decision<KeyEvent, KeyRefusal>;

const types: ReadonlySet<string> = new Set(keyEvent.options.map((schema) => schema.shape.type.value));

/** The life of one API key: issued, then restricted, rotated, renamed, disabled and enabled, until it is revoked or expires. */
export const keyDecider: Decider<KeyCommand, KeyState, KeyEvent, KeyRefusal> = {
  initialState: () => ({ status: 'none' }),
  evolve,
  decide,
  owns: (event): event is KeyEvent => types.has(event.type),
};

function evolve(state: KeyState, event: KeyEvent): KeyState {
  if (event.type === 'ApiKeyIssued') {
    const { keyId, accountId, userId, name, mode, limits, models, expiresAt, occurredAt } = event;
    const facts = { keyId, accountId, userId, name, mode, limits, models, expiresAt, issuedAt: occurredAt };
    return { status: 'active', suspended: false, ...facts, secret: secretOf(event), previousValidUntil: null };
  }
  if (state.status === 'none') return state;
  switch (event.type) {
    case 'ApiKeyRestricted':
      return { ...state, limits: event.limits, models: event.models, expiresAt: event.expiresAt };
    case 'ApiKeyRotated':
      return { ...state, secret: secretOf(event), previousValidUntil: event.previousValidUntil };
    case 'ApiKeyDisabled':
      return { ...state, status: 'disabled' };
    case 'ApiKeyEnabled':
      return { ...state, status: 'active' };
    case 'ApiKeySuspended':
      return { ...state, status: 'disabled', suspended: true };
    case 'ApiKeyReinstated':
      return { ...state, status: 'active', suspended: false };
    case 'ApiKeyRenamed':
      return { ...state, name: event.name };
    case 'ApiKeyRevoked':
      return { ...state, status: 'revoked' };
    case 'ApiKeyExpired':
      return { ...state, status: 'expired' };
  }
}

function decide(command: KeyCommand, state: KeyState): KeyDecision {
  if (command.type === 'IssueKey') return issue(command, state);
  if (state.status === 'none') return refuse('unknown_key');
  if (command.type === 'SuspendKey' || command.type === 'ReinstateKey') return administer(command, state);
  if (!command.accountIds.includes(state.accountId)) return refuse('unknown_key');
  if (command.type === 'RevokeKey') {
    if (state.status === 'revoked') return nothing;
    return happened({ ...header('ApiKeyRevoked', command, state), reason: command.reason });
  }
  if (command.type === 'ExpireKey') return expire(command, state);
  const ended = endedBy(state, command.now);
  if (ended) return refuse(ended);
  switch (command.type) {
    case 'RestrictKey':
      return restrict(command, state);
    case 'RotateKey':
      return rotate(command, state);
    case 'RenameKey':
      if (state.name === command.name) return nothing;
      return happened({ ...header('ApiKeyRenamed', command, state), name: command.name });
    case 'DisableKey':
      if (state.status === 'disabled') return nothing;
      return happened({ ...header('ApiKeyDisabled', command, state), reason: command.reason });
    case 'EnableKey':
      if (state.status === 'active') return nothing;
      if (state.suspended) return refuse('suspended');
      return happened({ ...header('ApiKeyEnabled', command, state), reason: command.reason });
  }
}

function administer(command: SuspendKey | ReinstateKey, state: IssuedKey): KeyDecision {
  const ended = endedBy(state, command.now);
  if (ended) return refuse(ended);
  const { by, reason } = command;
  if (command.type === 'SuspendKey') {
    if (state.suspended) return nothing;
    return happened({ ...header('ApiKeySuspended', command, state), by, reason });
  }
  if (state.status === 'active') return nothing;
  return happened({ ...header('ApiKeyReinstated', command, state), by, reason });
}

function issue(command: IssueKey, state: KeyState): KeyDecision {
  if (state.status !== 'none') {
    const isThisOne = state.secret.secretHash === command.secret.secretHash;
    return isThisOne ? nothing : refuse('already_issued');
  }
  const refusal = refusalOf(command, command.now);
  if (refusal) return refuse(refusal);
  const { userId, name, mode, secret, limits, expiresAt } = command;
  const body = { userId, name, mode, ...secret, limits, models: copyOf(command.models), expiresAt };
  return happened({ ...header('ApiKeyIssued', command, command), ...body });
}

function restrict(command: RestrictKey, state: IssuedKey): KeyDecision {
  const wanted = changed(state, command.change);
  if (sameRestrictions(wanted, state)) return nothing;
  const refusal = refusalOf(wanted, command.now);
  if (refusal) return refuse(refusal);
  const { limits, models, expiresAt } = wanted;
  const body = { limits, models: copyOf(models), expiresAt };
  return happened({ ...header('ApiKeyRestricted', command, state), ...body });
}

function rotate(command: RotateKey, state: IssuedKey): KeyDecision {
  if (state.secret.secretHash === command.secret.secretHash) return nothing;
  const { overlapMs, secret, now } = command;
  if (!Number.isSafeInteger(overlapMs) || overlapMs < 0 || overlapMs > MAX_OVERLAP_MS) {
    return refuse('overlap_out_of_range');
  }
  const previousValidUntil = toInstant(now + overlapMs);
  return happened({ ...header('ApiKeyRotated', command, state), ...secret, previousValidUntil });
}

function expire(command: ExpireKey, state: IssuedKey): KeyDecision {
  if (state.status === 'expired') return nothing;
  const ended = endedBy(state, command.now);
  if (ended !== 'expired') return refuse(ended ?? 'not_due');
  return happened({ ...header('ApiKeyExpired', command, state) });
}

/** What forbids any change but revoking. */
function endedBy(state: IssuedKey, now: number): 'revoked' | 'expired' | null {
  if (state.status === 'revoked' || state.status === 'expired') return state.status;
  return hasPassed(state.expiresAt, now) ? 'expired' : null;
}

function refusalOf(wanted: Restrictions, now: number): KeyRefusal | null {
  if (hasPassed(wanted.expiresAt, now)) return 'expiry_in_past';
  return limitsAreValid(wanted.limits) ? null : 'invalid_limits';
}

/** Instants are stored so that text order is time order. */
function hasPassed(expiresAt: string | null, now: number): boolean {
  return expiresAt !== null && expiresAt <= toInstant(now);
}

function secretOf(event: KeptSecret): KeptSecret {
  return { secretHash: event.secretHash, prefix: event.prefix, last4: event.last4 };
}

function copyOf(models: readonly string[] | null): string[] | null {
  return models && [...models];
}

const nothing: KeyDecision = { ok: true, events: [] };

function refuse(refusal: KeyRefusal): KeyDecision {
  return { ok: false, refusal };
}

function happened(event: KeyEvent): KeyDecision {
  return { ok: true, events: [event] };
}

/** What every key event carries. Its id follows from the command, so the same wish repeated makes the same event id. */
function header<T extends KeyEvent['type']>(type: T, command: KeyCommand, owner: { readonly accountId: string }) {
  return {
    type,
    version: 1 as const,
    eventId: deriveId('key', command.keyId, command.commandId, type),
    occurredAt: toInstant(command.now),
    accountId: owner.accountId,
    correlationId: command.correlationId,
    causationId: null,
    keyId: command.keyId,
  };
}
