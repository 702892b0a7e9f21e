import type { EncodedEvent } from '../../events/codec.ts';
import {
  StoreUnavailable,
  type Append,
  type AppendResult,
  type EventStore,
  type Page,
  type RecordedEvent,
} from '../../events/eventStore.ts';
import { streamCategory } from '../../events/ids.ts';
import { assertStorable } from '../validAppend.ts';

/** `before`: the call is lost on its way. `after`: an append is applied and its answer is lost on the way back. */
export type Fault = 'before' | 'after';

/** An event store in memory for tests: the same outcomes as the durable ones, and failures when told to. */
export class MemoryEventStore implements EventStore {
  readonly isContiguous = true;
  readonly #log: RecordedEvent[] = [];
  readonly #streams = new Map<string, RecordedEvent[]>();
  readonly #faults: Fault[] = [];
  readonly #waiting = new Set<() => void>();
  #reachable = true;
  #closed = false;

  /** The next append that no earlier fault takes throws StoreUnavailable. */
  failNext(fault: Fault): void {
    this.#faults.push(fault);
  }

  /** While false every call throws StoreUnavailable, and subscriptions wait. */
  set reachable(reachable: boolean) {
    this.#reachable = reachable;
    if (reachable) this.#wake();
  }

  async append(append: Append): Promise<AppendResult> {
    assertStorable(append);
    await this.#arrive();
    const fault = this.#faults.shift();
    if (fault === 'before') throw new StoreUnavailable('the append was lost, as told by the test');
    const result = this.#decide(append);
    if (result.outcome === 'appended') this.#write(append);
    if (fault === 'after') throw new StoreUnavailable('the answer was lost, as told by the test');
    return result;
  }

  async readStream(
    stream: string,
    options: { readonly direction: 'forwards' | 'backwards'; readonly from?: bigint; readonly limit: number },
  ): Promise<readonly RecordedEvent[]> {
    await this.#arrive();
    const events = this.#streams.get(stream) ?? [];
    const { direction, from, limit } = options;
    if (direction === 'forwards') return events.slice(Number(from ?? 0n)).slice(0, limit);
    return events
      .slice(0, from === undefined ? events.length : Number(from) + 1)
      .reverse()
      .slice(0, limit);
  }

  async readAll(options: {
    readonly after: bigint;
    readonly limit: number;
    readonly categories?: readonly string[];
  }): Promise<Page> {
    await this.#arrive();
    const { after, limit, categories } = options;
    const events: RecordedEvent[] = [];
    for (let place = Number(after); place < this.#log.length && events.length < limit; place += 1) {
      const event = this.#log[place];
      if (event && (!categories || categories.includes(streamCategory(event.stream)))) events.push(event);
    }
    const full = events.length === limit ? events.at(-1) : undefined;
    const head = this.#head();
    return { events, position: full?.position ?? (head > after ? head : after) };
  }

  async *subscribe(options: {
    readonly after: bigint;
    readonly limit: number;
    readonly categories?: readonly string[];
    readonly signal: AbortSignal;
  }): AsyncGenerator<Page, void, undefined> {
    let after = options.after;
    for (;;) {
      await this.#changed(after, options.signal);
      if (options.signal.aborted || this.#closed) return;
      const page = await this.#readIfAvailable({ ...options, after });
      if (!page || page.position === after) continue;
      after = page.position;
      yield page;
    }
  }

  async head(): Promise<bigint> {
    await this.#arrive();
    return this.#head();
  }

  close(): Promise<void> {
    this.#closed = true;
    this.#wake();
    return Promise.resolve();
  }

  #head(): bigint {
    return BigInt(this.#log.length);
  }

  /** A call takes a turn of the event loop at least, as over a network. */
  async #arrive(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    if (this.#closed) throw new StoreUnavailable('the store is closed');
    if (!this.#reachable) throw new StoreUnavailable('unreachable, as told by the test');
  }

  #decide({ stream, expected, events }: Append): AppendResult {
    const present = this.#streams.get(stream) ?? [];
    const claimed = expected === 'no_stream' ? 0 : Number(expected) + 1;
    if (claimed === present.length) {
      return {
        outcome: 'appended',
        revision: BigInt(claimed + events.length - 1),
        position: this.#head() + BigInt(events.length),
      };
    }
    const standing = present.slice(claimed, claimed + events.length);
    const last = standing.at(-1);
    const sameIds =
      standing.length === events.length && standing.every((event, i) => event.eventId === events[i]?.eventId);
    if (!sameIds || !last) {
      return { outcome: 'conflict', actual: present.length === 0 ? 'no_stream' : BigInt(present.length - 1) };
    }
    const reused = events.find((event, i) => !sameBody(event, standing[i]));
    if (reused) return { outcome: 'id_reused', eventId: reused.eventId };
    return { outcome: 'repeated', revision: last.revision, position: last.position };
  }

  #write({ stream, events }: Append): void {
    const present = this.#streams.get(stream) ?? [];
    for (const { eventId, type, version, data } of events) {
      const recorded = Object.freeze({
        ...{ eventId, type, version, data, stream },
        revision: BigInt(present.length),
        position: this.#head() + 1n,
      });
      present.push(recorded);
      this.#log.push(recorded);
    }
    this.#streams.set(stream, present);
    this.#wake();
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  /** Resolves when there may be something after the position, or nothing more will come. */
  async #changed(after: bigint, signal: AbortSignal): Promise<void> {
    if (signal.aborted || this.#closed || (this.#reachable && this.#head() > after)) return;
    await new Promise<void>((resolve) => {
      const wake = () => {
        this.#waiting.delete(wake);
        signal.removeEventListener('abort', wake);
        resolve();
      };
      this.#waiting.add(wake);
      signal.addEventListener('abort', wake);
    });
  }

  async #readIfAvailable(options: Parameters<EventStore['readAll']>[0]): Promise<Page | null> {
    try {
      return await this.readAll(options);
    } catch (error) {
      if (error instanceof StoreUnavailable) return null;
      throw error;
    }
  }
}

function sameBody(event: EncodedEvent, standing: EncodedEvent | undefined): boolean {
  return event.type === standing?.type && event.version === standing.version && event.data === standing.data;
}
