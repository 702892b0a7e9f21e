import type { Append, AppendResult, ExpectedRevision, RecordedEvent } from '../../events/eventStore.ts';

/** The revision that the last event of an append has, or would have. */
export function lastRevision({ expected, events }: Append): bigint {
  return firstRevision(expected) + BigInt(events.length) - 1n;
}

export function firstRevision(expected: ExpectedRevision): bigint {
  return expected === 'no_stream' ? 0n : expected + 1n;
}

/** Whether a stream that ends there is too short to hold the append already, so that nothing needs to be compared. */
export function cannotStand(append: Append, actual: ExpectedRevision): boolean {
  return actual === 'no_stream' || actual < lastRevision(append);
}

/** What a refused append is, when these events stand where it wanted to write. */
export function refusedResult(
  append: Append,
  actual: ExpectedRevision,
  standing: readonly RecordedEvent[],
): AppendResult {
  const last = standing.at(-1);
  const sameIds =
    standing.length === append.events.length &&
    standing.every(({ eventId }, i) => eventId === append.events[i]?.eventId);
  if (!sameIds || !last) return { outcome: 'conflict', actual };
  const reused = append.events.find(({ type, version, data }, i) => {
    const there = standing[i];
    return type !== there?.type || version !== there.version || data !== there.data;
  });
  if (reused) return { outcome: 'id_reused', eventId: reused.eventId };
  return { outcome: 'repeated', revision: last.revision, position: last.position };
}
