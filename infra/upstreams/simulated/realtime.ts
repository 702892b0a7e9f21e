import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { WebSocketServer, type WebSocket } from 'ws';
import { RealtimeConversation } from './realtimeConversation.ts';

export interface SimulatedRealtimeOptions {
  /** TCP port on loopback; 0, the default, takes a free one. */
  readonly port?: number;
  /** Between the words of an answer, unless the text says otherwise, in milliseconds. */
  readonly chunkDelayMs?: number;
}

export interface SimulatedRealtime {
  /** As of a channel: `/realtime` is appended. */
  readonly baseUrl: string;
  /** Sessions that are open. */
  readonly sessions: number;
  /** Closes every connection. */
  close(): Promise<void>;
}

const MAX_FRAME_BYTES = 16 * 1_048_576;
const PATH = '/v1/realtime';

/**
 * Starts an upstream for realtime sessions that needs no provider, on loopback. It answers in text, with a sentence that
 * repeats the last user message, the same for the same conversation, and understands the directives `chunks`,
 * `chunk_delay_ms`, `cut_after`, `status`, `cached` and `usage=none` of `infra/upstreams/README.md` in that message.
 * Audio is taken and not listened to.
 */
export async function startSimulatedRealtime(options: SimulatedRealtimeOptions = {}): Promise<SimulatedRealtime> {
  const server = new WebSocketServer({
    host: '127.0.0.1',
    port: options.port ?? 0,
    maxPayload: MAX_FRAME_BYTES,
    perMessageDeflate: false,
    verifyClient: ({ req }: { req: IncomingMessage }) => (req.url ?? '').split('?', 1)[0] === PATH,
  });
  let opened = 0;
  server.on('connection', (socket, request) => {
    opened += 1;
    const query = new URLSearchParams((request.url ?? '').split('?')[1] ?? '');
    converse(socket, `sess_sim_${String(opened)}`, query.get('model') ?? 'simulated', options.chunkDelayMs ?? 0);
  });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    baseUrl: `http://127.0.0.1:${String(port)}/v1`,
    get sessions() {
      return server.clients.size;
    },
    close: () =>
      new Promise((resolve, reject) => {
        for (const client of server.clients) client.terminate();
        server.close((error) => (error ? reject(error) : resolve()));
      }),
  };
}

function converse(socket: WebSocket, sessionId: string, model: string, chunkDelayMs: number): void {
  const conversation = new RealtimeConversation(
    { sessionId, model, chunkDelayMs },
    (event) => socket.send(JSON.stringify(event)),
    () => socket.terminate(),
  );
  socket.on('message', (data: Buffer) => conversation.hear(data.toString('utf8')));
  socket.on('close', () => conversation.end());
  // The close that follows says the same.
  socket.on('error', () => undefined);
  conversation.begin();
}
