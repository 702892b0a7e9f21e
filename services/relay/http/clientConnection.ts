import type { ServerResponse } from 'node:http';
import type { ApiError } from '../../http/errors.ts';
import type { Timers } from '../../runtime.ts';
import { openaiError } from './openaiHeaders.ts';

export interface ClientLimits {
  /** Bytes the client may leave unread before the upstream is paused. */
  readonly maxBufferBytes: number;
  /** How long it may then read nothing before it counts as gone. */
  readonly stallMs: number;
  /** Silence after which a streamed answer gets a comment, so that proxies keep it open. */
  readonly keepAliveMs: number;
}

export type GoneReason = 'client_gone' | 'client_stalled' | 'shutdown';

const STREAM_HEADERS = [
  'content-type',
  'text/event-stream; charset=utf-8',
  'cache-control',
  'no-cache, no-transform',
  'x-accel-buffering',
  'no',
];

/**
 * The client's side of one call: writes with a bounded buffer, notices that the client has left or stopped reading,
 * and keeps a silent stream alive. `onGone` is called at most once; `onDrain` whenever writing may go on.
 */
export class ClientConnection {
  readonly #response: ServerResponse;
  readonly #limits: ClientLimits;
  readonly #timers: Timers;
  #gone: GoneReason | null = null;
  #onGone: (reason: GoneReason) => void = () => undefined;
  #onDrain: () => void = () => undefined;
  #cancelStall: (() => void) | null = null;
  #cancelKeepAlive: (() => void) | null = null;
  #wroteSinceTick = false;

  constructor(response: ServerResponse, limits: ClientLimits, timers: Timers) {
    this.#response = response;
    this.#limits = limits;
    this.#timers = timers;
    response.on('close', () => {
      if (!response.writableEnded) this.leave('client_gone');
      this.#stopTimers();
    });
  }

  get gone(): GoneReason | null {
    return this.#gone;
  }

  whenGone(listener: (reason: GoneReason) => void): void {
    this.#onGone = listener;
    if (this.#gone) listener(this.#gone);
  }

  whenDrained(listener: () => void): void {
    this.#onDrain = listener;
  }

  /** Ends the call from our side as if the client had left. */
  leave(reason: GoneReason): void {
    if (this.#gone) return;
    this.#gone = reason;
    this.#stopTimers();
    this.#onGone(reason);
  }

  sendJson(status: number, headers: readonly string[], body: string | Buffer): void {
    if (this.#gone === 'client_gone' || this.#response.headersSent) return;
    this.#response.writeHead(status, [
      'content-type',
      'application/json; charset=utf-8',
      'content-length',
      String(Buffer.byteLength(body)),
      ...headers,
    ]);
    this.#response.end(body);
  }

  beginStream(headers: readonly string[]): void {
    if (this.#gone || this.#response.headersSent) return;
    this.#response.writeHead(200, [...STREAM_HEADERS, ...headers]);
    this.#response.flushHeaders();
    this.#keepAlive();
  }

  /** Writes whole server-sent events. Returns false when the upstream should pause until `whenDrained`. */
  write(events: string): boolean {
    if (this.#gone) return true;
    this.#wroteSinceTick = true;
    if (this.#response.write(events)) return true;
    if (this.#response.writableLength <= this.#limits.maxBufferBytes) return true;
    this.#awaitDrain();
    return false;
  }

  /** Tells a failure: as an event of a stream that has begun, otherwise as the whole answer. */
  fail(error: ApiError, requestId: string): void {
    const { body, headers } = openaiError(error, requestId);
    if (this.#response.headersSent) this.end(`data: ${body}\n\n`);
    else this.sendJson(error.status, headers, body);
  }

  end(lastEvents: string): void {
    this.#stopTimers();
    if (this.#gone === 'client_gone') return;
    this.#response.end(lastEvents);
    if (this.#gone) this.#response.destroy();
  }

  #awaitDrain(): void {
    if (this.#cancelStall) return;
    const unread = this.#response.writableLength;
    const drained = () => {
      this.#cancelStall?.();
      this.#cancelStall = null;
      this.#onDrain();
    };
    this.#response.once('drain', drained);
    this.#cancelStall = this.#timers.after(this.#limits.stallMs, () => {
      this.#response.off('drain', drained);
      this.#cancelStall = null;
      if (this.#response.writableLength < unread) this.#awaitDrain();
      else this.leave('client_stalled');
    });
  }

  #keepAlive(): void {
    this.#cancelKeepAlive = this.#timers.after(this.#limits.keepAliveMs, () => {
      if (!this.#wroteSinceTick) this.#response.write(': ping\n\n');
      this.#wroteSinceTick = false;
      this.#keepAlive();
    });
  }

  #stopTimers(): void {
    this.#cancelStall?.();
    this.#cancelKeepAlive?.();
    this.#cancelStall = null;
    this.#cancelKeepAlive = null;
  }
}
