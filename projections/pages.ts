import type { EventStore } from '../events/eventStore.ts';
import type { ProjectedEvent, Projection } from './projection.ts';
import { StoredEvent } from './storedEvent.ts';

/** Consecutive events: everything after `after`, up to and including `position`, that the reader asked for. */
export interface EventPage {
  readonly after: bigint;
  readonly position: bigint;
  readonly events: readonly ProjectedEvent[];
}

/** The part of a page between two positions. */
export function cut(page: EventPage, after: bigint, upTo: bigint): EventPage {
  if (after <= page.after && upTo >= page.position) return page;
  return {
    after: after > page.after ? after : page.after,
    position: upTo < page.position ? upTo : page.position,
    events: page.events.filter(({ recorded }) => recorded.position > after && recorded.position <= upTo),
  };
}

export interface PageRange {
  readonly after: bigint;
  /** The last page ends exactly here. Must not be past the store's head. */
  readonly upTo: bigint;
  readonly limit: number;
  readonly projection: Projection;
}

/**
 * Stored events of a range that a projection reads, in order, one page read and decoded ahead. Throws StoreUnavailable.
 */
export async function* readPages(store: EventStore, range: PageRange): AsyncGenerator<EventPage, void, undefined> {
  let next = range.after < range.upTo ? readPage(store, range, range.after) : null;
  while (next) {
    const page = await next;
    next = page.position < range.upTo ? readPage(store, range, page.position) : null;
    // A reader that stops early leaves this page behind; if it failed, nobody is harmed.
    next?.catch(() => undefined);
    yield page;
  }
}

async function readPage(store: EventStore, range: PageRange, after: bigint): Promise<EventPage> {
  const { upTo, limit, projection } = range;
  const { categories, types } = projection;
  const { events: recorded, position } = await store.readAll({ after, limit, ...(categories && { categories }) });
  const events = recorded.map((event) => new StoredEvent(event));
  for (const event of events) if (types?.has(event.recorded.type)) event.prepare();
  return cut({ after, position, events }, after, upTo);
}
