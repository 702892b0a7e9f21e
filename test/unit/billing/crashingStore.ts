import { StoreUnavailable, type Append, type EventStore } from '../../../events/eventStore.ts';

/** The store of a process that dies at its n-th append, before or after it became durable; no call works from then on. */
export class CrashingStore implements EventStore {
  /** Whether the process lived to make that append. */
  crashed = false;
  readonly #store: EventStore;
  readonly #fault: 'before' | 'after';
  #left: number;

  constructor(store: EventStore, appendNumber: number, fault: 'before' | 'after') {
    this.#store = store;
    this.#left = appendNumber;
    this.#fault = fault;
  }

  async append(append: Append) {
    this.#assertAlive();
    this.#left -= 1;
    if (this.#left > 0) return this.#store.append(append);
    this.crashed = true;
    if (this.#fault === 'after') await this.#store.append(append);
    throw new StoreUnavailable('the process died here');
  }

  readStream(stream: string, options: Parameters<EventStore['readStream']>[1]) {
    this.#assertAlive();
    return this.#store.readStream(stream, options);
  }

  readAll(options: Parameters<EventStore['readAll']>[0]) {
    this.#assertAlive();
    return this.#store.readAll(options);
  }

  subscribe(options: Parameters<EventStore['subscribe']>[0]) {
    return this.#store.subscribe(options);
  }

  head() {
    this.#assertAlive();
    return this.#store.head();
  }

  close() {
    return this.#store.close();
  }

  #assertAlive(): void {
    if (this.crashed) throw new StoreUnavailable('the process is dead');
  }
}
