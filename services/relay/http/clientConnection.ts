import type { ServerResponse } from 'node:http';
import type { ApiError } from '../../http/errors.ts';
import type { RosterMember } from '../../roster.ts';
import type { Timers } from '../../runtime.ts';
import { renderError } from '../../http/renderError.ts';
import type { ClientFace } from '../call.ts';

export interface ClientLimits {
  /** Bytes the client may leave unread before the upstream is paused. */
  readonly maxBufferBytes: number;
  /** A client that then reads nothing counts as gone within this time, and not before half of it. */
  readonly stallMs: number;
  /** Silence after which a streamed answer gets a comment, so that proxies keep it open. */
  readonly keepAliveMs: number;
}

export type GoneReason = 'client_gone' | 'client_stalled' | 'shutdown';

const STREAM_HEADERS = ['cache-control', 'no-cache, no-transform', 'x-accel-buffering', 'no'];

/**
 * The client's side of one call: writes with a bounded buffer, notices that the client has left or stopped reading,
 * and keeps a silent stream alive. `onGone` is called at most once, and once more when the relay stops after that; `onDrain`
 * whenever writing may go on.
 */
export class ClientConnection implements RosterMember {
  rosterPlace = -1;
  /** Changed at most once, before anything is sent. */
  face: ClientFace;
  readonly #response: ServerResponse;
  readonly #limits: ClientLimits;
  readonly #timers: Timers;
  #gone: GoneReason | null = null;
  #isShutDown = false;
  #onGone: (reason: GoneReason) => void = () => undefined;
  #onDrain: () => void = () => undefined;
  #cancelKeepAlive: (() => void) | null = null;
  #wroteSinceTick = false;
  /** More waits for the client than may, and the socket's time-out runs. */
  #paused = false;

  constructor(response: ServerResponse, face: ClientFace, limits: ClientLimits, timers: Timers) {
    this.face = face;
    this.#response = response;
    this.#limits = limits;
    this.#timers = timers;
    response.on('close', () => {
      if (!response.writableEnded) this.leave('client_gone');
      this.#stopKeepAlive();
    });
    response.on('drain', () => this.#drained());
    response.on('timeout', () => {
      if (response.writableEnded) response.destroy();
      else if (this.#paused) this.leave('client_stalled');
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

  /**
   * Ends the call from our side as if the client had left. A shutdown is also told to the call of a client that is gone, for
   * it may be read on; the first reason remains.
   */
  leave(reason: GoneReason): void {
    if (this.#isShutDown || (this.#gone && reason !== 'shutdown')) return;
    this.#isShutDown = reason === 'shutdown';
    this.#gone ??= reason;
    this.#stopKeepAlive();
    this.#onGone(reason);
  }

  sendJson(status: number, headers: readonly string[], body: string | Buffer): void {
    this.send(status, 'application/json; charset=utf-8', headers, body);
  }

  /** A whole answer. */
  send(status: number, contentType: string, headers: readonly string[], body: string | Buffer): void {
    if (this.#gone === 'client_gone' || this.#response.headersSent) return;
    this.#response.writeHead(status, [
      'content-type',
      contentType,
      'content-length',
      String(Buffer.byteLength(body)),
      ...headers,
    ]);
    this.#response.end(body);
    this.#watchUnread();
  }

  /** The head goes out with the first piece. */
  beginStream(headers: readonly string[], contentType: string): void {
    if (this.#gone === 'client_gone' || this.#response.headersSent) return;
    this.#response.writeHead(200, ['content-type', contentType, ...STREAM_HEADERS, ...headers]);
    this.#keepAlive();
  }

  /** Begins a stream whose first event may be long in coming: the head goes out at once. */
  promiseStream(headers: readonly string[]): void {
    const { streamType } = this.face;
    if (streamType === null) return;
    this.beginStream(headers, streamType);
    if (!this.#response.writableEnded) this.#response.flushHeaders();
  }

  /** Writes whole events or pieces. Returns false when the upstream should pause until `whenDrained`. */
  write(events: string | Buffer): boolean {
    if (this.#gone || this.#response.writableEnded) return true;
    this.#wroteSinceTick = true;
    if (this.#response.write(events) || this.#response.writableLength <= this.#limits.maxBufferBytes) return true;
    this.#paused = true;
    this.#watchUnread();
    return false;
  }

  /** Tells a failure: as an event of a stream that has begun, otherwise as the whole answer. */
  fail(error: ApiError, requestId: string): void {
    const { status, body, headers } = renderError(error, this.face.dialect, requestId);
    const text = JSON.stringify(body);
    if (!this.#response.headersSent) {
      this.sendJson(status, Object.entries(headers).flat(), text);
      return;
    }
    const event = this.face.errorEvent(text);
    if (event !== null) this.end(event);
    else if (!this.#response.writableEnded) this.#response.destroy();
  }

  end(lastEvents: string | Buffer): void {
    this.#stopKeepAlive();
    if (this.#gone === 'client_gone' || this.#response.writableEnded) return;
    this.#response.end(lastEvents);
    if (this.#gone === 'client_stalled') this.#response.destroy();
    else this.#watchUnread();
  }

  #drained(): void {
    if (this.#paused) this.#response.setTimeout(0);
    this.#paused = false;
    this.#onDrain();
  }

  /**
   * While bytes wait for the client it must go on reading, also after our last byte. This is the socket's own time-out,
   * because nothing else can see that part of a write has left. It fires at the end of the first whole period in which
   * none has, so half of `stallMs` is its period.
   */
  #watchUnread(): void {
    if (this.#response.writableLength > 0) this.#response.setTimeout(this.#limits.stallMs / 2);
  }

  #keepAlive(): void {
    const { keepAlive } = this.face;
    if (keepAlive === null) return;
    this.#cancelKeepAlive = this.#timers.after(this.#limits.keepAliveMs, () => {
      if (!this.#wroteSinceTick && !this.#paused) this.#response.write(keepAlive);
      this.#wroteSinceTick = false;
      this.#keepAlive();
    });
  }

  #stopKeepAlive(): void {
    this.#cancelKeepAlive?.();
    this.#cancelKeepAlive = null;
  }
}
