import type { EventStore } from '../events/eventStore.ts';
import { readPages, type EventPage } from './pages.ts';
import type { Partitioning } from './partitioning.ts';
import type { ProjectedEvent, Projection } from './projection.ts';
import { greatest, least, type Checkpoints } from './schema.ts';

/** Of one partition, everything after `after`, up to and including `position`. */
export interface PartitionRange {
  readonly partition: number;
  readonly after: bigint;
  readonly position: bigint;
}

/** What one transaction applies: all events of some ranges, at most one of each partition, in the order of the log. */
export interface Portion {
  readonly ranges: readonly PartitionRange[];
  readonly events: readonly ProjectedEvent[];
}

/** What of a page is new to tables that stand at `from`, and is not past `upTo`. */
export function portionOf(
  page: EventPage,
  { partitions, partitionOf }: Partitioning,
  from: Checkpoints,
  upTo: Checkpoints = from.map(() => page.position),
): Portion {
  const ranges = from.map((begin, partition) => {
    const end = upTo[partition] ?? 0n;
    return {
      partition,
      after: begin > page.after ? begin : page.after,
      position: end < page.position ? end : page.position,
    };
  });
  const whole = ranges.every(({ after, position }) => after === page.after && position === page.position);
  const isIn = ({ accountId, recorded: { position } }: ProjectedEvent) => {
    const range = ranges[partitionOf(accountId, partitions)];
    return range !== undefined && range.after < position && position <= range.position;
  };
  return {
    ranges: ranges.filter(({ after, position }) => after < position),
    events: whole ? page.events : page.events.filter(isIn),
  };
}

export interface PortionRange {
  readonly projection: Projection;
  readonly partitioning: Partitioning;
  readonly from: Checkpoints;
  /** None may be past the store's head. */
  readonly upTo: Checkpoints;
  readonly limit: number;
}

/** What lies between two checkpoints of a projection, from the store, in order. Throws StoreUnavailable. */
export async function* readPortions(store: EventStore, range: PortionRange): AsyncGenerator<Portion, void, undefined> {
  const { projection, partitioning, from, upTo, limit } = range;
  for await (const page of readPages(store, { after: least(from), upTo: greatest(upTo), limit, projection })) {
    const portion = portionOf(page, partitioning, from, upTo);
    if (portion.ranges.length > 0) yield portion;
  }
}

/** Several portions, each of other partitions, as one. */
export function merged(portions: readonly Portion[]): Portion {
  const [only, ...others] = portions;
  if (only && others.length === 0) return only;
  return {
    ranges: portions.flatMap(({ ranges }) => ranges),
    events: portions
      .flatMap(({ events }) => events)
      .sort((a, b) => (a.recorded.position < b.recorded.position ? -1 : 1)),
  };
}

/** The first half ends at its last event, and the second begins right after it. */
export function halves({ ranges, events }: Portion): [Portion, Portion] {
  const middle = events.length >> 1;
  const last = events[middle - 1];
  if (!last) throw new Error('a portion of one event has no halves');
  const between = last.recorded.position;
  return [
    {
      ranges: ranges
        .filter(({ after }) => after < between)
        .map((range) => ({ ...range, position: range.position < between ? range.position : between })),
      events: events.slice(0, middle),
    },
    {
      ranges: ranges
        .filter(({ position }) => position > between)
        .map((range) => ({ ...range, after: range.after > between ? range.after : between })),
      events: events.slice(middle),
    },
  ];
}
