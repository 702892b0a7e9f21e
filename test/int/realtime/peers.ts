import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';

export type Event = Readonly<Record<string, unknown>>;

/** One end of a WebSocket in the hand of a test: what came is read in order, and waited for. */
export class Peer {
  readonly socket: WebSocket;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  /** Every text frame as it came. */
  readonly frames: string[] = [];
  readonly #closed: Promise<{ code: number; reason: string }>;
  #read = 0;
  #wake: () => void = () => undefined;
  #isClosed = false;

  constructor(socket: WebSocket, request?: IncomingMessage) {
    this.socket = socket;
    this.url = request?.url ?? '';
    this.headers = request?.headers ?? {};
    socket.on('message', (data: Buffer) => {
      this.frames.push(data.toString('utf8'));
      this.#wake();
    });
    socket.on('error', () => undefined);
    this.#closed = new Promise((resolve) => {
      socket.on('close', (code, reason) => {
        this.#isClosed = true;
        this.#wake();
        resolve({ code, reason: reason.toString('utf8') });
      });
    });
  }

  send(...events: readonly (Event | string | Buffer)[]): this {
    for (const event of events) {
      this.socket.send(typeof event === 'string' || Buffer.isBuffer(event) ? event : JSON.stringify(event));
    }
    return this;
  }

  /** The next event that was not read yet. Rejects when the socket closes before. */
  async next(): Promise<Event> {
    while (this.frames.length <= this.#read) {
      if (this.#isClosed) throw new Error('the socket is closed and nothing more has come');
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
    const frame = this.frames[this.#read] ?? '';
    this.#read += 1;
    return JSON.parse(frame) as Event;
  }

  /** Reads on until an event of this type. */
  async until(type: string): Promise<Event> {
    for (;;) {
      const event = await this.next();
      if (event['type'] === type) return event;
    }
  }

  get types(): unknown[] {
    return this.frames.map((frame) => (JSON.parse(frame) as Event)['type']);
  }

  get closed(): Promise<{ code: number; reason: string }> {
    return this.#closed;
  }
}

/** An upstream that does what the test says, on loopback. */
export class ScriptedRealtime {
  readonly baseUrl: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #sessions: Peer[] = [];
  readonly #waiting: ((session: Peer) => void)[] = [];

  static async start(
    admit: (request: IncomingMessage, answer: (ok: boolean, code?: number, message?: string) => void) => void = (
      _request,
      answer,
    ) => answer(true),
  ): Promise<ScriptedRealtime> {
    const server = createServer();
    const sessions = new WebSocketServer({ server, verifyClient: ({ req }, answer) => admit(req, answer) });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new ScriptedRealtime(server, sessions);
  }

  private constructor(server: Server, sessions: WebSocketServer) {
    this.#server = server;
    this.baseUrl = `http://127.0.0.1:${String((server.address() as AddressInfo).port)}/v1`;
    server.on('connection', (socket: Socket) => this.#sockets.add(socket));
    sessions.on('connection', (socket, request) => {
      const session = new Peer(socket, request);
      const waiting = this.#waiting.shift();
      if (waiting) waiting(session);
      else this.#sessions.push(session);
    });
  }

  /** The next session that the relay opens. */
  session(): Promise<Peer> {
    const session = this.#sessions.shift();
    return session ? Promise.resolve(session) : new Promise((resolve) => this.#waiting.push(resolve));
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** How a handshake was refused. */
export interface Refusal {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
}

/** Connects as a client. */
export async function connect(
  url: string,
  options: { readonly headers?: Readonly<Record<string, string>>; readonly protocols?: readonly string[] } = {},
): Promise<Peer | Refusal> {
  const socket = new WebSocket(url, [...(options.protocols ?? [])], { headers: { ...options.headers } });
  const peer = new Peer(socket);
  return new Promise((resolve, reject) => {
    socket.on('open', () => resolve(peer));
    socket.on('error', reject);
    socket.on('unexpected-response', (_request, response) => {
      const { statusCode: status = 0, headers } = response;
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (text: string) => (body += text));
      response.on('end', () => resolve({ status, headers, body }));
    });
  });
}
