import { once } from 'node:events';
import {
  createServer,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { text } from 'node:stream/consumers';

type Bytes = string | Buffer;
type Headers = Readonly<Record<string, string | readonly string[]>>;
export type Script = (call: ScriptedCall) => void | Promise<void>;

export const SSE = { 'content-type': 'text/event-stream' };

/** One request that reached the scripted upstream, and the means to answer it well or badly, step by step. */
export class ScriptedCall {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  /** Resolves when the socket of this call is closed, by whichever side. */
  readonly closed: Promise<void>;
  readonly #response: ServerResponse;
  readonly #socket: Socket;

  constructor(request: IncomingMessage, response: ServerResponse, body: string, closed: Promise<void>) {
    this.method = request.method ?? '';
    this.path = request.url ?? '';
    this.headers = request.headers;
    this.body = body;
    this.#response = response;
    this.#socket = request.socket;
    this.closed = closed;
  }

  get isClosed(): boolean {
    return this.#socket.closed;
  }

  json(): unknown {
    return JSON.parse(this.body);
  }

  /** Sends status and headers at once, without waiting for a body. */
  head(status = 200, headers: Headers = SSE): void {
    for (const [name, value] of Object.entries(headers)) this.#response.setHeader(name, value);
    this.#response.writeHead(status);
    this.#response.flushHeaders();
  }

  /** Sends bytes of the body; resolves in a later turn of the event loop, when they have left or the client is gone. */
  async write(bytes: Bytes): Promise<void> {
    await new Promise<void>((resolve) => this.#response.write(bytes, () => resolve()));
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** Sends the body in pieces of `size` bytes, each a packet of its own as far as a socket can promise that. */
  async writeInPieces(bytes: Bytes, size: number): Promise<void> {
    const buffer = Buffer.from(bytes);
    for (let at = 0; at < buffer.length; at += size) await this.write(buffer.subarray(at, at + size));
  }

  /** Server-sent events, one per value; a string is sent as it is. */
  async events(...values: readonly unknown[]): Promise<void> {
    for (const value of values) {
      await this.write(`data: ${typeof value === 'string' ? value : JSON.stringify(value)}\n\n`);
    }
  }

  end(): void {
    this.#response.end();
  }

  /** A whole answer; anything but a string is sent as JSON. */
  answer(status: number, body: unknown, headers: Headers = {}): void {
    const text = typeof body === 'string' ? body : JSON.stringify(body);
    this.#response.writeHead(status, { 'content-type': 'application/json', ...(headers as Record<string, string>) });
    this.#response.end(text);
  }

  /** Bytes on the wire that need not be HTTP. */
  raw(bytes: Bytes): void {
    this.#socket.write(bytes);
  }

  /** Ends our side of the connection in an orderly way (FIN) and goes on listening. */
  halfClose(): void {
    this.#socket.end();
  }

  /** Closes the connection (FIN), whatever was promised. */
  cut(): void {
    this.#socket.destroy();
  }

  /** Closes the connection with RST. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }
}

/**
 * A real HTTP server whose answers a test writes: `next` scripts the coming request, or the test takes the request
 * with `nextCall` and answers it by hand. Nothing is timed; the test decides when anything happens.
 */
export class ScriptedUpstream {
  readonly calls: ScriptedCall[] = [];
  readonly #server: Server;
  readonly #scripts: Script[] = [];
  readonly #untaken: ScriptedCall[] = [];
  readonly #takers: ((call: ScriptedCall) => void)[] = [];
  readonly #sockets = new Map<Socket, Promise<void>>();
  readonly #errors: unknown[] = [];
  #otherwise: Script | null = null;

  private constructor(server: Server) {
    this.#server = server;
  }

  /** Listens on a free loopback port. */
  static async start(): Promise<ScriptedUpstream> {
    const server = createServer({ noDelay: true, keepAliveTimeout: 60_000 });
    const upstream = new ScriptedUpstream(server);
    server.on('connection', (socket) => upstream.#watch(socket));
    server.on('request', (request, response) => void upstream.#take(request, response));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return upstream;
  }

  get origin(): string {
    return `http://127.0.0.1:${String((this.#server.address() as AddressInfo).port)}`;
  }

  get baseUrl(): string {
    return `${this.origin}/v1`;
  }

  get openSockets(): number {
    return this.#sockets.size;
  }

  /** Scripts the next request that has no script yet. */
  next(script: Script): this {
    this.#scripts.push(script);
    return this;
  }

  /** Scripts every request that `next` does not. */
  otherwise(script: Script): this {
    this.#otherwise = script;
    return this;
  }

  /** The next request without a script, to be answered by the test. */
  async nextCall(): Promise<ScriptedCall> {
    const waiting = this.#untaken.shift();
    return waiting ?? new Promise((resolve) => this.#takers.push(resolve));
  }

  /** Closes every connection. Throws what a script has thrown. */
  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
    if (this.#errors.length > 0) throw new AggregateError(this.#errors, 'a script of the upstream failed');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #watch(socket: Socket): void {
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    this.#sockets.set(socket, closed);
    socket.once('close', () => this.#sockets.delete(socket));
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request).catch(() => null);
    if (body === null) return; // The client left before its request was whole.
    const closed = this.#sockets.get(request.socket) ?? Promise.resolve();
    const call = new ScriptedCall(request, response, body, closed);
    this.calls.push(call);
    try {
      const script = this.#scripts.shift() ?? this.#otherwise;
      if (script) await script(call);
      else this.#hand(call);
    } catch (error) {
      this.#errors.push(error);
      call.cut();
    }
  }

  #hand(call: ScriptedCall): void {
    const taker = this.#takers.shift();
    if (taker) taker(call);
    else this.#untaken.push(call);
  }
}
