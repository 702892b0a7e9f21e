import type { Currency, Picos } from '../../../events/money.ts';
import { statusAt, type KeySummary } from '../keySummary.ts';
import type { InstallationCounts, ModelUsage, OwnedKey } from '../ports.ts';
import { amountTexts } from './keyViews.ts';

/**
 * A key as the Ollama service's clients see it, at an instant. `usageLimit` and `tokensUsed` are tokens of a UTC month,
 * of this one; a null limit is none of the key's own.
 */
export function ollamaKeyView(key: KeySummary, tokensUsed: bigint, now: number) {
  const status = statusAt(key, now);
  return {
    id: key.keyId,
    name: key.name,
    mode: key.mode,
    isActive: status === 'active',
    status,
    prefix: key.prefix,
    last4: key.last4,
    usageLimit: key.limits.tokensPerMonth,
    tokensUsed: Number(tokensUsed),
    createdAt: key.issuedAt,
    expiresAt: key.expiresAt,
  };
}

/** The same for an administrator, who must also see whose it is. */
export function administeredKeyView(key: OwnedKey, tokensUsed: bigint, now: number) {
  return { ...ollamaKeyView(key, tokensUsed, now), accountId: key.accountId, userId: key.userId };
}

/** Sums over rows of usage, and the same per model. `costs`: exact decimal texts in major units, by currency. */
export function usageSumsView(rows: readonly ModelUsage[]) {
  const models = [...Map.groupBy(rows, (row) => row.model)];
  return { ...sumView(rows), models: models.map(([model, group]) => ({ model, ...sumView(group) })) };
}

/** Sums per key. */
export function usageByKeyView(rows: readonly (ModelUsage & { readonly keyId: string })[]) {
  const keys = [...Map.groupBy(rows, (row) => row.keyId)];
  return keys.map(([keyId, group]) => ({ keyId, ...sumView(group) }));
}

/** Users, and keys by status with their sum. */
export function countsView({ users, keys }: InstallationCounts) {
  const total = Object.values(keys).reduce((sum, count) => sum + count, 0);
  return { users, keys: { total, ...keys } };
}

function sumView(rows: readonly ModelUsage[]) {
  const amounts = new Map<Currency, Picos>();
  let [requests, failed, tokens] = [0n, 0n, 0n];
  for (const row of rows) {
    requests += row.requests;
    failed += row.failed;
    tokens += row.tokens;
    amounts.set(row.currency, (amounts.get(row.currency) ?? 0n) + row.amount);
  }
  return {
    requests: Number(requests),
    failedRequests: Number(failed),
    tokens: Number(tokens),
    costs: amountTexts(amounts),
  };
}
