/** A place in the log, by byte offsets. For everything written by this protocol both are the same. */
export interface LogPosition {
  readonly commit: bigint;
  readonly prepare: bigint;
}

export interface ProposedEvent {
  readonly id: string;
  readonly type: string;
  readonly contentType: string;
  readonly data: Uint8Array;
  readonly metadata: Uint8Array;
}

export interface StoredEvent extends ProposedEvent {
  readonly stream: string;
  readonly revision: bigint;
  readonly position: bigint;
  /** Where the next record begins. */
  readonly end: bigint;
  readonly created: Date;
}

export type ExpectedState = bigint | 'no_stream' | 'stream_exists' | 'any';

export type WriteResult =
  /** `position` of an idempotent write may be missing: not every server looks it up. */
  | { readonly outcome: 'written' | 'idempotent'; readonly revision: bigint; readonly position: bigint | null }
  | { readonly outcome: 'wrong_expected_version'; readonly current: bigint | null }
  | { readonly outcome: 'deleted' };

export const START: LogPosition = { commit: -1n, prepare: -1n };

export function isBefore(a: LogPosition, b: LogPosition): boolean {
  return a.commit === b.commit ? a.prepare < b.prepare : a.commit < b.commit;
}

export const placeOf = ({ position }: StoredEvent): LogPosition => ({ commit: position, prepare: position });

/** What a record takes beside its texts and bytes, about. */
const RECORD_BYTES = 77;

/**
 * The log of the fake server: it lives in memory and outlives restarts. Positions are byte offsets, so they have gaps,
 * and like on a real server the first events are the system's own.
 */
export class StoredLog {
  readonly events: StoredEvent[] = [];
  readonly #streams = new Map<string, StoredEvent[]>();
  readonly #tombstoned = new Set<string>();
  readonly #recentIds = new Map<string, StoredEvent>();
  readonly #listeners = new Set<() => void>();
  #end = 0n;
  /** Whether the answer to an idempotent write says where it stands. */
  tellsIdempotentPosition = true;

  constructor() {
    this.writeSystemEvent('$epoch-information');
    this.writeSystemEvent('$settings');
  }

  get end(): bigint {
    return this.#end;
  }

  stream(name: string): readonly StoredEvent[] {
    return this.#streams.get(name) ?? [];
  }

  isTombstoned(name: string): boolean {
    return this.#tombstoned.has(name);
  }

  tombstone(name: string): void {
    this.#tombstoned.add(name);
  }

  /** Something that the server writes by itself. */
  writeSystemEvent(stream: string): void {
    this.#write(stream, [systemEvent()]);
  }

  /** As the server checks and commits a write. */
  write(stream: string, expected: ExpectedState, events: readonly ProposedEvent[]): WriteResult {
    if (this.#tombstoned.has(stream)) return { outcome: 'deleted' };
    const present = this.stream(stream);
    const current = BigInt(present.length) - 1n;
    if (expected === 'stream_exists' && current < 0n) return wrong(current);
    if (expected === 'any' || expected === 'stream_exists') return this.#writeAnywhere(stream, events, current);
    const claimed = expected === 'no_stream' ? -1n : expected;
    if (claimed > current) return wrong(current);
    if (claimed === current) return this.#written(stream, events);
    const standing = events.filter((event, i) => present[Number(claimed) + 1 + i]?.id === event.id);
    // Some but not all is a broken repetition, which the server answers like any other wrong claim.
    if (standing.length < events.length) return wrong(current);
    return this.#idempotent(present[Number(claimed) + events.length]);
  }

  /** Index of the first event that is not before a place. */
  indexFrom(from: LogPosition): number {
    let low = 0;
    let high = this.events.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const event = this.events[middle];
      if (event && isBefore(placeOf(event), from)) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Whether a record begins at an offset, or would begin there next. */
  isRecordBoundary(offset: bigint): boolean {
    if (offset >= this.#end || offset <= 0n) return true;
    return this.events[this.indexFrom({ commit: offset, prepare: offset })]?.position === offset;
  }

  /** Calls back after every write, until the result is called. */
  onWrite(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Without a claim about the revision, only ids written lately are recognised; a real server forgets them one day. */
  #writeAnywhere(stream: string, events: readonly ProposedEvent[], current: bigint): WriteResult {
    const known = events
      .map(({ id }) => this.#recentIds.get(id))
      .map((event) => (event?.stream === stream ? event : null));
    if (!known[0]) return this.#written(stream, events);
    return known.includes(null) ? wrong(current) : this.#idempotent(known.at(-1) ?? undefined);
  }

  #idempotent(last: StoredEvent | undefined): WriteResult {
    if (!last) throw new Error('an idempotent write has a last event');
    const position = this.tellsIdempotentPosition ? last.position : null;
    return { outcome: 'idempotent', revision: last.revision, position };
  }

  #written(stream: string, events: readonly ProposedEvent[]): WriteResult {
    const last = this.#write(stream, events).at(-1);
    if (!last) throw new Error('a write has a last event');
    return { outcome: 'written', revision: last.revision, position: last.position };
  }

  #write(stream: string, events: readonly ProposedEvent[]): readonly StoredEvent[] {
    const present = this.#streams.get(stream) ?? [];
    this.#streams.set(stream, present);
    for (const event of events) {
      const position = this.#end;
      const { length: dataLength } = event.data;
      this.#end += BigInt(RECORD_BYTES + stream.length + event.type.length + dataLength + event.metadata.length);
      const stored = {
        ...event,
        ...{ stream, position, revision: BigInt(present.length), end: this.#end, created: new Date() },
      };
      present.push(stored);
      this.events.push(stored);
      this.#recentIds.set(event.id, stored);
    }
    for (const listener of [...this.#listeners]) listener();
    return present.slice(-events.length);
  }
}

function wrong(current: bigint): WriteResult {
  return { outcome: 'wrong_expected_version', current: current < 0n ? null : current };
}

function systemEvent(): ProposedEvent {
  const none = new Uint8Array();
  return { id: crypto.randomUUID(), type: '$system', contentType: 'application/json', data: none, metadata: none };
}
