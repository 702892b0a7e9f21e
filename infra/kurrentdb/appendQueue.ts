import { StoreUnavailable, type Append } from '../../events/eventStore.ts';
import type { Connection } from './connection.ts';
import { asStoreError, isAnswer, isExpected } from './failures.ts';
import type { KurrentClient } from './kurrentClient.ts';
import { Lane, PLACES, type Sent } from './lane.ts';

export interface AppendQueueOptions<R> {
  readonly connections: readonly Connection[];
  /** Appends that may wait for their turn; more are refused. */
  readonly maxWaiting: number;
  /** Bounds waiting and being answered together, milliseconds. */
  readonly timeoutMs: number;
  readonly send: (append: Append, client: KurrentClient) => Promise<R>;
  /** The append was sent, and nobody knows whether it happened. */
  readonly onUnknown: (append: Append) => void;
}

interface Entry<R> {
  readonly append: Append;
  readonly resolve: (result: R) => void;
  readonly reject: (error: unknown) => void;
  readonly timer: NodeJS.Timeout;
  sent: Sent<R> | null;
  isOver: boolean;
}

/** The client cuts an append into messages of 3 MiB; half of it bounds how many come of events of any size. */
const BYTES_PER_MESSAGE = 1_572_864;

/**
 * Appends that wait for a place on one of several connections. Of each stream one is under way, so that appends to a
 * stream go in the order given, also where the server takes them one by one.
 */
export class AppendQueue<R> {
  readonly #options: AppendQueueOptions<R>;
  readonly #lanes: readonly Lane[];
  /** Of each stream the one that is ready or under way. */
  readonly #firsts = new Set<Entry<R>>();
  /** Those of them that are not under way, first come first served. */
  readonly #ready = new Set<Entry<R>>();
  /** By stream that has one ready or under way: those behind it. */
  readonly #behind = new Map<string, Entry<R>[]>();
  #open = 0;
  #waiting = 0;
  #closed = false;
  #onIdle: (() => void)[] = [];

  constructor(options: AppendQueueOptions<R>) {
    this.#options = options;
    const { connections, timeoutMs } = options;
    this.#lanes = connections.map((connection) => new Lane(connection, timeoutMs, () => this.#sendReady()));
  }

  /** Appends that were not sent yet. */
  get waiting(): number {
    return this.#waiting;
  }

  /**
   * Resolves with what the server answered. Rejects with an expected answer as it is, or with what the port throws: also
   * when the queue is full or closed (not sent) or time ran out (perhaps applied).
   */
  submit(append: Append): Promise<R> {
    if (this.#closed) return Promise.reject(new StoreUnavailable('the event store is closed'));
    if (this.#waiting >= this.#options.maxWaiting) {
      return Promise.reject(new StoreUnavailable('too many appends are waiting'));
    }
    return new Promise<R>((resolve, reject) => {
      const timer = setTimeout(() => this.#expire(entry), this.#options.timeoutMs);
      const entry: Entry<R> = { append, resolve, reject, timer, sent: null, isOver: false };
      this.#open += 1;
      this.#waiting += 1;
      const behind = this.#behind.get(append.stream);
      if (behind) {
        behind.push(entry);
        return;
      }
      this.#behind.set(append.stream, []);
      this.#makeFirst(entry);
      this.#sendReady();
    });
  }

  /** Refuses further appends and resolves when those it has are settled. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#open === 0) return;
    await new Promise<void>((resolve) => this.#onIdle.push(resolve));
  }

  #sendReady(): void {
    for (const entry of this.#ready) {
      const places = placesOf(entry.append);
      const lane = this.#lanes.reduce((best, next) => (next.room > best.room ? next : best));
      if (lane.room < places) return;
      this.#ready.delete(entry);
      this.#send(entry, places, lane);
    }
  }

  #send(entry: Entry<R>, places: number, lane: Lane): void {
    const { send, onUnknown } = this.#options;
    const { append } = entry;
    this.#waiting -= 1;
    entry.sent = lane.send(places, (client) => send(append, client));
    entry.sent.answer.then(
      (result) => this.#settle(entry, () => entry.resolve(result)),
      (error: unknown) =>
        this.#settle(entry, () => {
          if (!isAnswer(error)) onUnknown(append);
          entry.reject(isExpected(error) ? error : asStoreError(error, 'append'));
        }),
    );
  }

  #expire(entry: Entry<R>): void {
    const { timeoutMs, onUnknown } = this.#options;
    if (entry.sent) entry.sent.abandon();
    else this.#waiting -= 1;
    this.#settle(entry, () => {
      if (entry.sent) onUnknown(entry.append);
      entry.reject(new StoreUnavailable(`append: no answer within ${String(timeoutMs)} ms`));
    });
  }

  /** Tells the caller, once, and lets the next append of the stream go. */
  #settle(entry: Entry<R>, tell: () => void): void {
    if (!entry.isOver) {
      clearTimeout(entry.timer);
      entry.isOver = true;
      tell();
      this.#ready.delete(entry);
      if (this.#firsts.delete(entry)) this.#promote(entry.append.stream);
      this.#open -= 1;
      if (this.#open === 0) for (const resolve of this.#onIdle.splice(0)) resolve();
    }
    this.#sendReady();
  }

  #promote(stream: string): void {
    const behind = this.#behind.get(stream) ?? [];
    for (let next = behind.shift(); next; next = behind.shift()) {
      if (next.isOver) continue;
      this.#makeFirst(next);
      return;
    }
    this.#behind.delete(stream);
  }

  #makeFirst(entry: Entry<R>): void {
    this.#firsts.add(entry);
    this.#ready.add(entry);
  }
}

function placesOf({ events }: Append): number {
  let bytes = 0;
  for (const { data } of events) bytes += Buffer.byteLength(data);
  return Math.min(PLACES, 1 + Math.floor(bytes / BYTES_PER_MESSAGE));
}
