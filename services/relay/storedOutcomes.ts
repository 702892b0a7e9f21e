import { decode, type DomainEvent } from '../../events/codec.ts';
import type { EventStore } from '../../events/eventStore.ts';
import { requestStream } from '../../events/ids.ts';
import type { Outcome, OutcomeReader } from './ports.ts';

/** Acceptance, usage, ending, and the few corrections that a call may get. */
const MOST_EVENTS = 16;

/**
 * How calls stand in the record itself. A read model may lag behind an answer that its client has; a call's own stream
 * never does, for its settlement is durable before the answer goes out.
 */
export class StoredOutcomes implements OutcomeReader {
  readonly #store: Pick<EventStore, 'readStream'>;

  constructor(store: Pick<EventStore, 'readStream'>) {
    this.#store = store;
  }

  /** Null when the account has no such call, or its acceptance is not durable yet. May throw StoreUnavailable. */
  async find(accountId: string, requestId: string): Promise<Outcome | null> {
    const stored = await this.#store.readStream(requestStream(requestId), {
      direction: 'forwards',
      limit: MOST_EVENTS,
    });
    const events = stored.map(decode).filter((event) => event !== null);
    const accepted = events.find((event) => event.type === 'RequestAccepted');
    if (accepted?.accountId !== accountId) return null;
    const rated = events.reduce<Rated | null>((before, event) => ratedBy(event) ?? before, null);
    return {
      status: events.map(statusAfter).findLast((status) => status !== null) ?? 'accepted',
      usage: rated?.usage ?? null,
      picos: BigInt(rated?.amountPicos ?? 0),
      currency: accepted.currency,
      model: accepted.model,
      acceptedAt: accepted.occurredAt,
    };
  }
}

type Rated = Pick<Extract<DomainEvent, { type: 'UsageRecorded' }>, 'usage' | 'amountPicos'>;

function ratedBy(event: DomainEvent): Rated | null {
  if (event.type === 'UsageRecorded') return event;
  return event.type === 'UsageCorrected' ? event.corrected : null;
}

function statusAfter({ type }: DomainEvent): Outcome['status'] | null {
  if (type === 'RequestCompleted') return 'completed';
  if (type === 'RequestFailed') return 'failed';
  return type === 'RequestAborted' ? 'aborted' : null;
}
