import type { KeyEvent } from '../../events/key/key.events.ts';
import type { Limits } from '../../events/quota/limits.ts';

/** A row of `api_keys`, its columns by name. */
export interface KeyRow {
  readonly key_id: string;
  readonly account_id: string;
  readonly user_id: string;
  readonly mode: string;
  readonly name: string;
  readonly prefix: string;
  readonly last4: string;
  readonly secret_hash: string;
  readonly previous_hash: string | null;
  readonly previous_valid_until: string | null;
  readonly status: 'active' | 'disabled' | 'revoked' | 'expired';
  readonly limits: Limits;
  readonly models: readonly string[] | null;
  readonly expires_at: string | null;
  readonly issued_at: string;
  /** Of the last event. */
  readonly position: string;
}

/** The row after an event. Throws when the key is issued twice, or changed before it is issued. */
export function evolveKey(row: KeyRow | undefined, event: KeyEvent, position: string): KeyRow {
  if (event.type === 'ApiKeyIssued') {
    if (row) throw new Error(`key ${event.keyId} is issued twice`);
    return {
      key_id: event.keyId,
      account_id: event.accountId,
      user_id: event.userId,
      mode: event.mode,
      name: event.name,
      prefix: event.prefix,
      last4: event.last4,
      secret_hash: event.secretHash,
      previous_hash: null,
      previous_valid_until: null,
      status: 'active',
      limits: event.limits,
      models: event.models,
      expires_at: event.expiresAt,
      issued_at: event.occurredAt,
      position,
    };
  }
  if (!row) throw new Error(`${event.type} for key ${event.keyId}, which was never issued`);
  switch (event.type) {
    case 'ApiKeyRestricted':
      return { ...row, limits: event.limits, models: event.models, expires_at: event.expiresAt, position };
    case 'ApiKeyRotated':
      return {
        ...row,
        prefix: event.prefix,
        last4: event.last4,
        secret_hash: event.secretHash,
        previous_hash: row.secret_hash,
        previous_valid_until: event.previousValidUntil,
        position,
      };
    case 'ApiKeyDisabled':
    case 'ApiKeySuspended':
      return { ...row, status: 'disabled', position };
    case 'ApiKeyEnabled':
    case 'ApiKeyReinstated':
      return { ...row, status: 'active', position };
    case 'ApiKeyRenamed':
      return { ...row, name: event.name, position };
    case 'ApiKeyRevoked':
      return { ...row, status: 'revoked', position };
    case 'ApiKeyExpired':
      return { ...row, status: 'expired', position };
  }
}
