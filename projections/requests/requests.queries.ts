import type { Mode } from '../../events/envelope.ts';
import type { UsageSource, UsageVector } from '../../events/meters.ts';
import type { Currency, Picos } from '../../events/money.ts';
import type { SqlExecutor } from '../projection.ts';

export interface LoggedCall {
  readonly requestId: string;
  readonly status: 'accepted' | 'completed' | 'failed' | 'aborted';
  /** Null until it is settled. */
  readonly usage: UsageVector | null;
  readonly picos: Picos;
  readonly currency: Currency;
  readonly model: string;
  readonly acceptedAt: string;
  readonly keyId: string;
  readonly mode: Mode;
  readonly route: string;
  readonly streamed: boolean;
  readonly channel: string | null;
  readonly source: UsageSource | null;
  readonly tokens: number;
  readonly priceVersion: string;
  readonly code: string | null;
  readonly httpStatus: number | null;
  readonly finishReason: string | null;
  readonly endedAt: string | null;
  readonly latencyMs: number | null;
  readonly firstByteMs: number | null;
  /** Where the log goes on after this call. */
  readonly position: bigint;
}

/** Reads of the request log. May throw StoreUnavailable. */
export class RequestQueries {
  readonly #sql: SqlExecutor;

  constructor(sql: SqlExecutor) {
    this.#sql = sql;
  }

  /** Calls of an account, newest first, after the position of the last one seen (null: from the newest). Index `log_of_account`. */
  async listRequests(accountId: string, before: bigint | null, limit: number): Promise<readonly LoggedCall[]> {
    const { rows } = await this.#sql.query<CallColumns>(
      `SELECT ${CALL_COLUMNS} FROM requests.log
       WHERE account_id = $1 AND position < coalesce($2::bigint, 9223372036854775807) ORDER BY position DESC LIMIT $3`,
      [accountId, before, limit],
    );
    return rows.map(toCall);
  }
}

const CALL_COLUMNS = `request_id AS "requestId", key_id AS "keyId", mode, model, route, streamed, channel, status, source,
  usage, tokens, amount, currency, price_version AS "priceVersion", code, http_status AS "httpStatus",
  finish_reason AS "finishReason", accepted_at AS "acceptedAt", ended_at AS "endedAt", latency_ms AS "latencyMs",
  first_byte_ms AS "firstByteMs", position`;

type Converted = 'picos' | 'tokens' | 'acceptedAt' | 'endedAt' | 'latencyMs' | 'firstByteMs' | 'position';
type CallColumns = Omit<LoggedCall, Converted> & {
  readonly amount: string;
  readonly tokens: string;
  readonly acceptedAt: Date;
  readonly endedAt: Date | null;
  readonly latencyMs: string | null;
  readonly firstByteMs: string | null;
  readonly position: string;
};

function toCall({ amount, ...row }: CallColumns): LoggedCall {
  return {
    ...row,
    picos: BigInt(amount),
    tokens: Number(row.tokens),
    acceptedAt: row.acceptedAt.toISOString(),
    endedAt: row.endedAt?.toISOString() ?? null,
    latencyMs: row.latencyMs === null ? null : Number(row.latencyMs),
    firstByteMs: row.firstByteMs === null ? null : Number(row.firstByteMs),
    position: BigInt(row.position),
  };
}
