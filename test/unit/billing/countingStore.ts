import type { Append, EventStore } from '../../../events/eventStore.ts';

/** Passes everything on and counts the events that come back from streams. */
export class CountingStore implements EventStore {
  eventsRead = 0;
  readonly #store: EventStore;

  constructor(store: EventStore) {
    this.#store = store;
  }

  append(append: Append) {
    return this.#store.append(append);
  }

  async readStream(stream: string, options: Parameters<EventStore['readStream']>[1]) {
    const events = await this.#store.readStream(stream, options);
    this.eventsRead += events.length;
    return events;
  }

  readAll(options: Parameters<EventStore['readAll']>[0]) {
    return this.#store.readAll(options);
  }

  subscribe(options: Parameters<EventStore['subscribe']>[0]) {
    return this.#store.subscribe(options);
  }

  head() {
    return this.#store.head();
  }

  close() {
    return this.#store.close();
  }
}
