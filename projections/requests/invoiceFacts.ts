import type { Mode } from '../../events/envelope.ts';
import { INPUT_METERS, type Meter } from '../../events/meters.ts';
import type { Currency, Picos } from '../../events/money.ts';
import { columnsOf } from '../columns.ts';
import type { SqlExecutor } from '../projection.ts';
import type { SignedUsage } from './facts.ts';

/** A cut through an account's usage: by service time (exclusive) and by log position (inclusive). */
interface Cut {
  readonly end: string;
  readonly cutoff: bigint;
}

/** Facts before `upTo` that are not before `after`; null: there is no earlier cut. */
export interface FactWindow {
  readonly accountId: string;
  readonly upTo: Cut;
  readonly after: Cut | null;
}

export interface UsageFact {
  readonly requestId: string;
  readonly keyId: string;
  readonly model: string;
  readonly mode: Mode;
  readonly priceVersion: string;
  readonly currency: Currency;
  readonly usage: SignedUsage;
  readonly amount: Picos;
}

export interface FactLine {
  readonly keyId: string;
  readonly model: string;
  readonly meter: Meter;
  readonly priceVersion: string;
  readonly currency: Currency;
}

/** Facts whose input tokens are more than `above` and at most `upTo`; null: without end. */
export interface InputRange {
  readonly above: number;
  readonly upTo: number | null;
}

const EVERY_LENGTH: readonly InputRange[] = [{ above: -1, upTo: null }];
const PAGE = 5_000;

/** The facts that invoices are made of. Complete up to the projection's checkpoint. May throw StoreUnavailable. */
export class InvoiceFacts {
  readonly #sql: SqlExecutor;

  constructor(sql: SqlExecutor) {
    this.#sql = sql;
  }

  /** Every fact of the window once, in pages, in ascending order of request id. */
  async *read(window: FactWindow): AsyncGenerator<readonly UsageFact[], void, undefined> {
    const range = await this.#requestRange(window);
    if (!range) return;
    let after: Place = { requestId: range.first, position: '0', part: -1 };
    for (;;) {
      const rows = await this.#page(window, after, range.last);
      if (rows.length > 0) yield rows.map(toFact);
      const last = rows.at(-1);
      if (!last || rows.length < PAGE) return;
      after = last;
    }
  }

  /**
   * Ids, sorted and without twins, of the requests with a quantity other than 0 on the line's meter in a fact of the
   * window whose input tokens, used or taken back, are in one of the ranges.
   */
  async idsOf(
    window: FactWindow,
    line: FactLine,
    ranges: readonly InputRange[] = EVERY_LENGTH,
  ): Promise<readonly string[]> {
    const { rows } = await this.#sql.query<{ requestId: string }>(
      `SELECT DISTINCT request_id AS "requestId" FROM requests.facts
       WHERE ${IN_WINDOW} AND key_id = $6 AND model = $7 AND price_version = $8 AND currency = $9
         AND (usage ->> $10)::numeric <> 0
         AND EXISTS (SELECT FROM unnest($11::bigint[], $12::bigint[]) AS range (above, up_to)
           WHERE ${INPUT_TOKENS} > above AND (up_to IS NULL OR ${INPUT_TOKENS} <= up_to))
       ORDER BY request_id`,
      [
        ...bounds(window),
        ...[line.keyId, line.model, line.priceVersion, line.currency, line.meter],
        ...columnsOf(ranges, 'above', 'upTo'),
      ],
    );
    return rows.map(({ requestId }) => requestId);
  }

  /** Request ids grow with time, so the window lies in a short stretch of the primary key, which `#page` walks. */
  async #requestRange(window: FactWindow): Promise<{ first: string; last: string } | null> {
    const { rows } = await this.#sql.query<{ first: string | null; last: string | null }>(
      `SELECT min(request_id::text COLLATE "C") AS first, max(request_id::text COLLATE "C") AS last
       FROM requests.facts WHERE ${IN_WINDOW}`,
      bounds(window),
    );
    const { first = null, last = null } = rows[0] ?? {};
    return first === null || last === null ? null : { first, last };
  }

  /** In the order of the primary key. */
  async #page(window: FactWindow, after: Place, last: string): Promise<readonly FactColumns[]> {
    const { rows } = await this.#sql.query<FactColumns>(
      `SELECT request_id AS "requestId", position, part, key_id AS "keyId", model, mode, price_version AS "priceVersion",
         currency, usage, amount
       FROM requests.facts
       WHERE ${IN_WINDOW} AND request_id BETWEEN $6 AND $9
         AND (request_id, position, part) > ($6::uuid, $7::bigint, $8::smallint)
       ORDER BY request_id, position, part LIMIT ${String(PAGE)}`,
      [...bounds(window), after.requestId, after.position, after.part, last],
    );
    return rows;
  }
}

/** Before one cut and not before the other. The alternatives are served by `facts_by_service_time` and `facts_by_position`. */
const IN_WINDOW = `account_id = $1 AND occurred_at < $2::timestamptz AND position <= $3::bigint
  AND (occurred_at >= $4::timestamptz OR position > $5::bigint)`;

const INPUT_TOKENS = `abs(${INPUT_METERS.map((meter) => `coalesce((usage ->> '${meter}')::numeric, 0)`).join(' + ')})`;

function bounds({ accountId, upTo, after }: FactWindow): unknown[] {
  return [accountId, upTo.end, upTo.cutoff, after?.end ?? '-infinity', after?.cutoff ?? -1n];
}

interface Place {
  readonly requestId: string;
  readonly position: string;
  readonly part: number;
}

type FactColumns = Place & Omit<UsageFact, 'amount'> & { readonly amount: string };

function toFact({ requestId, keyId, model, mode, priceVersion, currency, usage, amount }: FactColumns): UsageFact {
  return { requestId, keyId, model, mode, priceVersion, currency, usage, amount: BigInt(amount) };
}
