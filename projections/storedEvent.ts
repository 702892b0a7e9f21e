import { decode, MalformedEvent, type DomainEvent } from '../events/codec.ts';
import { accountIdIn } from '../events/envelopeIn.ts';
import type { RecordedEvent } from '../events/eventStore.ts';
import type { ProjectedEvent } from './projection.ts';

/** An event on its way to the projections, which share it, so that it is decoded once. */
export class StoredEvent implements ProjectedEvent {
  readonly recorded: RecordedEvent;
  #event: DomainEvent | null | undefined;
  #malformed: MalformedEvent | null = null;
  #accountId: string | null = null;

  constructor(recorded: RecordedEvent) {
    this.recorded = recorded;
  }

  /** Decodes before anybody asks, in time that would else be spent waiting. What is malformed throws when it is looked at. */
  prepare(): void {
    if (this.#event !== undefined) return;
    try {
      this.#event = decode(this.recorded);
    } catch (error) {
      if (!(error instanceof MalformedEvent)) throw error;
      this.#event = null;
      this.#malformed = error;
    }
  }

  get event(): DomainEvent | null {
    this.prepare();
    if (this.#malformed) throw this.#malformed;
    return this.#event ?? null;
  }

  get accountId(): string {
    this.#accountId ??= this.#event?.accountId ?? accountIdIn(this.recorded.data);
    return this.#accountId;
  }
}
