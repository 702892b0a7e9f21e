import type { SqlExecutor } from '../projection.ts';

/** The newest link of an account's chain. Keep it elsewhere: with it a verifier finds out if the chain was cut or rewritten. */
export interface ChainHead {
  readonly accountId: string;
  /** How many events the account has. */
  readonly sequence: bigint;
  /** Of the newest of them in the log. */
  readonly position: bigint;
  /** 64 hexadecimal digits. */
  readonly hash: string;
}

export interface ChainEntry extends ChainHead {
  readonly eventId: string;
  readonly stream: string;
  readonly revision: bigint;
  readonly type: string;
}

const PAGE = 1_000;

/** Reads of the audit chains. May throw StoreUnavailable. */
export class AuditQueries {
  readonly #sql: SqlExecutor;

  constructor(sql: SqlExecutor) {
    this.#sql = sql;
  }

  /** Null for an account without events. */
  async head(accountId: string): Promise<ChainHead | null> {
    const { rows } = await this.#sql.query<HeadColumns>(
      `SELECT account_id AS "accountId", sequence, position, encode(hash, 'hex') AS hash
       FROM audit.heads WHERE account_id = $1`,
      [accountId],
    );
    return rows[0] ? toHead(rows[0]) : null;
  }

  /** The whole chain of an account in order, in pages. */
  async *entries(accountId: string): AsyncGenerator<readonly ChainEntry[], void, undefined> {
    let after = 0n;
    for (;;) {
      const { rows } = await this.#sql.query<EntryColumns>(
        `SELECT ${ENTRY_COLUMNS} FROM audit.entries
         WHERE account_id = $1 AND sequence > $2 ORDER BY sequence LIMIT ${String(PAGE)}`,
        [accountId, after],
      );
      const page = rows.map(toEntry);
      if (page.length > 0) yield page;
      const last = page.at(-1);
      if (!last || page.length < PAGE) return;
      after = last.sequence;
    }
  }

  /** Entries of all accounts, or of one, in a range of positions, both ends included. */
  async entriesBetween(first: bigint, last: bigint, accountId: string | null): Promise<readonly ChainEntry[]> {
    const { rows } = await this.#sql.query<EntryColumns>(
      `SELECT ${ENTRY_COLUMNS} FROM audit.entries
       WHERE position BETWEEN $1 AND $2 AND ($3::text IS NULL OR account_id = $3) ORDER BY position`,
      [first, last, accountId],
    );
    return rows.map(toEntry);
  }

  /**
   * How far the chains go, in one snapshot: the least checkpoint, up to which all have come, and the furthest; all heads
   * (or that of one account); and the position of an entry past every checkpoint, where none may be.
   */
  async extent(accountId: string | null): Promise<ChainExtent> {
    const { rows } = await this.#sql.query<{
      position: string | null;
      furthest: string | null;
      beyond: string | null;
      heads: HeadColumns[] | null;
    }>(
      `SELECT c.position, c.furthest,
         (SELECT min(e.position)::text FROM audit.entries e WHERE e.position > c.furthest OR e.position < 1) AS beyond,
         (SELECT json_agg(json_build_object('accountId', h.account_id, 'sequence', h.sequence::text,
            'position', h.position::text, 'hash', encode(h.hash, 'hex')) ORDER BY h.account_id)
          FROM audit.heads h WHERE $1::text IS NULL OR h.account_id = $1) AS heads
       FROM (SELECT min(position) AS position, max(position) AS furthest FROM audit.checkpoint) AS c`,
      [accountId],
    );
    const [row] = rows;
    if (!row || row.position === null || row.furthest === null) throw new Error('audit.checkpoint has no row');
    return {
      position: BigInt(row.position),
      furthest: BigInt(row.furthest),
      beyond: row.beyond === null ? null : BigInt(row.beyond),
      heads: (row.heads ?? []).map(toHead),
    };
  }
}

export interface ChainExtent {
  readonly position: bigint;
  readonly furthest: bigint;
  readonly beyond: bigint | null;
  readonly heads: readonly ChainHead[];
}

const ENTRY_COLUMNS = `account_id AS "accountId", sequence, position, event_id AS "eventId", stream, revision, type,
  encode(hash, 'hex') AS hash`;

interface HeadColumns {
  readonly accountId: string;
  readonly sequence: string;
  readonly position: string;
  readonly hash: string;
}

interface EntryColumns extends HeadColumns {
  readonly eventId: string;
  readonly stream: string;
  readonly revision: string;
  readonly type: string;
}

function toHead({ accountId, sequence, position, hash }: HeadColumns): ChainHead {
  return { accountId, sequence: BigInt(sequence), position: BigInt(position), hash };
}

function toEntry(row: EntryColumns): ChainEntry {
  const { eventId, stream, revision, type } = row;
  return { ...toHead(row), eventId, stream, revision: BigInt(revision), type };
}
