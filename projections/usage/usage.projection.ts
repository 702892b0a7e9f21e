import type { DomainEvent } from '../../events/codec.ts';
import { totalTokens } from '../../events/meters.ts';
import type { RequestAborted, RequestCompleted, RequestFailed } from '../../events/request/request.events.ts';
import type { UsageEvent } from '../../events/usage/usage.events.ts';
import { columnsOf, storable } from '../columns.ts';
import { ofTypes } from '../ofTypes.ts';
import type { Projection, SqlExecutor } from '../projection.ts';
import { hourOf, HourSums, type Cell, type HourSum } from './hourSums.ts';

const ddl = `
CREATE TABLE hourly (
  account_id text COLLATE "C" NOT NULL,
  key_id text COLLATE "C" NOT NULL,
  model text COLLATE "C" NOT NULL,
  currency text COLLATE "C" NOT NULL,
  hour timestamptz NOT NULL,
  requests bigint NOT NULL,
  -- Of the requests, those that failed on our side or the provider's.
  failed bigint NOT NULL,
  tokens bigint NOT NULL,
  amount numeric(38, 0) NOT NULL,
  -- Of completed requests.
  latency_ms_sum bigint NOT NULL,
  latency_count bigint NOT NULL,
  PRIMARY KEY (account_id, key_id, model, currency, hour)
) WITH (fillfactor = 70);
-- Calls whose usage was counted and whose end was not yet: it tells the row in which the end counts.
CREATE TABLE unended (
  request_id uuid PRIMARY KEY,
  account_id text COLLATE "C" NOT NULL,
  key_id text COLLATE "C" NOT NULL,
  model text COLLATE "C" NOT NULL,
  currency text COLLATE "C" NOT NULL,
  hour timestamptz NOT NULL
);
`;

type End = RequestCompleted | RequestFailed | RequestAborted;

/** Usage per hour, key, model and currency. A call counts in the hour of its usage; a correction in its own hour. */
export const usageProjection: Projection = {
  name: 'usage',
  version: 1,
  ddl,
  categories: ['request'],
  types: new Set<DomainEvent['type']>([
    'UsageRecorded',
    'UsageCorrected',
    'RequestCompleted',
    'RequestFailed',
    'RequestAborted',
  ]),
  async apply(sql, events) {
    const sums = new HourSums();
    const unended = new Map<string, Cell>();
    for (const { event } of ofTypes(events, 'UsageRecorded')) {
      const sum = sums.of(cellOf(event));
      sum.requests += 1;
      sum.tokens += BigInt(totalTokens(event.usage));
      sum.amount += BigInt(event.amountPicos);
      unended.set(event.requestId, sum);
    }
    for (const { event } of ofTypes(events, 'UsageCorrected')) {
      const sum = sums.of(cellOf(event));
      sum.tokens += BigInt(totalTokens(event.corrected.usage) - totalTokens(event.previous.usage));
      sum.amount += BigInt(event.corrected.amountPicos) - BigInt(event.previous.amountPicos);
    }
    const ends = ofTypes(events, 'RequestCompleted', 'RequestFailed', 'RequestAborted').map(({ event }) => event);
    await countEnds(sql, ends, unended, sums);
    await keepUnended(sql, unended);
    await addSums(sql, sums.rows());
  },
};

function cellOf(event: UsageEvent): Cell {
  const { accountId, keyId, currency } = event;
  return { accountId, keyId, currency, model: storable(event.model), hour: hourOf(event.occurredAt) };
}

/** Usage and end are appended together, so most ends find their usage in the page; the others find it where an earlier page left it. */
async function countEnds(
  sql: SqlExecutor,
  ends: readonly End[],
  unended: Map<string, Cell>,
  sums: HourSums,
): Promise<void> {
  const earlier = await takeUnended(
    sql,
    ends.flatMap(({ requestId }) => (unended.has(requestId) ? [] : [requestId])),
  );
  for (const end of ends) {
    const cell = unended.get(end.requestId) ?? earlier.get(end.requestId);
    if (!cell) throw new Error(`request ${end.requestId} ended, and its usage was never recorded`);
    unended.delete(end.requestId);
    countEnd(end, sums.of(cell));
  }
}

function countEnd(end: End, sum: HourSum): void {
  if (end.type === 'RequestCompleted') {
    sum.latencyMsSum += end.latencyMs;
    sum.latencyCount += 1;
  } else if (end.type === 'RequestFailed' || end.reason === 'shutdown' || end.reason === 'relay_lost') {
    sum.failed += 1;
  }
}

async function takeUnended(sql: SqlExecutor, requestIds: readonly string[]): Promise<Map<string, Cell>> {
  if (requestIds.length === 0) return new Map();
  const { rows } = await sql.query<Omit<Cell, 'hour'> & { requestId: string; hour: Date }>(
    `DELETE FROM unended WHERE request_id = ANY ($1::uuid[])
     RETURNING request_id AS "requestId", account_id AS "accountId", key_id AS "keyId", model, currency, hour`,
    [requestIds],
  );
  return new Map(rows.map(({ requestId, hour, ...cell }) => [requestId, { ...cell, hour: hour.toISOString() }]));
}

async function keepUnended(sql: SqlExecutor, unended: ReadonlyMap<string, Cell>): Promise<void> {
  if (unended.size === 0) return;
  await sql.query(
    `INSERT INTO unended (request_id, account_id, key_id, model, currency, hour)
     SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[])`,
    [[...unended.keys()], ...columnsOf([...unended.values()], 'accountId', 'keyId', 'model', 'currency', 'hour')],
  );
}

async function addSums(sql: SqlExecutor, sums: readonly HourSum[]): Promise<void> {
  if (sums.length === 0) return;
  await sql.query(
    `INSERT INTO hourly AS h (account_id, key_id, model, currency, hour,
       requests, failed, tokens, amount, latency_ms_sum, latency_count)
     SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::timestamptz[],
       $6::bigint[], $7::bigint[], $8::bigint[], $9::numeric[], $10::bigint[], $11::bigint[])
     ON CONFLICT (account_id, key_id, model, currency, hour) DO UPDATE SET
       requests = h.requests + excluded.requests, failed = h.failed + excluded.failed,
       tokens = h.tokens + excluded.tokens, amount = h.amount + excluded.amount,
       latency_ms_sum = h.latency_ms_sum + excluded.latency_ms_sum,
       latency_count = h.latency_count + excluded.latency_count`,
    [
      ...columnsOf(sums, 'accountId', 'keyId', 'model', 'currency', 'hour'),
      ...columnsOf(sums, 'requests', 'failed', 'tokens', 'amount', 'latencyMsSum', 'latencyCount'),
    ],
  );
}
