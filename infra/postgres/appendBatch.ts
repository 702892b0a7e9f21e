import { z } from 'zod';
import type { Append, AppendResult } from '../../events/eventStore.ts';
import { arrayText } from './arrayText.ts';

/** `append_events` of the ninth migration, prepared once per connection. */
const STATEMENT = {
  name: 'append_events',
  text: 'SELECT first_position, refused FROM append_events($1, $2, $3, $4, $5, $6, $7)',
};

/** Between texts; `assertStorable` keeps it out of them. */
const SEPARATOR = '\u001f';

export interface AppendRow {
  readonly first_position: string;
  readonly refused: unknown;
}

/** The whole batch as seven parameters: a fixed number, whatever the size of the batch. */
export function appendStatement(batch: readonly Append[]): { name: string; text: string; values: string[] } {
  const streams: string[] = [];
  const lasts: bigint[] = [];
  const revisions: bigint[] = [];
  const ids: string[] = [];
  const types: string[] = [];
  const versions: number[] = [];
  const bodies: string[] = [];
  for (const { stream, expected, events } of batch) {
    const last = expected === 'no_stream' ? -1n : expected;
    let revision = last;
    for (const event of events) {
      revision += 1n;
      streams.push(stream);
      lasts.push(last);
      revisions.push(revision);
      ids.push(event.eventId);
      types.push(event.type);
      versions.push(event.version);
      bodies.push(event.data);
    }
  }
  const values = [
    streams.join(SEPARATOR),
    arrayText(lasts),
    arrayText(revisions),
    arrayText(ids),
    types.join(SEPARATOR),
    arrayText(versions),
    bodies.join(SEPARATOR),
  ];
  return { ...STATEMENT, values };
}

const refusals = z.array(
  z.object({
    stream: z.string(),
    outcome: z.enum(['conflict', 'repeated', 'id_reused']),
    stream_revision: z.string().nullable(),
    revision: z.string().nullable(),
    position: z.string().nullable(),
    event_id: z.string().nullable(),
  }),
);
type Refusal = z.infer<typeof refusals>[number];

/** Each append's own outcome. Accepted appends stand in the order given, from `first_position` on. */
export function appendResults(batch: readonly Append[], row: AppendRow): AppendResult[] {
  const refused = new Map<string, Refusal>();
  if (row.refused !== null) for (const refusal of refusals.parse(row.refused)) refused.set(refusal.stream, refusal);
  let next = BigInt(row.first_position);
  return batch.map(({ stream, expected, events }) => {
    const refusal = refused.get(stream);
    if (refusal) return refusalResult(refusal);
    const count = BigInt(events.length);
    next += count;
    return { outcome: 'appended', revision: (expected === 'no_stream' ? -1n : expected) + count, position: next - 1n };
  });
}

function refusalResult(refusal: Refusal): AppendResult {
  switch (refusal.outcome) {
    case 'conflict':
      return {
        outcome: 'conflict',
        actual: refusal.stream_revision === null ? 'no_stream' : BigInt(refusal.stream_revision),
      };
    case 'repeated':
      return {
        outcome: 'repeated',
        revision: BigInt(present(refusal.revision)),
        position: BigInt(present(refusal.position)),
      };
    case 'id_reused':
      return { outcome: 'id_reused', eventId: present(refusal.event_id) };
  }
}

function present(value: string | null): string {
  if (value === null) throw new Error('append_events left out a field of a refusal');
  return value;
}
