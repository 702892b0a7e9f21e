import type { Page, RecordedEvent } from '../../events/eventStore.ts';

export interface EventRow {
  readonly position: string;
  readonly stream: string;
  readonly revision: string;
  readonly event_id: string;
  readonly type: string;
  readonly version: number;
  readonly data: string;
}

const COLUMNS = 'e.position, e.stream, e.revision, e.event_id, e.type, e.version, e.data';

/** Statements that read the record; each is prepared under its name. */
export const READ = {
  head: { name: 'head', text: 'SELECT position FROM event_head' },
  // Index (stream, revision), in either direction.
  forwards: {
    name: 'stream_forwards',
    text: `SELECT ${COLUMNS} FROM events e WHERE e.stream = $1 AND e.revision >= $2 ORDER BY e.revision LIMIT $3`,
  },
  backwards: {
    name: 'stream_backwards',
    text: `SELECT ${COLUMNS} FROM events e WHERE e.stream = $1 AND e.revision <= $2 ORDER BY e.revision DESC LIMIT $3`,
  },
  // Primary key.
  all: {
    name: 'all',
    text: `SELECT ${COLUMNS} FROM events e WHERE e.position > $1 ORDER BY e.position LIMIT $2`,
  },
  categories: { name: 'categories', text: filtered('') },
  // Index events_beside_requests: its predicate must stand in the statement.
  rareCategories: { name: 'rare_categories', text: filtered("AND split_part(e.stream, '-', 1) <> 'request'") },
};

/** One row at least. Head and events come from one snapshot, so nothing up to the head can have been overlooked. */
function filtered(condition: string): string {
  return `SELECT h.position AS head, e.*
    FROM event_head h LEFT JOIN LATERAL (
      SELECT ${COLUMNS} FROM events e
      WHERE e.position > $1 ${condition} AND split_part(e.stream, '-', 1) = ANY ($3::text[])
      ORDER BY e.position LIMIT $2
    ) e ON true
    ORDER BY e.position`;
}

export function toRecorded(row: EventRow): RecordedEvent {
  return {
    position: BigInt(row.position),
    stream: row.stream,
    revision: BigInt(row.revision),
    eventId: row.event_id,
    type: row.type,
    version: row.version,
    data: row.data,
  };
}

/** A page of events; one that is not full has considered everything up to `head`. */
export function toPage(events: readonly RecordedEvent[], limit: number, after: bigint, head: bigint): Page {
  const last = events.at(-1);
  if (last && events.length >= limit) return { events, position: last.position };
  return { events, position: head > after ? head : after };
}
