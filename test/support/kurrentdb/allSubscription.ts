import type { EventFilter } from './eventFilter.ts';
import type { Faults } from './faults.ts';
import { caughtUp, checkpoint, confirmation, eventResponse } from './messages.ts';
import { written, type ReadCall } from './reads.ts';
import { isBefore, placeOf, START, type LogPosition, type StoredLog } from './storedLog.ts';

export interface SubscriptionSettings {
  readonly log: StoredLog;
  readonly faults: Faults;
  readonly call: ReadCall;
  readonly filter: EventFilter;
}

/**
 * A subscription to $all: it reads up in steps of a search window, says that it has caught up, and then follows what is
 * written. Checkpoints tell how far it looked. While reading up, one that stands where nothing was sent names the
 * beginning of the last step, as the end of the step before it: a place where a record begins, with prepare position 0.
 */
export class AllSubscription {
  readonly #settings: SubscriptionSettings;
  /** The place up to which the client was told. */
  #told: LogPosition = START;
  /** Index of the first event that was not looked at. */
  #next = 0;
  #considered = 0;
  #changed: (() => void) | null = null;
  #ended = false;

  constructor(settings: SubscriptionSettings) {
    this.#settings = settings;
  }

  /** Sends what comes after the place, until the client goes away. */
  async run(after: LogPosition): Promise<void> {
    const { call, log } = this.#settings;
    this.#told = after;
    this.#next = log.indexFrom(after);
    const first = log.events[this.#next];
    if (first && !isBefore(after, placeOf(first))) this.#next += 1;
    const end = () => {
      this.#ended = true;
      this.#changed?.();
    };
    call.on('cancelled', end).on('close', end);
    const forget = log.onWrite(() => this.#changed?.());
    try {
      await written(call, confirmation(crypto.randomUUID()));
      while (this.#settings.faults.subscriptionsAreMute && !this.#isOver()) await this.#change();
      await this.#catchUp();
      await written(call, caughtUp());
      await this.#follow();
    } finally {
      forget();
    }
  }

  async #catchUp(): Promise<void> {
    const { log, filter, call } = this.#settings;
    let stepBegin: LogPosition = this.#told;
    while (!this.#isOver() && this.#next < log.events.length) {
      const stop = Math.min(this.#next + filter.searchWindow, log.events.length);
      let endOfStep = stepBegin;
      for (; this.#next < stop && !this.#isOver(); this.#next += 1) {
        const event = log.events[this.#next];
        if (!event) break;
        endOfStep = { commit: event.end, prepare: 0n };
        this.#considered += 1;
        if (!filter.allows(event)) continue;
        await written(call, eventResponse(event));
        this.#told = placeOf(event);
      }
      if (isBefore(this.#told, stepBegin)) this.#told = stepBegin;
      stepBegin = endOfStep;
      if (this.#considered >= filter.checkpointInterval) {
        this.#considered %= filter.checkpointInterval;
        await this.#sendCheckpoint();
      }
    }
    this.#considered = 0;
    await this.#sendCheckpoint();
  }

  async #follow(): Promise<void> {
    const { log, filter, call, faults } = this.#settings;
    while (!this.#isOver()) {
      await faults.gate();
      const event = log.events[this.#next];
      if (!event) {
        await this.#change();
        continue;
      }
      this.#next += 1;
      if (filter.allows(event)) {
        await written(call, eventResponse(event));
        this.#told = placeOf(event);
        continue;
      }
      this.#considered += 1;
      if (this.#considered < filter.checkpointInterval) continue;
      this.#considered = 0;
      this.#told = placeOf(event);
      await this.#sendCheckpoint();
    }
  }

  async #sendCheckpoint(): Promise<void> {
    if (this.#told.commit < 0n) return;
    await written(this.#settings.call, checkpoint(this.#told));
  }

  #isOver(): boolean {
    return this.#ended || this.#settings.call.cancelled;
  }

  #change(): Promise<void> {
    return new Promise((resolve) => (this.#changed = resolve));
  }
}
