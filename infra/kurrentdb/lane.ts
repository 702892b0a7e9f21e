import type { Connection } from './connection.ts';
import type { KurrentClient } from './kurrentClient.ts';

/** A call that was sent. */
export interface Sent<R> {
  readonly answer: Promise<R>;
  /** Nobody waits for the answer any more. */
  abandon(): void;
}

/**
 * Messages under way on a connection. The client (1.3.1) rejects a promise that nobody holds for each message that waits
 * behind a full socket when the connection dies, which would end the process; up to 15 never wait there.
 */
export const PLACES = 15;

/**
 * One connection with so many places. A place is taken until the client lets go of the call, also when nobody waits for
 * it any more; if it never does, because the answer was lost, the client is replaced and all places are free again.
 */
export class Lane {
  readonly #connection: Connection;
  readonly #timeoutMs: number;
  readonly #onRoom: () => void;
  #client: KurrentClient | null = null;
  #taken = 0;
  /** When something was last answered, and when the latest of what was answered had been sent. */
  #lastAnswer = 0;
  #answeredUpTo = 0;

  constructor(connection: Connection, timeoutMs: number, onRoom: () => void) {
    this.#connection = connection;
    this.#timeoutMs = timeoutMs;
    this.#onRoom = onRoom;
  }

  /** Free places. */
  get room(): number {
    if (this.#client !== this.#connection.client) {
      this.#client = this.#connection.client;
      this.#taken = 0;
    }
    return PLACES - this.#taken;
  }

  send<R>(places: number, work: (client: KurrentClient) => Promise<R>): Sent<R> {
    const { client } = this.#connection;
    const call = { client, at: performance.now(), isOver: false };
    this.#taken += places;
    const over = () => {
      call.isOver = true;
      if (client !== this.#client) return;
      this.#taken -= places;
      this.#lastAnswer = performance.now();
      this.#answeredUpTo = Math.max(this.#answeredUpTo, call.at);
    };
    const answer = work(client).then(
      (result) => {
        over();
        this.#connection.worked(client);
        return result;
      },
      (error: unknown) => {
        over();
        this.#connection.failed(client, error, call.at);
        throw error;
      },
    );
    return { answer, abandon: () => this.#watch(call) };
  }

  /** When later calls were answered, this answer was lost; when none was for long, perhaps all were. */
  #watch(call: { readonly client: KurrentClient; readonly at: number; readonly isOver: boolean }): void {
    const look = () => {
      if (call.isOver || call.client !== this.#connection.client) return;
      const silentMs = performance.now() - this.#lastAnswer;
      if (this.#answeredUpTo > call.at) this.#connection.replace(call.client);
      else if (silentMs > this.#timeoutMs) void this.#connection.silent(call.client);
      this.#onRoom();
      this.#watch(call);
    };
    setTimeout(look, this.#timeoutMs).unref();
  }
}
