import type { EncodedEvent } from '../../events/codec.ts';
import type { EventStore, Page, RecordedEvent } from '../../events/eventStore.ts';
import { deriveId } from '../../events/ids.ts';

/** The id of the event with a label. */
export const id = (label: string) => deriveId('contract', label);

/** An event whose id and body follow from a label. */
export function event(label: string, changed: Partial<EncodedEvent> = {}): EncodedEvent {
  return { eventId: id(label), type: 'RequestAccepted', version: 1, data: JSON.stringify({ label }), ...changed };
}

/** Appends labelled events one by one after the last revision of the stream; `after` says which, for one that exists. */
export async function given(
  store: EventStore,
  stream: string,
  labels: readonly string[],
  after?: bigint,
): Promise<void> {
  let expected = after ?? ('no_stream' as const);
  for (const label of labels) {
    const result = await store.append({ stream, expected, events: [event(label)] });
    if (result.outcome !== 'appended' && result.outcome !== 'repeated')
      throw new Error(`not appended: ${result.outcome}`);
    expected = result.revision;
  }
}

/** Every event of the store, in order. */
export async function wholeLog(store: EventStore): Promise<readonly RecordedEvent[]> {
  return (await store.readAll({ after: 0n, limit: 10_000 })).events;
}

/** A subscription that keeps every page. */
export interface Following {
  readonly pages: readonly Page[];
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

/** Follows the store until it is stopped or the store is closed. */
export function follow(
  store: EventStore,
  options: { after: bigint; limit: number; categories?: readonly string[] },
): Following {
  const pages: Page[] = [];
  const abort = new AbortController();
  const ended = (async () => {
    for await (const page of store.subscribe({ ...options, signal: abort.signal })) pages.push(page);
  })();
  return {
    pages,
    ended,
    async stop() {
      abort.abort();
      await ended;
    },
  };
}

/** The positions of all events that a subscription was given, in the order it got them. */
export function positions(following: Following): bigint[] {
  return following.pages.flatMap((page) => page.events.map((e) => e.position));
}
