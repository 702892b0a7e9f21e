import type { Mode } from '../../events/envelope.ts';
import type { Meter } from '../../events/meters.ts';
import type { Currency, Picos } from '../../events/money.ts';
import type { InputRange } from './rating/longContext.ts';
import type { SignedUsage } from './rating/rate.ts';

/** A cut through an account's usage: by service time (exclusive) and by log position (inclusive). */
export interface Cut {
  readonly end: string;
  readonly cutoff: bigint;
}

/**
 * What one billing period bills: facts before `upTo` that are not before `after`, the cut of the period before it (null
 * for the first). A fact is before a cut when it occurred before `end` and stands at or before `cutoff`. Cuts only grow,
 * so windows of consecutive periods share no fact and leave none out; late facts fall into the next.
 */
export interface BillingWindow {
  readonly accountId: string;
  readonly upTo: Cut;
  readonly after: Cut | null;
}

/**
 * One rated quantity. A `UsageRecorded` is one fact; a `UsageCorrected` is two, both with the correction's own service
 * time and position: the previous figures negated, and the corrected ones. `amount` is what was charged, `usage` what
 * `amount` must follow from.
 */
export interface UsageFact {
  readonly requestId: string;
  readonly keyId: string;
  /** As it was recorded: with the variant that it was charged as, `model#variant`. */
  readonly model: string;
  readonly mode: Mode;
  readonly priceVersion: string;
  readonly currency: Currency;
  readonly usage: SignedUsage;
  readonly amount: Picos;
}

/** The usage facts of an account, from the request log's read model. */
export interface UsageFacts {
  /** Every fact of the window once, in pages, in ascending order of request id. Throws StoreUnavailable when it cannot be read. */
  read(window: BillingWindow): AsyncIterable<readonly UsageFact[]>;
}

/** What makes an invoice line one line, but for its unit price: a long context may give one meter several. */
export interface LineIdentity {
  readonly keyId: string;
  readonly model: string;
  readonly meter: Meter;
  readonly priceVersion: string;
  readonly currency: Currency;
}

/** The way back from an invoice line to its calls. */
export interface LineRequests {
  /**
   * Ids, sorted and without twins, of the requests with a quantity other than 0 on the line's meter in a fact of the
   * window. With ranges only of facts whose input tokens, used or taken back, are in one of them.
   */
  idsOf(window: BillingWindow, line: LineIdentity, ranges?: readonly InputRange[]): Promise<readonly string[]>;
}

/** How far the read models are, and whether they are whole for an account. */
export interface ReadModels {
  /** Resolves when every event up to and including this position has been applied. Rejects when that takes too long. */
  caughtUp(position: bigint): Promise<void>;
  /** True while an event of the account that cannot be applied keeps its usage facts incomplete. */
  isParked(accountId: string): Promise<boolean>;
}

/** An account as the scheduler sees it. */
export interface AccountBooks {
  readonly accountId: string;
  readonly zone: string;
  /** Instant at which the account was opened. */
  readonly openedAt: string;
  /** Label of its newest closed period, null before the first. */
  readonly lastClosed: string | null;
}

export interface AccountList {
  /** Every account once, in pages. */
  accounts(): AsyncIterable<readonly AccountBooks[]>;
}
