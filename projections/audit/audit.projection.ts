import { columnsOf } from '../columns.ts';
import type { ProjectedEvent, Projection, SqlExecutor } from '../projection.ts';
import { chainHash, GENESIS } from './chain.ts';

const ddl = `
-- One hash chain per account over the stored bytes of all its events; see chain.ts.
CREATE TABLE entries (
  account_id text COLLATE "C" NOT NULL,
  -- From 1, without gaps.
  sequence bigint NOT NULL,
  position bigint NOT NULL UNIQUE,
  event_id uuid NOT NULL,
  stream text COLLATE "C" NOT NULL,
  revision bigint NOT NULL,
  type text COLLATE "C" NOT NULL,
  hash bytea NOT NULL,
  PRIMARY KEY (account_id, sequence)
);
-- The newest entry of each account. Kept outside by somebody else, it proves later that nothing was cut off.
CREATE TABLE heads (
  account_id text COLLATE "C" PRIMARY KEY,
  sequence bigint NOT NULL,
  position bigint NOT NULL,
  hash bytea NOT NULL
) WITH (fillfactor = 50);
`;

/** Makes later changes of the record evident. It reads bytes and decodes nothing, so it knows no malformed event. */
export const auditProjection: Projection = {
  name: 'audit',
  version: 1,
  ddl,
  async apply(sql, events) {
    const heads = await headsOf(sql, events);
    const entries = events.map((event) => extend(heads, event));
    await insertEntries(sql, entries);
    await moveHeads(sql, [...heads.values()]);
  },
};

interface Head {
  readonly accountId: string;
  readonly sequence: bigint;
  readonly position: bigint;
  readonly hash: string;
}

interface Entry extends Head {
  readonly eventId: string;
  readonly stream: string;
  readonly revision: bigint;
  readonly type: string;
}

function extend(heads: Map<string, Head>, { accountId, recorded }: ProjectedEvent): Entry {
  const before = heads.get(accountId);
  const hash = chainHash(before ? Buffer.from(before.hash, 'hex') : GENESIS, recorded).toString('hex');
  const { position, eventId, stream, revision, type } = recorded;
  const head = { accountId, sequence: (before?.sequence ?? 0n) + 1n, position, hash };
  heads.set(accountId, head);
  return { ...head, eventId, stream, revision, type };
}

async function headsOf(sql: SqlExecutor, events: readonly ProjectedEvent[]): Promise<Map<string, Head>> {
  const { rows } = await sql.query<{ accountId: string; sequence: string; position: string; hash: Buffer }>(
    'SELECT account_id AS "accountId", sequence, position, hash FROM heads WHERE account_id = ANY ($1)',
    [[...new Set(events.map(({ accountId }) => accountId))]],
  );
  return new Map(
    rows.map(({ accountId, sequence, position, hash }) => [
      accountId,
      { accountId, sequence: BigInt(sequence), position: BigInt(position), hash: hash.toString('hex') },
    ]),
  );
}

async function insertEntries(sql: SqlExecutor, entries: readonly Entry[]): Promise<void> {
  await sql.query(
    `INSERT INTO entries (account_id, sequence, position, event_id, stream, revision, type, hash)
     SELECT e.account_id, e.sequence, e.position, e.event_id, e.stream, e.revision, e.type, decode(e.hash, 'hex')
     FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::uuid[], $5::text[], $6::bigint[], $7::text[], $8::text[])
       AS e (account_id, sequence, position, event_id, stream, revision, type, hash)`,
    columnsOf(entries, 'accountId', 'sequence', 'position', 'eventId', 'stream', 'revision', 'type', 'hash'),
  );
}

async function moveHeads(sql: SqlExecutor, heads: readonly Head[]): Promise<void> {
  await sql.query(
    `INSERT INTO heads (account_id, sequence, position, hash)
     SELECT h.account_id, h.sequence, h.position, decode(h.hash, 'hex')
     FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[]) AS h (account_id, sequence, position, hash)
     ON CONFLICT (account_id) DO UPDATE SET
       sequence = excluded.sequence, position = excluded.position, hash = excluded.hash`,
    columnsOf(heads, 'accountId', 'sequence', 'position', 'hash'),
  );
}
