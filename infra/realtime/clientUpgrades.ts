import { STATUS_CODES, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import { WebSocketServer } from 'ws';
import type { Upgrades } from '../../services/http/server.ts';
import { PROTOCOL, REALTIME_PATH } from '../../services/relay/realtime/handshake.ts';
import type { FrameSink, FrameSocket, Upgrade } from '../../services/relay/realtime/ports.ts';
import { FRAME_OPTIONS, WebSocketFrames, type FrameOptions } from './webSocketFrames.ts';

export interface ClientUpgradesOptions extends Partial<FrameOptions> {
  /** The largest frame of a client, in bytes; 16 MiB, some four minutes of audio. */
  readonly maxFrameBytes?: number;
}

const MAX_FRAME_BYTES = 16 * 1_048_576;
/** A refused client that neither reads nor closes for this long is cut off. */
const LINGER_MS = 2_000;

/** Hands requests to upgrade `/v1/realtime` to the relay. Every other request is answered as if it had not asked for it. */
export function clientUpgrades(
  realtime: { handle(upgrade: Upgrade): void },
  options: ClientUpgradesOptions = {},
): Upgrades {
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false,
    maxPayload: options.maxFrameBytes ?? MAX_FRAME_BYTES,
    // Whoever offers subprotocols is told one of them, and never the one that holds a key.
    handleProtocols: (offered) => (offered.has(PROTOCOL) ? PROTOCOL : false),
  });
  // The relay has checked the handshake; what is left is for a socket that broke meanwhile.
  server.on('wsClientError', (_error, socket) => socket.destroy());
  return {
    wants: ({ method, url = '' }) => method === 'GET' && url.split('?', 1)[0] === REALTIME_PATH,
    handle: (request, head) => {
      const { socket } = request;
      // A client that breaks off is noticed by whoever uses its socket next.
      socket.on('error', () => socket.destroy());
      realtime.handle(new ClientUpgrade(server, request, head, { ...FRAME_OPTIONS, ...options }));
    },
  };
}

class ClientUpgrade implements Upgrade {
  readonly #server: WebSocketServer;
  readonly #request: IncomingMessage;
  readonly #socket: Socket;
  readonly #head: Buffer;
  readonly #options: FrameOptions;

  constructor(server: WebSocketServer, request: IncomingMessage, head: Buffer, options: FrameOptions) {
    this.#server = server;
    this.#request = request;
    this.#socket = request.socket;
    this.#head = head;
    this.#options = options;
  }

  get url(): string {
    return this.#request.url ?? '';
  }

  get headers() {
    return this.#request.headers;
  }

  refuse(status: number, headers: Readonly<Record<string, string>>, body: string): void {
    const all = {
      ...headers,
      'content-type': 'application/json; charset=utf-8',
      'content-length': String(Buffer.byteLength(body)),
      connection: 'close',
    };
    const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
    this.#socket.end(`HTTP/1.1 ${String(status)} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n${body}`);
    this.#socket.resume();
    const cut = setTimeout(() => this.#socket.destroy(), LINGER_MS);
    this.#socket.once('close', () => clearTimeout(cut));
  }

  accept(headers: Readonly<Record<string, string>>, sink: FrameSink): FrameSocket | null {
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
    const addHeaders = (all: string[]): unknown => all.push(...lines);
    let frames: FrameSocket | null = null;
    this.#server.on('headers', addHeaders);
    // Without a verifyClient this is done when it returns.
    this.#server.handleUpgrade(this.#request, this.#socket, this.#head, (opened) => {
      frames = new WebSocketFrames(opened, sink, this.#options);
    });
    this.#server.off('headers', addHeaders);
    return frames;
  }
}
