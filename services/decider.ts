import { decode, encode, type DomainEvent } from '../events/codec.ts';
import type { EventStore } from '../events/eventStore.ts';

export type Decision<E, R> =
  { readonly ok: true; readonly events: readonly E[] } | { readonly ok: false; readonly refusal: R };

/** The pure heart of an aggregate: no clock, no randomness, no I/O. A wish that already holds yields no events. */
export interface Decider<C, S, E extends DomainEvent, R> {
  initialState(): S;
  evolve(state: S, event: E): S;
  decide(command: C, state: S): Decision<E, R>;
  /** Narrows what stands in the stream; another type there is a bug and is refused. */
  owns(event: DomainEvent): event is E;
}

export type Handled<S, E, R> =
  | { readonly ok: true; readonly state: S; readonly events: readonly E[]; readonly position: bigint | null }
  | { readonly ok: false; readonly refusal: R };

/** Conflicts mean that somebody else decided meanwhile; five in a row on one stream mean that something is wrong. */
const MAX_ATTEMPTS = 5;
const PAGE = 500;

/**
 * The one shell around every decider: read the stream, fold, decide, append at the revision read, again on conflict.
 * `position` is where the last new event stands, null when there was none. Throws StoreUnavailable, or Error on a
 * foreign event, on a reused id, or when every attempt conflicted.
 */
export async function handle<C, S, E extends DomainEvent, R>(
  store: EventStore,
  decider: Decider<C, S, E, R>,
  stream: string,
  command: C,
): Promise<Handled<S, E, R>> {
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
    const { state, revision } = await load(store, decider, stream);
    const decision = decider.decide(command, state);
    if (!decision.ok) return decision;
    if (decision.events.length === 0) return { ok: true, state, events: [], position: null };
    const result = await store.append({
      stream,
      expected: revision ?? 'no_stream',
      events: decision.events.map(encode),
    });
    if (result.outcome === 'id_reused') throw new Error(`event id ${result.eventId} reused in ${stream}`);
    if (result.outcome === 'conflict') continue;
    const after = decision.events.reduce((folded, event) => decider.evolve(folded, event), state);
    return { ok: true, state: after, events: decision.events, position: result.position };
  }
  throw new Error(`${stream}: ${String(MAX_ATTEMPTS)} conflicting appends in a row`);
}

/** The state of a stream and its last revision, null when there is no stream. */
export async function load<C, S, E extends DomainEvent, R>(
  store: EventStore,
  decider: Decider<C, S, E, R>,
  stream: string,
): Promise<{ state: S; revision: bigint | null }> {
  let state = decider.initialState();
  let revision: bigint | null = null;
  for (;;) {
    const page = await store.readStream(stream, {
      direction: 'forwards',
      from: revision === null ? 0n : revision + 1n,
      limit: PAGE,
    });
    for (const recorded of page) {
      const event = decode(recorded);
      if (!event || !decider.owns(event)) throw new Error(`${stream} holds a foreign event ${recorded.type}`);
      state = decider.evolve(state, event);
      revision = recorded.revision;
    }
    if (page.length < PAGE) return { state, revision };
  }
}
