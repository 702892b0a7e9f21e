import type { EventStore, Page, RecordedEvent } from '../../../events/eventStore.ts';

/** What a reader sees of a log that somebody has changed, dropped from or added to behind its back. Null drops the event. */
export class TamperedStore implements EventStore {
  /** Whether a reader has met something that is not as it was written. */
  tampered = false;
  readonly #store: EventStore;
  readonly #tamper: (event: RecordedEvent) => RecordedEvent | null;

  constructor(store: EventStore, tamper: (event: RecordedEvent) => RecordedEvent | null) {
    this.#store = store;
    this.#tamper = tamper;
  }

  append(append: Parameters<EventStore['append']>[0]) {
    return this.#store.append(append);
  }

  async readStream(stream: string, options: Parameters<EventStore['readStream']>[1]) {
    return this.#seen(await this.#store.readStream(stream, options));
  }

  async readAll(options: Parameters<EventStore['readAll']>[0]): Promise<Page> {
    const page = await this.#store.readAll(options);
    return { ...page, events: this.#seen(page.events) };
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

  #seen(events: readonly RecordedEvent[]): readonly RecordedEvent[] {
    return events.flatMap((event) => {
      const seen = this.#tamper(event);
      if (seen?.data !== event.data) this.tampered = true;
      return seen ?? [];
    });
  }
}
