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
