import { z } from 'zod';
import { currency } from '../../events/envelope.ts';
import type { HoldDecision, HoldRefusal, HoldRequest } from '../../services/relay/ports.ts';

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

/** Between the values of a column; see `assertHold`. */
const SEPARATOR = '\u001f';
const NO_IDEMPOTENCY = '-';

/** `take_holds` of the second migration, prepared once per connection. */
const STATEMENT = {
  name: 'take_holds',
  text: `SELECT granted, refusals
         FROM take_holds($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)`,
};

const COLUMNS: readonly ((hold: HoldRequest) => string)[] = [
  (hold) => hold.requestId,
  (hold) => hold.keyId,
  (hold) => hold.accountId,
  (hold) => hold.period,
  (hold) => hold.currency,
  (hold) => String(hold.tokens),
  (hold) => String(hold.picos),
  (hold) => String(hold.deadline),
  (hold) => hold.accepted.eventId,
  (hold) => String(hold.accepted.version),
  (hold) => hold.accepted.data,
  (hold) => hold.idempotency?.keyHash ?? NO_IDEMPOTENCY,
  (hold) => hold.idempotency?.bodyHash ?? NO_IDEMPOTENCY,
];

/** The whole batch as 18 parameters: a fixed number, whatever the size of the batch. */
export function takeStatement({ owner, session, freed, forgotten, holds }: HoldBatch) {
  return {
    ...STATEMENT,
    values: [
      owner,
      session,
      [...freed.keys()],
      [...freed.values()],
      [...forgotten],
      ...COLUMNS.map((column) => holds.map(column).join(SEPARATOR)),
    ],
  };
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
/** A quadrillion major units: far beyond any price, and no sum of a batch passes the 38 digits of the column. */
const MAX_PICOS = 10n ** 27n;
const MAX_VERSION = 32_767;

/**
 * Refuses what would spoil the batch for others. Throws TypeError: such a hold is a bug of the caller.
 */
export function assertHold(hold: HoldRequest): void {
  if (!UUID.test(hold.requestId) || !UUID.test(hold.accepted.eventId)) throw new TypeError('an id is not a uuid');
  if (!Number.isSafeInteger(hold.tokens) || hold.tokens < 0) throw new TypeError('held tokens are not a whole number');
  if (hold.picos < 0n || hold.picos > MAX_PICOS) throw new TypeError('held picos are out of range');
  if (!Number.isSafeInteger(hold.deadline)) throw new TypeError('the deadline is not in epoch milliseconds');
  const { version } = hold.accepted;
  if (!Number.isInteger(version) || version < 1 || version > MAX_VERSION) throw new TypeError('the version is wrong');
  const idempotency = hold.idempotency ?? { keyHash: NO_IDEMPOTENCY, bodyHash: NO_IDEMPOTENCY };
  for (const text of [hold.keyId, hold.accountId, hold.period, hold.accepted.data, ...Object.values(idempotency)]) {
    assertText(text);
  }
}

function assertText(text: string): void {
  if (text === '' || text.includes(SEPARATOR) || text.includes('\0') || !text.isWellFormed()) {
    throw new TypeError('a text of the hold is empty or holds a character that cannot be stored');
  }
}

export interface TakeRow {
  readonly granted: string;
  readonly refusals: unknown;
}

const amount = z.string().transform(BigInt);
const place = z.int().min(1);
const refusals = z
  .array(
    z.discriminatedUnion('reason', [
      z.object({
        n: place,
        reason: z.literal('quota'),
        scope: z.enum(['key', 'account']),
        meter: z.union([z.literal('tokens'), currency]),
        limit: amount,
        used: amount,
        held: amount,
      }),
      z.object({ n: place, reason: z.literal('concurrency'), limit: z.int() }),
      z.object({ n: place, reason: z.literal('unknown_scope') }),
      z.object({ n: place, reason: z.literal('idempotency'), requestId: z.string(), sameBody: z.boolean() }),
    ]),
  )
  .nullable();

const GRANTED: HoldDecision = { granted: true };

/** The decision about each hold of a batch of `size`, in its order. Throws when the answer does not account for each. */
export function takeDecisions(size: number, row: TakeRow): readonly HoldDecision[] {
  const refused = new Map<number, HoldRefusal>();
  for (const { n, ...refusal } of refusals.parse(row.refusals) ?? []) refused.set(n, refusal);
  if (Number(row.granted) + refused.size !== size) throw new Error('take_holds did not decide about each hold');
  return Array.from({ length: size }, (_, index) => {
    const refusal = refused.get(index + 1);
    return refusal ? { granted: false, refusal } : GRANTED;
  });
}
