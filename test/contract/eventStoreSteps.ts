import { expect, vi } from 'vitest';
import type { EncodedEvent } from '../../events/codec.ts';
import type { EventStore, Page, RecordedEvent } from '../../events/eventStore.ts';
import { deriveId } from '../../events/ids.ts';

/** The id of the event with a label. */
export const id = (label: string) => deriveId('contract', label);

/** An event whose id and body follow from a label. */
export function event(label: string, changed: Partial<EncodedEvent> = {}): EncodedEvent {
  return { eventId: id(label), type: 'RequestAccepted', version: 1, data: JSON.stringify({ label }), ...changed };
}

/** Waits until something holds; long enough for a connection to come back. */
export function eventually<T>(check: () => T | Promise<T>): Promise<T> {
  return vi.waitFor(check, { timeout: 10_000, interval: 10 });
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

/** Somewhere far behind the end of any log. */
export const FAR = 1_000_000_000n;

/**
 * The log as one test sees it: what was appended since the test began, to streams whose names no other test uses. So a
 * log that others used before does not disturb it.
 */
export class LogUnderTest {
  readonly store: EventStore;
  /** Where the log stood when the test began; 0 for an empty one. */
  readonly start: bigint;
  readonly #tag: string;

  static async of(store: EventStore, tag = ''): Promise<LogUnderTest> {
    return new LogUnderTest(store, tag, await store.head());
  }

  private constructor(store: EventStore, tag: string, start: bigint) {
    this.store = store;
    this.#tag = tag;
    this.start = start;
  }

  /** The test's own stream, or category, of this name. */
  name(name: string): string {
    return `${this.#tag}${name}`;
  }

  /** Appends labelled events one by one to the test's stream of this name. */
  given(stream: string, labels: readonly string[], after?: bigint): Promise<void> {
    return given(this.store, this.name(stream), labels, after);
  }

  /** Every event of the test, in order. Its positions rise strictly, from behind where the test began. */
  async whole(): Promise<readonly RecordedEvent[]> {
    const { events } = await this.store.readAll({ after: this.start, limit: 10_000 });
    const positions = [this.start, ...events.map((e) => e.position)];
    expect(positions.slice(1).every((position, i) => position > (positions[i] ?? position))).toBe(true);
    return events;
  }

  /** The position of the n-th event of the test, from 1; where the test began for 0. */
  async place(n: number): Promise<bigint> {
    const [place] = await this.places([n]);
    return place;
  }

  async places<const N extends readonly number[]>(ns: N): Promise<{ [K in keyof N]: bigint }> {
    const events = await this.whole();
    return ns.map((n) => {
      const position = n === 0 ? this.start : events[n - 1]?.position;
      if (position === undefined) throw new Error(`there is no event ${String(n)}`);
      return position;
    }) as { [K in keyof N]: bigint };
  }

  /** Follows the store from the n-th event on until it is stopped or the store is closed. */
  async follow(options: { afterEvent: number; limit: number; categories?: readonly string[] }): Promise<Following> {
    return follow(this.store, { ...options, after: await this.place(options.afterEvent) });
  }
}

/** A subscription that keeps every page. */
export interface Following {
  readonly pages: readonly Page[];
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

function follow(
  store: EventStore,
  { after, limit, categories }: { after: bigint; limit: number; categories?: readonly string[] },
): Following {
  const pages: Page[] = [];
  const abort = new AbortController();
  const options = { after, limit, ...(categories && { categories }), signal: abort.signal };
  const ended = (async () => {
    for await (const page of store.subscribe(options)) pages.push(page);
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

/** The labels of all events that a subscription was given, in the order it got them. */
export function labels(following: Following): string[] {
  return following.pages.flatMap((page) => page.events.map(labelOf));
}

/** The label that the body of an event states. */
export function labelOf({ data }: EncodedEvent): string {
  return (JSON.parse(data) as { label: string }).label;
}
