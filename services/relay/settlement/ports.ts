import type { EncodedEvent } from '../../../events/codec.ts';

/** A hold that its relay will not settle, as far as anybody can tell. */
export interface OrphanedHold {
  readonly requestId: string;
  /** The `RequestAccepted` that lies in the hold. */
  readonly accepted: EncodedEvent;
  /** Epoch milliseconds. */
  readonly deadline: number;
  readonly cause: 'deadline' | 'owner_lost';
}

/** The holds as the reaper sees them. Every method may throw StoreUnavailable. */
export interface OrphanedHolds {
  /**
   * Holds past their deadline at `now` (epoch milliseconds) and holds of owners that were forgotten, in the order of
   * their request ids, after `after` (null: from the first), at most `limit`.
   */
  find(options: {
    readonly now: number;
    readonly after: string | null;
    readonly limit: number;
  }): Promise<readonly OrphanedHold[]>;
  /** Forgets relays that gave no sign of life for `leaseMs`, and their concurrency slots. Returns how many there were. */
  forgetLostOwners(leaseMs: number): Promise<number>;
  /**
   * Ends a hold whose usage, at `position` of the log, is counted in the quota already. It stays when the quota
   * projection has not come that far or has parked the account. Returns whether it ended.
   */
  endCounted(requestId: string, accountId: string, position: bigint): Promise<boolean>;
  /** Forgets idempotency claims older than `ageMs`. Returns how many. */
  forgetClaims(ageMs: number): Promise<number>;
}
