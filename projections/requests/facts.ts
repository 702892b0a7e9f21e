import { METERS, type Meter, type UsageVector } from '../../events/meters.ts';
import type { UsageEvent } from '../../events/usage/usage.events.ts';
import { columnsOf, storable } from '../columns.ts';
import type { Placed } from '../ofTypes.ts';
import type { SqlExecutor } from '../projection.ts';

/** Whole quantities per meter; negative ones take back. */
export type SignedUsage = Readonly<Partial<Record<Meter, number>>>;

interface Rated {
  readonly usage: SignedUsage;
  readonly amount: bigint;
}

/** What an event says was used, as facts that sum up: a correction takes the previous figures back and states its own. */
export function factsOf(event: UsageEvent): readonly Rated[] {
  if (event.type === 'UsageRecorded') return [{ usage: event.usage, amount: BigInt(event.amountPicos) }];
  const { previous, corrected } = event;
  return [
    { usage: negated(previous.usage), amount: -BigInt(previous.amountPicos) },
    { usage: corrected.usage, amount: BigInt(corrected.amountPicos) },
  ];
}

function negated(usage: UsageVector): SignedUsage {
  const negative: Partial<Record<Meter, number>> = {};
  for (const meter of METERS) {
    const quantity = usage[meter];
    // 0 − quantity: the negative of 0 must not be the float −0.
    if (quantity !== undefined) negative[meter] = 0 - quantity;
  }
  return negative;
}

/** Each fact is written once; its event and part are its key. */
export async function insertFacts(sql: SqlExecutor, events: readonly Placed<UsageEvent>[]): Promise<void> {
  const rows = events.flatMap(({ event, recorded }) =>
    factsOf(event).map(({ usage, amount }, part) => ({
      ...event,
      part,
      position: recorded.position,
      model: storable(event.model),
      usage: JSON.stringify(usage),
      amount,
    })),
  );
  if (rows.length === 0) return;
  await sql.query(
    `INSERT INTO facts (event_id, part, position, request_id, account_id, key_id, model, mode, price_version, currency,
       usage, amount, occurred_at)
     SELECT * FROM unnest($1::uuid[], $2::smallint[], $3::bigint[], $4::uuid[], $5::text[], $6::text[], $7::text[],
       $8::text[], $9::text[], $10::text[], $11::jsonb[], $12::numeric[], $13::timestamptz[])`,
    [
      ...columnsOf(rows, 'eventId', 'part', 'position', 'requestId', 'accountId', 'keyId', 'model'),
      ...columnsOf(rows, 'mode', 'priceVersion', 'currency', 'usage', 'amount', 'occurredAt'),
    ],
  );
}
