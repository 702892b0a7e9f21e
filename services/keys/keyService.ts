import type { EventStore } from '../../events/eventStore.ts';
import type { Mode } from '../../events/envelope.ts';
import { accountStream, deriveId, keyStream } from '../../events/ids.ts';
import { accountDecider, type OpenedAccount } from '../accounts/account.decider.ts';
import type { CaughtUp } from '../accounts/ports.ts';
import { readYourWrites } from '../accounts/readYourWrites.ts';
import { handle, load } from '../decider.ts';
import { ApiError } from '../http/errors.ts';
import type { SignedInUser } from '../http/route.ts';
import { toInstant, type Runtime } from '../runtime.ts';
import type {
  DisableKey,
  EnableKey,
  RenameKey,
  RestrictionChange,
  RestrictKey,
  RevokeKey,
  RotateKey,
} from './key.commands.ts';
import { keyDecider, type IssuedKey } from './key.decider.ts';
import { checkedId, issued, refusalError } from './keyRefusals.ts';
import { summaryOf, type KeySummary } from './keySummary.ts';
import type { KeyReader } from './ports.ts';
import { mintSecret } from './secret.ts';

/** A rotated-out secret lives on for a day unless its owner says otherwise. */
export const DEFAULT_OVERLAP_MS = 86_400_000;
const LIST_LIMIT = 1_000;
const EXPIRY_BATCH = 100;

export interface KeyParts {
  readonly store: EventStore;
  readonly keys: KeyReader;
  readonly caughtUp: CaughtUp;
  readonly runtime: Runtime;
}

/** Where a new key belongs and what it may do. */
export type KeyWish = Pick<IssuedKey, 'name' | 'mode' | 'limits' | 'models' | 'expiresAt'>;

/** A key together with its secret, which exists nowhere else and cannot be shown again. */
export interface KeyWithSecret {
  readonly key: KeySummary;
  readonly secret: string;
}

/** What a change asks of a key; who asks, and when, is added by the service. */
type Wish =
  | Pick<RestrictKey, 'type' | 'change'>
  | Pick<RotateKey, 'type' | 'secret' | 'overlapMs'>
  | Pick<RenameKey, 'type' | 'name'>
  | Pick<DisableKey | EnableKey | RevokeKey, 'type' | 'reason'>;

/**
 * API keys for their owners. Every method acts within the accounts of the caller: a key of anybody else answers
 * `not_found`, judged by the key's own stream. Throws ApiError on a refusal and StoreUnavailable. After a write it waits,
 * within reason, until the caller can read it.
 */
export class KeyService {
  readonly #parts: KeyParts;

  constructor(parts: KeyParts) {
    this.#parts = parts;
  }

  /**
   * A new key. Throws ApiError `max_keys_reached`.
   *
   * The n-th key of an account has an id that follows from the account and n, and issuing expects no stream of that name.
   * Whoever issues has therefore read all n keys before it: of two who counted the same, one loses its append, counts
   * again and may find the account full. No lock is held, and no number of processes can pass the maximum.
   */
  async issue(caller: SignedInUser, wish: KeyWish, correlationId: string): Promise<KeyWithSecret> {
    const { store, runtime } = this.#parts;
    const account = await this.account(caller, wish.mode);
    const { secret, ...kept } = mintSecret(wish.mode, runtime.random);
    // Every lost append means that the account has one key more, so this ends.
    for (let losses = 0; losses <= account.maxKeys; losses += 1) {
      const counts = await this.#freshCounts(account.accountId);
      if (counts.active >= account.maxKeys) {
        throw new ApiError('max_keys_reached', { extra: { max_api_keys: account.maxKeys } });
      }
      const keyId = keyIdOf(account.accountId, counts.issued);
      const handled = await handle(store, keyDecider, keyStream(keyId), {
        type: 'IssueKey',
        ...this.#stamp(keyId, correlationId),
        ...wish,
        accountId: account.accountId,
        userId: caller.userId,
        secret: kept,
      });
      if (!handled.ok && handled.refusal === 'already_issued') continue;
      if (!handled.ok) throw refusalError(handled.refusal);
      await this.#readable(handled.position);
      return { key: summaryOf(issued(handled.state)), secret };
    }
    throw new ApiError('service_unavailable', { retryAfterMs: 1_000 });
  }

  /** Keys of the caller, those that may still be used first, then newest first; at most 1 000. */
  list(caller: SignedInUser, mode: Mode | null): Promise<readonly KeySummary[]> {
    const accountIds = mode === null ? Object.values(caller.accounts) : [caller.accounts[mode]];
    return this.#parts.keys.listKeys(accountIds, LIST_LIMIT);
  }

  async get(caller: SignedInUser, keyId: string): Promise<KeySummary> {
    const { state } = await load(this.#parts.store, keyDecider, keyStream(checkedId(keyId)));
    const isTheirs = state.status !== 'none' && Object.values(caller.accounts).includes(state.accountId);
    if (!isTheirs) throw new ApiError('not_found');
    return summaryOf(state);
  }

  /** Keys of an account that count against its maximum; may lag. */
  async countActive(account: OpenedAccount): Promise<number> {
    return (await this.#parts.keys.countKeys(account.accountId)).active;
  }

  /** The caller's account of this mode. */
  async account(caller: SignedInUser, mode: Mode): Promise<OpenedAccount> {
    const { state } = await load(this.#parts.store, accountDecider, accountStream(caller.accounts[mode]));
    if (state.status === 'none') throw new ApiError('not_found');
    return state;
  }

  restrict(caller: SignedInUser, keyId: string, change: RestrictionChange, correlationId: string) {
    return this.#change(caller, keyId, { type: 'RestrictKey', change }, correlationId);
  }

  rename(caller: SignedInUser, keyId: string, name: string, correlationId: string) {
    return this.#change(caller, keyId, { type: 'RenameKey', name }, correlationId);
  }

  /** A new secret; the one it replaces stays valid for `overlapMs` (0 to 30 days). */
  async rotate(caller: SignedInUser, keyId: string, overlapMs: number, correlationId: string): Promise<KeyWithSecret> {
    const { mode } = await this.get(caller, keyId);
    const { secret, ...kept } = mintSecret(mode, this.#parts.runtime.random);
    const key = await this.#change(caller, keyId, { type: 'RotateKey', secret: kept, overlapMs }, correlationId);
    return { key, secret };
  }

  disable(caller: SignedInUser, keyId: string, reason: string, correlationId: string) {
    return this.#change(caller, keyId, { type: 'DisableKey', reason }, correlationId);
  }

  enable(caller: SignedInUser, keyId: string, reason: string, correlationId: string) {
    return this.#change(caller, keyId, { type: 'EnableKey', reason }, correlationId);
  }

  /** For ever; a revoked key is refused everywhere within a second. */
  revoke(caller: SignedInUser, keyId: string, reason: string, correlationId: string) {
    return this.#change(caller, keyId, { type: 'RevokeKey', reason }, correlationId);
  }

  /**
   * Records the expiry of every key that is past it and returns how many. Only the record waits for this: a key is
   * refused from its expiry on. Safe to run in several processes at once.
   */
  async expireDueKeys(now: number): Promise<number> {
    const { store, keys } = this.#parts;
    let expired = 0;
    for (;;) {
      const due = await keys.dueForExpiry(toInstant(now), EXPIRY_BATCH);
      let last: bigint | null = null;
      for (const { keyId, accountId } of due) {
        const stamp = { ...this.#stamp(keyId, 'key-expiry'), now };
        const wish = { type: 'ExpireKey', accountIds: [accountId], ...stamp } as const;
        const handled = await handle(store, keyDecider, keyStream(keyId), wish);
        if (!handled.ok || handled.position === null) continue;
        expired += 1;
        last = handled.position;
      }
      // Without a new event the read model lags, or others were faster; the next run sees what is left.
      if (last === null || due.length < EXPIRY_BATCH) return expired;
      await this.#readable(last);
    }
  }

  async #change(caller: SignedInUser, keyId: string, wish: Wish, correlationId: string): Promise<KeySummary> {
    const accountIds = Object.values(caller.accounts);
    const command = { ...wish, ...this.#stamp(checkedId(keyId), correlationId), accountIds };
    const handled = await handle(this.#parts.store, keyDecider, keyStream(keyId), command);
    if (!handled.ok) throw refusalError(handled.refusal);
    await this.#readable(handled.position);
    return summaryOf(issued(handled.state));
  }

  #stamp(keyId: string, correlationId: string) {
    const { ids, clock } = this.#parts.runtime;
    return { keyId, correlationId, commandId: ids.uuid(), now: clock.now() };
  }

  /** Counts that include every key that was issued before this call. */
  async #freshCounts(accountId: string) {
    const { store, caughtUp, keys } = this.#parts;
    const head = await store.head();
    try {
      await caughtUp(head);
    } catch (error) {
      throw new ApiError('service_unavailable', { retryAfterMs: 1_000, cause: error });
    }
    return keys.countKeys(accountId);
  }

  #readable(position: bigint | null): Promise<void> {
    return readYourWrites(this.#parts.caughtUp, position, this.#parts.runtime.log);
  }
}

/** The id of the key that was issued after `issuedBefore` others. */
function keyIdOf(accountId: string, issuedBefore: number): string {
  return `key_${deriveId('key-of', accountId, issuedBefore).replaceAll('-', '')}`;
}
