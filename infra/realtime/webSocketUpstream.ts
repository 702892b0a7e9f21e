import type { IncomingMessage } from 'node:http';
import { WebSocket } from 'ws';
import type { Channel } from '../../services/relay/ports.ts';
import type {
  DialFailure,
  FrameSocket,
  RealtimeUpstream,
  UpstreamFrames,
} from '../../services/relay/realtime/ports.ts';
import { channelHeaders } from '../upstreams/requestHeaders.ts';
import { passedHeaders } from '../upstreams/responseHeaders.ts';
import type { UpstreamChannel } from '../upstreams/httpUpstream.ts';
import { FRAME_OPTIONS, WebSocketFrames, type FrameOptions } from './webSocketFrames.ts';

type RealtimeChannel = Pick<UpstreamChannel, 'name' | 'baseUrl' | 'apiKey' | 'auth' | 'query'> & {
  readonly timeouts: { readonly connectMs: number };
};

export interface WebSocketUpstreamOptions extends Partial<FrameOptions> {
  /** The largest frame of an upstream, in bytes; 32 MiB. */
  readonly maxFrameBytes?: number;
}

const MAX_FRAME_BYTES = 32 * 1_048_576;
/** Error bodies are read this far; more tells nobody anything. */
const ERROR_BODY_BYTES = 65_536;

/**
 * Opens sessions at `<baseUrl>/realtime?model=…` of channels, by the interface that is generally available: without the
 * header of its beta. Follows no redirect and offers no compression.
 */
export class WebSocketUpstream implements RealtimeUpstream {
  readonly #channels: ReadonlyMap<string, RealtimeChannel>;
  readonly #options: FrameOptions & { readonly maxFrameBytes: number };

  /** Channel names must be unique and base URLs valid. */
  constructor(channels: readonly RealtimeChannel[], options: WebSocketUpstreamOptions = {}) {
    this.#channels = new Map(channels.map((channel) => [channel.name, channel]));
    this.#options = { maxFrameBytes: MAX_FRAME_BYTES, ...FRAME_OPTIONS, ...options };
  }

  /** Throws only for a channel that the constructor was not given. */
  dial({ name, upstreamModel }: Channel, requestId: string, sink: UpstreamFrames): FrameSocket {
    const channel = this.#channels.get(name);
    if (!channel) throw new Error(`no upstream channel is named ${name}`);
    const socket = new WebSocket(addressOf(channel, upstreamModel), {
      headers: { ...headersOf(channel), 'x-request-id': requestId },
      handshakeTimeout: channel.timeouts.connectMs,
      maxPayload: this.#options.maxFrameBytes,
      perMessageDeflate: false,
      followRedirects: false,
    });
    return new Dialled(socket, sink, this.#options, channel);
  }
}

/** Tells the sink `opened` or `refused`, and everything else only after `opened`. */
class Dialled implements FrameSocket {
  readonly #frames: WebSocketFrames;
  readonly #sink: UpstreamFrames;
  readonly #channel: RealtimeChannel;
  #state: 'dialling' | 'open' | 'over' = 'dialling';

  constructor(socket: WebSocket, sink: UpstreamFrames, options: FrameOptions, channel: RealtimeChannel) {
    this.#sink = sink;
    this.#channel = channel;
    socket.on('open', () => this.#opened());
    socket.on('unexpected-response', (_request, response) => this.#answered(response, socket));
    socket.on('error', (cause) => this.#refuse({ kind: 'failed', failure: { kind: kindOf(cause), cause } }));
    this.#frames = new WebSocketFrames(
      socket,
      {
        frame: (bytes, isBinary) => this.#sink.frame(bytes, isBinary),
        drained: () => this.#sink.drained(),
        closed: (code) => this.#closed(code),
      },
      options,
    );
  }

  send(frame: Buffer | string): boolean {
    return this.#frames.send(frame);
  }

  pause(): void {
    this.#frames.pause();
  }

  resume(): void {
    this.#frames.resume();
  }

  close(code: number, reason: string): void {
    if (this.#state === 'dialling') this.#state = 'over';
    this.#frames.close(code, reason);
  }

  #opened(): void {
    if (this.#state !== 'dialling') return;
    this.#state = 'open';
    this.#sink.opened();
  }

  #answered(response: IncomingMessage, socket: WebSocket): void {
    const chunks: Buffer[] = [];
    let size = 0;
    const end = (): void => {
      const bytes = Buffer.concat(chunks);
      const body = (this.#channel.apiKey?.hiddenIn(bytes) ?? bytes).toString('utf8');
      const headers = passedHeaders(response.headers);
      this.#refuse({ kind: 'answered', status: response.statusCode ?? 502, headers, body });
      socket.terminate();
    };
    response.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size <= ERROR_BODY_BYTES) chunks.push(chunk);
      else end();
    });
    response.on('end', end);
    response.on('error', end);
  }

  #refuse(failure: DialFailure): void {
    if (this.#state !== 'dialling') return;
    this.#state = 'over';
    this.#sink.refused(failure);
  }

  #closed(code: number): void {
    const was = this.#state;
    this.#state = 'over';
    if (was === 'open') this.#sink.closed(code);
  }
}

function addressOf({ baseUrl, query }: RealtimeChannel, model: string): string {
  const base = baseUrl.replace(/^http/, 'ws').replace(/\/+$/, '');
  return `${base}/realtime?model=${encodeURIComponent(model)}${query === '' ? '' : `&${query}`}`;
}

function headersOf({ apiKey, auth }: RealtimeChannel): Record<string, string> {
  const list = channelHeaders(apiKey, auth);
  const headers: Record<string, string> = {};
  for (let index = 0; index + 1 < list.length; index += 2) headers[list[index] ?? ''] = list[index + 1] ?? '';
  return headers;
}

function kindOf(cause: Error): 'timeout' | 'unreachable' {
  return cause.message === 'Opening handshake has timed out' ? 'timeout' : 'unreachable';
}
