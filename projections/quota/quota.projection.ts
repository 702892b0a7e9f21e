import type { DomainEvent } from '../../events/codec.ts';
import { totalTokens } from '../../events/meters.ts';
import type { Limits } from '../../events/quota/limits.ts';
import { columnsOf } from '../columns.ts';
import { ofTypes } from '../ofTypes.ts';
import type { ProjectedEvent, Projection, SqlExecutor } from '../projection.ts';

const ddl = `
-- What a key or an account may use; ids of the two kinds never collide.
CREATE TABLE scopes (
  scope_id text COLLATE "C" PRIMARY KEY,
  kind text NOT NULL CHECK (kind IN ('key', 'account')),
  account_id text COLLATE "C" NOT NULL,
  concurrency integer,
  tokens_max numeric,
  -- Picos as text by currency code.
  spend_max jsonb NOT NULL
);
-- What settled calls used, per UTC month and meter: 'tokens' or a currency code. Open holds are not in it.
CREATE TABLE used (
  scope_id text COLLATE "C" NOT NULL,
  period text COLLATE "C" NOT NULL,
  meter text COLLATE "C" NOT NULL,
  used numeric(38, 0) NOT NULL,
  PRIMARY KEY (scope_id, period, meter)
) WITH (fillfactor = 50);
`;

/**
 * What keys and accounts may use and have used, for the decision about a hold. When it runs live, it deletes the holds of
 * the calls that it counts, in the same transaction: a call is always held or counted, never neither.
 */
export const quotaProjection: Projection = {
  name: 'quota',
  version: 1,
  ddl,
  urgent: true,
  categories: ['key', 'account', 'request'],
  types: new Set<DomainEvent['type']>([
    'AccountOpened',
    'AccountLimitsSet',
    'ApiKeyIssued',
    'ApiKeyRestricted',
    'UsageRecorded',
    'UsageCorrected',
  ]),
  /** Once per transaction with all ids, and before anything else: that keeps the lock order of `settle_holds`. */
  async liveEffects(sql, events) {
    const settled = ofTypes(events, 'UsageRecorded').map(({ event }) => event.requestId);
    if (settled.length > 0) await sql.query('SELECT public.settle_holds($1::uuid[])', [settled]);
  },
  async apply(sql, events) {
    await setScopes(sql, events);
    await addUsage(sql, events);
  },
};

interface ScopeRow {
  readonly id: string;
  readonly kind: 'key' | 'account';
  readonly accountId: string;
  readonly concurrency: number | null;
  readonly tokensMax: number | null;
  readonly spendMax: string;
}

function scopeRow(id: string, kind: 'key' | 'account', accountId: string, limits: Limits): ScopeRow {
  return {
    id,
    kind,
    accountId,
    concurrency: limits.concurrency,
    tokensMax: limits.tokensPerMonth,
    spendMax: JSON.stringify(Object.fromEntries(limits.spendPerMonth.map(({ currency, picos }) => [currency, picos]))),
  };
}

/** Each of these events states all limits of its scope, so the last one of a page is what remains. */
async function setScopes(sql: SqlExecutor, events: readonly ProjectedEvent[]): Promise<void> {
  const scopes = new Map<string, ScopeRow>();
  for (const { event } of ofTypes(events, 'AccountOpened', 'AccountLimitsSet')) {
    scopes.set(event.accountId, scopeRow(event.accountId, 'account', event.accountId, event.limits));
  }
  for (const { event } of ofTypes(events, 'ApiKeyIssued', 'ApiKeyRestricted')) {
    scopes.set(event.keyId, scopeRow(event.keyId, 'key', event.accountId, event.limits));
  }
  if (scopes.size === 0) return;
  await sql.query(
    `INSERT INTO scopes (scope_id, kind, account_id, concurrency, tokens_max, spend_max)
     SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::integer[], $5::numeric[], $6::jsonb[])
     ON CONFLICT (scope_id) DO UPDATE SET
       concurrency = excluded.concurrency, tokens_max = excluded.tokens_max, spend_max = excluded.spend_max`,
    columnsOf([...scopes.values()], 'id', 'kind', 'accountId', 'concurrency', 'tokensMax', 'spendMax'),
  );
}

interface UsedRow {
  readonly scopeId: string;
  readonly period: string;
  readonly meter: string;
  used: bigint;
}

/** Sums of a page, so that each row is written once. A sum of 0 is written too: rows must not depend on where pages end. */
class UsedSums {
  readonly #sums = new Map<string, UsedRow>();

  add(scopeId: string, period: string, meter: string, quantity: bigint): void {
    const key = `${scopeId} ${period} ${meter}`;
    const sum = this.#sums.get(key);
    if (sum) sum.used += quantity;
    else this.#sums.set(key, { scopeId, period, meter, used: quantity });
  }

  rows(): UsedRow[] {
    return [...this.#sums.values()];
  }
}

async function addUsage(sql: SqlExecutor, events: readonly ProjectedEvent[]): Promise<void> {
  const sums = new UsedSums();
  for (const { event } of events) {
    if (event?.type !== 'UsageRecorded' && event?.type !== 'UsageCorrected') continue;
    const { tokens, picos } = quantities(event);
    for (const scopeId of [event.keyId, event.accountId]) {
      sums.add(scopeId, event.quotaPeriod, 'tokens', tokens);
      sums.add(scopeId, event.quotaPeriod, event.currency, picos);
    }
  }
  const rows = sums.rows();
  if (rows.length === 0) return;
  await sql.query(
    `INSERT INTO used (scope_id, period, meter, used)
     SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::numeric[])
     ON CONFLICT (scope_id, period, meter) DO UPDATE SET used = used.used + excluded.used`,
    columnsOf(rows, 'scopeId', 'period', 'meter', 'used'),
  );
}

/** What an event adds to the sums: a correction adds the difference, which may be negative. */
function quantities(event: Extract<DomainEvent, { type: 'UsageRecorded' | 'UsageCorrected' }>) {
  if (event.type === 'UsageRecorded') return quantity(event);
  const before = quantity(event.previous);
  const after = quantity(event.corrected);
  return { tokens: after.tokens - before.tokens, picos: after.picos - before.picos };
}

function quantity(rated: { usage: Parameters<typeof totalTokens>[0]; amountPicos: string }) {
  return { tokens: BigInt(totalTokens(rated.usage)), picos: BigInt(rated.amountPicos) };
}
