import { z } from 'zod';
import { currency } from '../../events/envelope.ts';
import type { HoldDecision, HoldRefusal, HoldRequest } from '../../services/relay/ports.ts';
import { arrayText } from './arrayText.ts';

/** What goes to the database in one call. */
export interface HoldBatch {
  readonly owner: string;
  readonly session: string;
  /** Ended calls per key. */
  readonly freed: ReadonlyMap<string, number>;
  /** Requests whose idempotency claims are forgotten. */
  readonly forgotten: readonly string[];
  readonly holds: readonly HoldRequest[];
}

/** Between texts; see `assertHold`. */
const SEPARATOR = '\u001f';

/** `take_holds` of the second migration, prepared once per connection. */
const STATEMENT = {
  name: 'take_holds',
  text: `SELECT granted, refusals
         FROM take_holds($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)`,
};

/** What many holds of a batch have in common; said once. */
type Group = Pick<HoldRequest, 'keyId' | 'accountId' | 'period' | 'currency'>;

/** The whole batch as 17 parameters: a fixed number, whatever the size of the batch. */
export function takeStatement({ owner, session, freed, forgotten, holds }: HoldBatch) {
  const { groups, groupOf } = grouped(holds);
  return {
    ...STATEMENT,
    values: [
      owner,
      session,
      [...freed.keys()],
      [...freed.values()],
      [...forgotten],
      groups.map((group) => group.keyId),
      groups.map((group) => group.accountId),
      groups.map((group) => group.period),
      groups.map((group) => group.currency),
      arrayText(holds.map((hold) => hold.requestId)),
      arrayText(groupOf),
      arrayText(holds.map((hold) => hold.tokens)),
      arrayText(holds.map((hold) => hold.picos)),
      arrayText(holds.map((hold) => hold.deadline)),
      holds.map((hold) => hold.accepted.data).join(SEPARATOR),
      holds.map((hold) => hold.idempotency?.keyHash ?? null),
      holds.map((hold) => hold.idempotency?.bodyHash ?? null),
    ],
  };
}

/** The groups of a batch, and for each hold the place of its group, from 1. */
function grouped(holds: readonly HoldRequest[]): { readonly groups: readonly Group[]; readonly groupOf: number[] } {
  const groups: Group[] = [];
  const places = new Map<string, number>();
  const groupOf = holds.map((hold) => {
    const name = `${hold.keyId} ${hold.accountId} ${hold.period} ${hold.currency}`;
    const place = places.get(name) ?? groups.push(hold);
    places.set(name, place);
    return place;
  });
  return { groups, groupOf };
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
/** A quadrillion major units: far beyond any price, and no sum of a batch passes the 38 digits of the column. */
const MAX_PICOS = 10n ** 27n;
/** Identifiers and months; they need no quotes anywhere. */
const NAME = /^[a-z0-9][a-z0-9_.-]*$/;
// eslint-disable-next-line no-control-regex -- The separator, and what Postgres cannot store; JSON text holds neither raw.
const UNSTORABLE = /[\u0000\u001f]/;

/**
 * Refuses what would spoil the batch for others. Throws TypeError: such a hold is a bug of the caller.
 */
export function assertHold(hold: HoldRequest): void {
  if (!UUID.test(hold.requestId)) throw new TypeError('the id of the request is not a uuid');
  if (!Number.isSafeInteger(hold.tokens) || hold.tokens < 0) throw new TypeError('held tokens are not a whole number');
  if (hold.picos < 0n || hold.picos > MAX_PICOS) throw new TypeError('held picos are out of range');
  if (!Number.isSafeInteger(hold.deadline)) throw new TypeError('the deadline is not in epoch milliseconds');
  const { keyId, accountId, period, accepted, idempotency } = hold;
  for (const name of [keyId, accountId, period]) if (!NAME.test(name)) throw new TypeError('a name is not one of ours');
  for (const text of [accepted.data, ...Object.values(idempotency ?? {})]) {
    if (text === '' || UNSTORABLE.test(text) || !text.isWellFormed()) {
      throw new TypeError('a text of the hold is empty or holds a character that cannot be stored');
    }
  }
}

export interface TakeRow {
  readonly granted: string;
  readonly refusals: unknown;
}

const amount = z.string().transform(BigInt);
const refusal = z.discriminatedUnion('reason', [
  z.object({
    reason: z.literal('quota'),
    scope: z.enum(['key', 'account']),
    meter: z.union([z.literal('tokens'), currency]),
    limit: amount,
    used: amount,
    held: amount,
  }),
  z.object({ reason: z.literal('concurrency'), limit: z.int() }),
  z.object({ reason: z.literal('unknown_scope') }),
  z.object({ reason: z.literal('idempotency'), requestId: z.string(), sameBody: z.boolean() }),
]);
const refusals = z.array(z.object({ n: z.int().min(1), refusal }));

const GRANTED: HoldDecision = { granted: true };

/** The decision about each hold of a batch of `size`, in its order. Throws when the answer does not account for each. */
export function takeDecisions(size: number, row: TakeRow): readonly HoldDecision[] {
  const refused = new Map<number, HoldRefusal>();
  for (const each of refusals.parse(row.refusals)) refused.set(each.n, each.refusal);
  if (Number(row.granted) + refused.size !== size) throw new Error('take_holds did not decide about each hold');
  return Array.from({ length: size }, (_, index) => {
    const refusedFor = refused.get(index + 1);
    return refusedFor ? { granted: false, refusal: refusedFor } : GRANTED;
  });
}
