import type { DomainEvent } from '../../events/codec.ts';
import { columnsOf } from '../columns.ts';
import { ofTypes } from '../ofTypes.ts';
import type { Projection, SqlExecutor } from '../projection.ts';
import { insertFacts } from './facts.ts';
import { logChanges, type Accepted, type LogChange } from './logChanges.ts';
import { ddl } from './schema.ts';

/** Every call with what became of it, and every rated quantity: what invoices are made of and walked back to. */
export const requestsProjection: Projection = {
  name: 'requests',
  version: 1,
  ddl,
  categories: ['request'],
  types: new Set<DomainEvent['type']>([
    'RequestAccepted',
    'UsageRecorded',
    'UsageCorrected',
    'RequestCompleted',
    'RequestFailed',
    'RequestAborted',
  ]),
  async apply(sql, events) {
    const changes = logChanges(events);
    await insertCalls(
      sql,
      changes.flatMap((change) => (change.accepted ? [{ ...change, ...change.accepted }] : [])),
    );
    await updateCalls(
      sql,
      changes.filter((change) => !change.accepted),
    );
    await insertFacts(sql, ofTypes(events, 'UsageRecorded', 'UsageCorrected'));
  },
};

const UNSETTLED = { channel: null, source: null, policy: null, usage: null, tokens: null, amount: null };
const UNENDED = {
  ...{ status: null, code: null, httpStatus: null, finishReason: null, attempts: null },
  ...{ endedAt: null, latencyMs: null, firstByteMs: null },
};

/** Columns that settlement and end set, in the order of both statements. */
function outcomeColumns(changes: readonly LogChange[]): string[] {
  const rows = changes.map(({ settled, ended }) => ({ ...(settled ?? UNSETTLED), ...(ended ?? UNENDED) }));
  return [
    ...columnsOf(rows, 'channel', 'source', 'policy', 'usage', 'tokens', 'amount'),
    ...columnsOf(
      rows,
      'status',
      'code',
      'httpStatus',
      'finishReason',
      'attempts',
      'endedAt',
      'latencyMs',
      'firstByteMs',
    ),
  ];
}

/** A call that was accepted and ended within the page is written once, complete. */
async function insertCalls(sql: SqlExecutor, calls: readonly (LogChange & Accepted)[]): Promise<void> {
  if (calls.length === 0) return;
  await sql.query(
    `INSERT INTO log (
       channel, source, policy, usage, tokens, amount,
       status, code, http_status, finish_reason, attempts, ended_at, latency_ms, first_byte_ms,
       request_id, account_id, key_id, mode, model, route, streamed, currency, price_version,
       accepted_at, held_tokens, held_amount, position)
     SELECT c.channel, c.source, c.policy, c.usage, coalesce(c.tokens, 0), coalesce(c.amount, 0),
       coalesce(c.status, 'accepted'), c.code, c.http_status, c.finish_reason, c.attempts, c.ended_at, c.latency_ms,
       c.first_byte_ms, c.request_id, c.account_id, c.key_id, c.mode, c.model, c.route, c.streamed, c.currency,
       c.price_version, c.accepted_at, c.held_tokens, c.held_amount, c.position
     FROM unnest(${OUTCOME_TYPES}, $15::uuid[], $16::text[], $17::text[], $18::text[], $19::text[], $20::text[],
         $21::boolean[], $22::text[], $23::text[], $24::timestamptz[], $25::bigint[], $26::numeric[], $27::bigint[])
       AS c (${OUTCOME_NAMES}, request_id, account_id, key_id, mode, model, route, streamed, currency, price_version,
         accepted_at, held_tokens, held_amount, position)`,
    [
      ...outcomeColumns(calls),
      ...columnsOf(calls, 'requestId', 'accountId', 'keyId', 'mode', 'model', 'route', 'streamed', 'currency'),
      ...columnsOf(calls, 'priceVersion', 'acceptedAt', 'heldTokens', 'heldAmount', 'position'),
    ],
  );
}

/**
 * A call ends once, and every settlement states all its figures, so null means that the page says nothing of a column.
 * Only a policy may be null by statement: a correction clears it.
 */
async function updateCalls(sql: SqlExecutor, changes: readonly LogChange[]): Promise<void> {
  if (changes.length === 0) return;
  const { rowCount } = await sql.query(
    `UPDATE log l SET
       channel = coalesce(c.channel, l.channel), source = coalesce(c.source, l.source),
       policy = CASE WHEN c.source IS NULL THEN l.policy ELSE c.policy END, usage = coalesce(c.usage, l.usage),
       tokens = coalesce(c.tokens, l.tokens), amount = coalesce(c.amount, l.amount),
       status = coalesce(c.status, l.status), code = coalesce(c.code, l.code),
       http_status = coalesce(c.http_status, l.http_status),
       finish_reason = coalesce(c.finish_reason, l.finish_reason), attempts = coalesce(c.attempts, l.attempts),
       ended_at = coalesce(c.ended_at, l.ended_at), latency_ms = coalesce(c.latency_ms, l.latency_ms),
       first_byte_ms = coalesce(c.first_byte_ms, l.first_byte_ms)
     FROM unnest(${OUTCOME_TYPES}, $15::uuid[]) AS c (${OUTCOME_NAMES}, request_id)
     WHERE l.request_id = c.request_id`,
    [...outcomeColumns(changes), ...columnsOf(changes, 'requestId')],
  );
  if (rowCount !== changes.length) throw new Error('a call was settled or ended that was never accepted');
}

const OUTCOME_NAMES = `channel, source, policy, usage, tokens, amount,
  status, code, http_status, finish_reason, attempts, ended_at, latency_ms, first_byte_ms`;
const OUTCOME_TYPES = `$1::text[], $2::text[], $3::text[], $4::jsonb[], $5::bigint[], $6::numeric[], $7::text[],
  $8::text[], $9::integer[], $10::text[], $11::jsonb[], $12::timestamptz[], $13::bigint[], $14::bigint[]`;
