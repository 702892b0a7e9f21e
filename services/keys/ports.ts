import type { Mode } from '../../events/envelope.ts';
import type { Currency, Picos } from '../../events/money.ts';
import type { KeySummary } from './keySummary.ts';

export interface KeyCounts {
  /** Keys ever issued, in whatever state. */
  readonly issued: number;
  /** Keys that are active or disabled: those that count against the most an account may have. */
  readonly active: number;
}

/** The keys read model. May lag behind the log; KeyService waits for it where that matters. May throw StoreUnavailable. */
export interface KeyReader {
  /** Keys of these accounts, active and disabled ones first, then newest first, at most `limit`. */
  listKeys(accountIds: readonly string[], limit: number): Promise<readonly KeySummary[]>;
  countKeys(accountId: string): Promise<KeyCounts>;
  /** Active and disabled keys whose expiry is at or before the instant (stored text), at most `limit`. */
  dueForExpiry(
    instant: string,
    limit: number,
  ): Promise<readonly { readonly keyId: string; readonly accountId: string }[]>;
}

/** What was used, in tokens and in money per currency. */
export interface UsedInPeriod {
  readonly tokens: bigint;
  readonly amounts: ReadonlyMap<Currency, Picos>;
}

/** Usage of one key with one model in one currency on one UTC day. `requests` includes `failed`; latencies are of `latencyCount` of them. */
export interface DailyUsage {
  /** `2026-11-30`. */
  readonly day: string;
  readonly model: string;
  readonly currency: Currency;
  readonly requests: bigint;
  readonly failed: bigint;
  readonly tokens: bigint;
  readonly amount: Picos;
  readonly latencyMsSum: bigint;
  readonly latencyCount: bigint;
}

/** The quota and usage read models. May throw StoreUnavailable. */
export interface UsageReader {
  /** `period` is a UTC month, `2026-11`. */
  usedInPeriod(accountId: string, period: string): Promise<UsedInPeriod>;
  /** From an instant on (stored text), ordered by day, model and currency. */
  dailyUsageOfKey(accountId: string, keyId: string, from: string): Promise<readonly DailyUsage[]>;
}

/** Usage with one model in one currency over some time. `requests` includes `failed`. */
export interface ModelUsage {
  readonly model: string;
  readonly currency: Currency;
  readonly requests: bigint;
  readonly failed: bigint;
  readonly tokens: bigint;
  readonly amount: Picos;
}

/** Sums of the usage read models; they may lag. Spans are stored texts: from one UTC hour on, before another. May throw StoreUnavailable. */
export interface UsageSums {
  ofAccount(accountId: string, from: string, before: string): Promise<readonly (ModelUsage & { keyId: string })[]>;
  /** Of all accounts of a mode. */
  ofAll(mode: Mode, from: string, before: string): Promise<readonly ModelUsage[]>;
  /** Tokens that each of these keys or accounts used in a UTC month, `2026-11`; none are not in the answer. */
  tokensInPeriod(scopeIds: readonly string[], period: string): Promise<ReadonlyMap<string, bigint>>;
}

/** A key as an administrator may see it. */
export interface OwnedKey extends KeySummary {
  readonly userId: string;
}

export interface InstallationCounts {
  readonly users: number;
  /** By what they are at the instant that was asked for. */
  readonly keys: Readonly<Record<KeySummary['status'], number>>;
}

/** Keys of all accounts, from the keys read model; may lag. May throw StoreUnavailable. */
export interface KeyDirectory {
  /** In the order of their ids, those after one of them (null: from the first), at most `limit`. */
  page(after: string | null, limit: number): Promise<readonly OwnedKey[]>;
  /** All users, and the keys of a mode, at an instant (stored text). */
  counts(mode: Mode, instant: string): Promise<InstallationCounts>;
}
