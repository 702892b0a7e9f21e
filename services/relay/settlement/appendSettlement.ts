import { MalformedEvent } from '../../../events/codec.ts';
import type { Append, EventStore } from '../../../events/eventStore.ts';
import { settleLate, type LateDecision } from './lateSettlement.ts';

/** Where an append to a request's stream ended: as it was, or as a correction of what somebody else had recorded first. */
export interface Settled {
  readonly as: 'itself' | 'correction';
  /** In the whole log. */
  readonly position: bigint;
}

/** The store cannot take this append, now or later: its ids stand there with other bodies, or the stream does not fit. */
export class SettlementRefused extends Error {
  override readonly name = 'SettlementRefused';
}

/** Each conflict means that the stream has grown; a request's stream grows by very few events. */
const MAX_CONFLICTS = 5;
const LONGEST_STREAM = 100;

/**
 * Appends to a request's stream and, when somebody else was first, appends what is left to say. May be repeated as it
 * was: the ids decide. Throws StoreUnavailable, or SettlementRefused.
 */
export async function appendSettlement(store: EventStore, original: Append): Promise<Settled> {
  let append = original;
  let as: Settled['as'] = 'itself';
  for (let conflicts = 0; conflicts <= MAX_CONFLICTS; conflicts += 1) {
    const result = await store.append(append);
    if (result.outcome === 'appended' || result.outcome === 'repeated') return { as, position: result.position };
    if (result.outcome === 'id_reused') {
      throw new SettlementRefused(`${append.stream}: event id ${result.eventId} stands there with another body`);
    }
    const decision = await decideLate(store, original);
    if (decision.kind === 'stands') return { as, position: decision.position };
    if (decision.kind === 'foreign') throw new SettlementRefused(`${append.stream}: ${decision.why}`);
    append = decision.append;
    as = decision.corrects ? 'correction' : 'itself';
  }
  throw new SettlementRefused(`${original.stream}: ${String(MAX_CONFLICTS + 1)} conflicting appends in a row`);
}

async function decideLate(store: EventStore, late: Append): Promise<LateDecision> {
  const stream = await store.readStream(late.stream, { direction: 'forwards', limit: LONGEST_STREAM });
  try {
    return settleLate(late, stream);
  } catch (error) {
    if (!(error instanceof MalformedEvent)) throw error;
    throw new SettlementRefused(`${late.stream}: an event does not parse`, { cause: error });
  }
}
