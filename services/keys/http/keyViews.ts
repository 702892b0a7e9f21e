import { CURRENCIES, formatPicos, type Currency, type Picos } from '../../../events/money.ts';
import type { Limits } from '../../../events/quota/limits.ts';
import { toInstant } from '../../runtime.ts';
import type { OpenedAccount } from '../../accounts/account.decider.ts';
import { statusAt, type KeySummary } from '../keySummary.ts';
import type { DailyUsage, UsedInPeriod } from '../ports.ts';
import { exactNumber } from './exactNumber.ts';

/** A key as the API shows it, at an instant: one past its expiry is expired, whether or not that is recorded yet. */
export function keyView(key: KeySummary, now: number) {
  return {
    id: key.keyId,
    name: key.name,
    mode: key.mode,
    status: statusAt(key, now),
    prefix: key.prefix,
    last4: key.last4,
    limits: limitsView(key.limits),
    models: key.models,
    created_at: key.issuedAt,
    expires_at: key.expiresAt,
    previous_valid_until: key.previousValidUntil,
  };
}

/** What a key may do. */
export function permissionsView(key: KeySummary) {
  return { id: key.keyId, models: key.models, limits: limitsView(key.limits), expires_at: key.expiresAt };
}

function limitsView(limits: Limits) {
  const amounts = new Map(limits.spendPerMonth.map(({ currency, picos }) => [currency, BigInt(picos)]));
  return {
    tokens_per_month: limits.tokensPerMonth,
    spend_per_month: amountTexts(amounts),
    concurrency: limits.concurrency,
    requests_per_minute: limits.requestsPerMinute,
    tokens_per_minute: limits.tokensPerMinute,
  };
}

/**
 * AI Hub's quota object for a UTC month. `monthly_cost` is the part in USD; `monthly_costs` has every currency, exactly.
 * Null quota and remainder: no limit.
 */
export function quotaView(account: OpenedAccount, used: UsedInPeriod, activeKeys: number, now: number) {
  const quota = account.limits.tokensPerMonth;
  const tokens = Number(used.tokens);
  return {
    monthly_quota: quota,
    monthly_used: tokens,
    monthly_remaining: quota === null ? null : Math.max(0, quota - tokens),
    monthly_usage_percent: quota === null || quota === 0 ? 0 : ratio(tokens * 100, quota, 2),
    monthly_cost: exactNumber(used.amounts.get('USD') ?? 0n),
    monthly_costs: amountTexts(used.amounts),
    active_api_keys: activeKeys,
    max_api_keys: account.maxKeys,
    reset_date: firstOfNextMonth(now),
  };
}

/** The UTC month that token quotas count in, `2026-11`. */
export function quotaPeriodAt(now: number): string {
  return toInstant(now).slice(0, 7);
}

function firstOfNextMonth(now: number): string {
  const date = new Date(now);
  return toInstant(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 1)).slice(0, 10);
}

/** AI Hub's usage object of a key over some days. Costs are in USD, with every currency beside them. */
export function usageView(days: number, rows: readonly DailyUsage[]) {
  const total = sum(rows);
  return {
    period_days: days,
    total_requests: Number(total.requests),
    total_tokens: Number(total.tokens),
    ...costs(total, 'total_cost', 'total_costs'),
    avg_response_time: ratio(Number(total.latencyMsSum), Number(total.latencyCount), 1),
    success_rate:
      total.requests === 0n ? 100 : ratio(Number(total.requests - total.failed) * 100, Number(total.requests), 1),
    model_usage: grouped(rows, (row) => row.model),
    daily_usage: grouped(rows, (row) => row.day),
  };
}

function grouped(rows: readonly DailyUsage[], keyOf: (row: DailyUsage) => string) {
  const groups = Map.groupBy(rows, keyOf);
  const views = [...groups].map(([key, group]) => {
    const total = sum(group);
    const counts = { requests: Number(total.requests), tokens: Number(total.tokens) };
    return [key, { ...counts, ...costs(total, 'cost', 'costs') }] as const;
  });
  return Object.fromEntries(views);
}

interface Totals {
  requests: bigint;
  failed: bigint;
  tokens: bigint;
  latencyMsSum: bigint;
  latencyCount: bigint;
  amounts: Map<Currency, Picos>;
}

function sum(rows: readonly DailyUsage[]): Totals {
  const total: Totals = {
    requests: 0n,
    failed: 0n,
    tokens: 0n,
    latencyMsSum: 0n,
    latencyCount: 0n,
    amounts: new Map(),
  };
  for (const row of rows) {
    total.requests += row.requests;
    total.failed += row.failed;
    total.tokens += row.tokens;
    total.latencyMsSum += row.latencyMsSum;
    total.latencyCount += row.latencyCount;
    total.amounts.set(row.currency, (total.amounts.get(row.currency) ?? 0n) + row.amount);
  }
  return total;
}

function costs<O extends string, A extends string>({ amounts }: Totals, one: O, all: A) {
  const shown = { [one]: exactNumber(amounts.get('USD') ?? 0n), [all]: amountTexts(amounts) };
  return shown as Record<O, object> & Record<A, Partial<Record<Currency, string>>>;
}

/** Decimal texts in major units, in the fixed order of currencies. */
export function amountTexts(amounts: ReadonlyMap<Currency, Picos>): Partial<Record<Currency, string>> {
  const texts: Partial<Record<Currency, string>> = {};
  for (const currency of CURRENCIES) {
    const amount = amounts.get(currency);
    if (amount !== undefined) texts[currency] = formatPicos(amount);
  }
  return texts;
}

/** A quotient rounded to some decimals, half up; 0 when there is nothing to divide by. For counts and times, not for money. */
function ratio(dividend: number, divisor: number, decimals: number): number {
  if (divisor === 0) return 0;
  const scale = 10 ** decimals;
  return Math.round((dividend * scale) / divisor) / scale;
}
