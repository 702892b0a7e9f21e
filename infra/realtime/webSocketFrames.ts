import type { WebSocket } from 'ws';
import type { FrameSink, FrameSocket } from '../../services/relay/realtime/ports.ts';

export interface FrameOptions {
  /** Bytes that may wait to be sent before the sender is asked to pause. */
  readonly highWaterBytes: number;
  /** How often the other side must show that it lives, in milliseconds. */
  readonly heartbeatMs: number;
  /** After a close the other side has this long to answer before the connection is cut, in milliseconds. */
  readonly closeMs: number;
}

export const FRAME_OPTIONS: FrameOptions = { highWaterBytes: 1_048_576, heartbeatMs: 30_000, closeMs: 2_000 };

/** An open WebSocket as the relay uses it: counts what waits to be sent, and cuts a side that answers no ping. */
export class WebSocketFrames implements FrameSocket {
  readonly #socket: WebSocket;
  readonly #options: FrameOptions;
  readonly #heartbeat: NodeJS.Timeout;
  #sink: FrameSink;
  #waiting = 0;
  #full = false;
  #alive = true;
  #cut: NodeJS.Timeout | null = null;

  /** The socket is open, or opens before anything is sent. */
  constructor(socket: WebSocket, sink: FrameSink, options: FrameOptions) {
    this.#socket = socket;
    this.#sink = sink;
    this.#options = options;
    this.#heartbeat = setInterval(() => this.#beat(), options.heartbeatMs);
    socket.on('message', (data, isBinary) => {
      this.#alive = true;
      this.#sink.frame(asBuffer(data), isBinary);
    });
    socket.on('pong', () => (this.#alive = true));
    socket.on('close', (code) => this.#closed(code));
    // A broken connection or frame is told by the close that follows.
    socket.on('error', () => undefined);
  }

  send(frame: Buffer | string): boolean {
    if (this.#socket.readyState !== this.#socket.OPEN) return true;
    const size = Buffer.byteLength(frame);
    this.#waiting += size;
    this.#socket.send(frame, { binary: false }, () => this.#sent(size));
    if (this.#waiting > this.#options.highWaterBytes) this.#full = true;
    return !this.#full;
  }

  pause(): void {
    if (this.#socket.readyState === this.#socket.OPEN) this.#socket.pause();
  }

  resume(): void {
    this.#alive = true;
    if (this.#socket.isPaused) this.#socket.resume();
  }

  close(code: number, reason: string): void {
    // The answer to the close frame is not read while the socket is paused.
    this.resume();
    this.#socket.close(code, reason);
    this.#cut ??= setTimeout(() => this.#socket.terminate(), this.#options.closeMs);
  }

  #sent(size: number): void {
    this.#waiting -= size;
    if (!this.#full || this.#waiting > this.#options.highWaterBytes / 2) return;
    this.#full = false;
    this.#sink.drained();
  }

  /** While we do not read, no pong can be seen. */
  #beat(): void {
    if (this.#socket.isPaused || this.#socket.readyState !== this.#socket.OPEN) return;
    if (!this.#alive) {
      this.#socket.terminate();
      return;
    }
    this.#alive = false;
    this.#socket.ping();
  }

  #closed(code: number): void {
    clearInterval(this.#heartbeat);
    if (this.#cut) clearTimeout(this.#cut);
    this.#sink.closed(code);
  }
}

function asBuffer(data: Buffer | ArrayBuffer | Buffer[]): Buffer {
  if (Buffer.isBuffer(data)) return data;
  return Array.isArray(data) ? Buffer.concat(data) : Buffer.from(data);
}
