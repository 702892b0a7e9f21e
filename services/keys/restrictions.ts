import type { Limits } from '../../events/quota/limits.ts';
import type { RestrictionChange, Restrictions } from './key.commands.ts';

/** The restrictions with a change applied. */
export function changed(current: Restrictions, change: RestrictionChange): Restrictions {
  return {
    limits: { ...current.limits, ...change.limits },
    models: change.models === undefined ? current.models : change.models,
    expiresAt: change.expiresAt === undefined ? current.expiresAt : change.expiresAt,
  };
}

/** No negative quantity or amount, and no currency twice. */
export function limitsAreValid(limits: Limits): boolean {
  const quantities = [limits.tokensPerMonth, limits.concurrency, limits.requestsPerMinute, limits.tokensPerMinute];
  const currencies = new Set(limits.spendPerMonth.map((spend) => spend.currency));
  return (
    quantities.every((quantity) => quantity === null || (Number.isSafeInteger(quantity) && quantity >= 0)) &&
    limits.spendPerMonth.every((spend) => BigInt(spend.picos) >= 0n) &&
    currencies.size === limits.spendPerMonth.length
  );
}

/** Whether two sets of restrictions mean the same; the order of models and currencies means nothing. */
export function sameRestrictions(one: Restrictions, other: Restrictions): boolean {
  return (
    one.expiresAt === other.expiresAt &&
    sameTexts(one.models, other.models) &&
    one.limits.tokensPerMonth === other.limits.tokensPerMonth &&
    one.limits.concurrency === other.limits.concurrency &&
    one.limits.requestsPerMinute === other.limits.requestsPerMinute &&
    one.limits.tokensPerMinute === other.limits.tokensPerMinute &&
    sameTexts(spendTexts(one.limits), spendTexts(other.limits))
  );
}

function spendTexts(limits: Limits): string[] {
  return limits.spendPerMonth.map(({ currency, picos }) => `${currency} ${BigInt(picos).toString()}`);
}

function sameTexts(one: readonly string[] | null, other: readonly string[] | null): boolean {
  if (one === null || other === null) return one === other;
  const texts = new Set(one);
  return texts.size === new Set(other).size && other.every((text) => texts.has(text));
}
