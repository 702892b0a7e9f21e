import type { DomainEvent } from '../../events/codec.ts';
import type { Mode } from '../../events/envelope.ts';
import type { ApiKeyIssued, KeyEvent } from '../../events/key/key.events.ts';
import type { Limits } from '../../events/quota/limits.ts';
import { keyDecider, type IssuedKey } from './key.decider.ts';

/** What a request needs to know of the key it presents. */
export interface KeyRecord {
  readonly keyId: string;
  readonly accountId: string;
  readonly mode: Mode;
  readonly status: 'active' | 'disabled' | 'expired';
  /** Null: every priced model. */
  readonly models: ReadonlySet<string> | null;
  /** Epoch milliseconds. */
  readonly expiresAt: number | null;
  /** These are the narrower of the key's own and its account's; null where neither has one. */
  readonly requestsPerMinute: number | null;
  readonly tokensPerMinute: number | null;
  readonly concurrency: number | null;
}

interface Entry {
  state: IssuedKey;
  previousHash: string | null;
  /** Null while revoked or of an unknown account. */
  record: KeyRecord | null;
  /** The same record from its expiry on, made beforehand so that finding a key allocates nothing. */
  expired: KeyRecord | null;
}

interface Secret {
  readonly entry: Entry;
  /** Epoch milliseconds; infinite for a key's current secret. */
  readonly validUntil: number;
}

/** Which categories of streams the index is made of. */
export const KEY_INDEX_CATEGORIES = ['account', 'key'] as const;

/**
 * All keys, by the SHA-256 of their secrets, in memory. Fed with events in log order by a follower; what it has not been
 * told does not exist, so a key whose account is unknown is not found.
 */
export class KeyIndex {
  readonly #secrets = new Map<string, Secret>();
  readonly #entries = new Map<string, Entry>();
  readonly #accounts = new Map<string, { limits: Limits; readonly keyIds: Set<string> }>();

  /** Keys that were ever issued. */
  get size(): number {
    return this.#entries.size;
  }

  /** The key of a secret, as of an instant; null when there is none, it was revoked, or the secret was rotated out. */
  find(secretHash: string, nowMs: number): KeyRecord | null {
    const secret = this.#secrets.get(secretHash);
    if (secret === undefined || nowMs >= secret.validUntil) return null;
    const { record, expired } = secret.entry;
    if (record === null || record.expiresAt === null || nowMs < record.expiresAt) return record;
    return expired;
  }

  apply(event: DomainEvent): void {
    if (keyDecider.owns(event)) this.#applyKey(event);
    else if (event.type === 'AccountOpened') {
      if (!this.#setLimits(event)) this.#accounts.set(event.accountId, { limits: event.limits, keyIds: new Set() });
    } else if (event.type === 'AccountLimitsSet') this.#setLimits(event);
  }

  /** False when there is no such account. */
  #setLimits({ accountId, limits }: { readonly accountId: string; readonly limits: Limits }): boolean {
    const account = this.#accounts.get(accountId);
    if (!account) return false;
    account.limits = limits;
    for (const keyId of account.keyIds) {
      const entry = this.#entries.get(keyId);
      if (entry) this.#refresh(entry);
    }
    return true;
  }

  #applyKey(event: KeyEvent): void {
    if (event.type === 'ApiKeyIssued') {
      this.#issue(event);
      return;
    }
    const entry = this.#entries.get(event.keyId);
    if (!entry) return;
    const before = entry.state;
    const after = keyDecider.evolve(before, event);
    if (after.status === 'none') return;
    entry.state = after;
    this.#refresh(entry);
    if (event.type === 'ApiKeyRevoked') this.#forgetSecrets(entry);
    if (event.type === 'ApiKeyRotated') this.#rotate(entry, before, Date.parse(event.previousValidUntil));
  }

  #issue(event: ApiKeyIssued): void {
    const state = keyDecider.evolve(keyDecider.initialState(), event);
    if (state.status === 'none' || this.#entries.has(event.keyId)) return;
    const entry: Entry = { state, previousHash: null, record: null, expired: null };
    this.#entries.set(event.keyId, entry);
    this.#accounts.get(event.accountId)?.keyIds.add(event.keyId);
    this.#secrets.set(state.secret.secretHash, { entry, validUntil: Infinity });
    this.#refresh(entry);
  }

  /** At most two secrets of a key are valid: the new one and, for a while, the one it replaces. */
  #rotate(entry: Entry, before: IssuedKey, validUntil: number): void {
    if (before.secret.secretHash === entry.state.secret.secretHash) return;
    if (entry.previousHash !== null) this.#secrets.delete(entry.previousHash);
    entry.previousHash = before.secret.secretHash;
    this.#secrets.set(entry.previousHash, { entry, validUntil });
    this.#secrets.set(entry.state.secret.secretHash, { entry, validUntil: Infinity });
  }

  #forgetSecrets(entry: Entry): void {
    this.#secrets.delete(entry.state.secret.secretHash);
    if (entry.previousHash !== null) this.#secrets.delete(entry.previousHash);
  }

  #refresh(entry: Entry): void {
    const account = this.#accounts.get(entry.state.accountId);
    entry.record = account ? recordOf(entry.state, account.limits) : null;
    entry.expired = entry.record && { ...entry.record, status: 'expired' };
  }
}

function recordOf(key: IssuedKey, account: Limits): KeyRecord | null {
  if (key.status === 'revoked') return null;
  return {
    keyId: key.keyId,
    accountId: key.accountId,
    mode: key.mode,
    status: key.status,
    models: key.models && new Set(key.models),
    expiresAt: key.expiresAt === null ? null : Date.parse(key.expiresAt),
    requestsPerMinute: narrower(key.limits.requestsPerMinute, account.requestsPerMinute),
    tokensPerMinute: narrower(key.limits.tokensPerMinute, account.tokensPerMinute),
    concurrency: narrower(key.limits.concurrency, account.concurrency),
  };
}

function narrower(one: number | null, other: number | null): number | null {
  if (one === null || other === null) return one ?? other;
  return Math.min(one, other);
}
