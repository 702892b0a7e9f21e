import { StoreUnavailable } from '../../events/eventStore.ts';
import { Leading, type LeadingParts, type PublisherCounts } from './leading.ts';
import { pauseFor } from '../pauseFor.ts';
import type { LeaderLock, Leadership } from './ports.ts';

export interface PublisherOptions extends LeadingParts {
  readonly lock: LeaderLock;
}

export interface PublisherStatus extends Readonly<PublisherCounts> {
  readonly leading: boolean;
  /** Everything up to here is published; null while another process leads. */
  readonly position: bigint | null;
  /** How far that is behind the event store; null while another process leads or the store does not answer. */
  readonly lag: bigint | null;
}

const RETRY_MS = 1_000;

/**
 * Publishes the event store to the distribution log, event by event in order, each at least once. Of many publishers
 * one leads; the others wait until it is gone. Needs nobody's attention: whatever fails is tried again.
 */
export class Publisher {
  readonly #options: PublisherOptions;
  readonly #stopping = new AbortController();
  readonly #counts: PublisherCounts = { events: 0, marks: 0, sends: 0, failures: 0 };
  #leading: Leading | null = null;
  #running: Promise<void> = Promise.resolve();

  constructor(options: PublisherOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Waits for the send in hand, then lets another lead. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  /** Everything up to here is published; null while another process leads. */
  get position(): bigint | null {
    return this.#leading?.position ?? null;
  }

  async status(): Promise<PublisherStatus> {
    const { position } = this;
    const head = position === null ? null : await this.#head();
    const lag = head === null || position === null ? null : head - position;
    return { ...this.#counts, leading: this.#leading !== null, position, lag };
  }

  async #run(): Promise<void> {
    const { lock, runtime } = this.#options;
    const { signal } = this.#stopping;
    for (;;) {
      const leadership = await lock.acquire(signal);
      if (!leadership) return;
      await this.#lead(leadership);
      await leadership.release();
      await pauseFor(runtime.timers, RETRY_MS, signal);
    }
  }

  /** Never rejects: whatever ended the term, there will be another. */
  async #lead({ lost }: Leadership): Promise<void> {
    const { log } = this.#options.runtime;
    this.#leading = new Leading(this.#options, this.#counts, AbortSignal.any([this.#stopping.signal, lost]));
    log.info({}, 'the publisher leads');
    try {
      const end = await this.#leading.run();
      if (!this.#stopping.signal.aborted) log.warn({ end }, 'the publisher leads no more');
    } catch (error) {
      if (error instanceof StoreUnavailable) log.warn({ err: error }, 'the publisher cannot lead just now');
      else log.error({ err: error }, 'the publisher cannot go on; somebody must look');
    }
    this.#leading = null;
  }

  async #head(): Promise<bigint | null> {
    try {
      return await this.#options.store.head();
    } catch (error) {
      if (error instanceof StoreUnavailable) return null;
      throw error;
    }
  }
}
