import type { DomainEvent } from '../events/codec.ts';
import type { RecordedEvent } from '../events/eventStore.ts';
import type { ProjectedEvent } from './projection.ts';

export interface Placed<E extends DomainEvent> {
  readonly event: E;
  readonly recorded: RecordedEvent;
}

/** The events of certain types, in their order. Throws MalformedEvent. */
export function ofTypes<T extends DomainEvent['type']>(
  events: readonly ProjectedEvent[],
  ...types: readonly T[]
): Placed<Extract<DomainEvent, { type: T }>>[] {
  const isOne = (event: DomainEvent): event is Extract<DomainEvent, { type: T }> =>
    (types as readonly string[]).includes(event.type);
  return events.flatMap(({ event, recorded }) => (event && isOne(event) ? [{ event, recorded }] : []));
}
