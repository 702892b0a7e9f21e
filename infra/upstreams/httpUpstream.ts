import { Pool } from 'undici';
import type { Log } from '../../services/runtime.ts';
import type { Upstream, UpstreamCall, UpstreamExchange, UpstreamSink } from '../../services/relay/ports.ts';
import { ConnectionGate } from './connectionGate.ts';
import { Deadlines } from './deadlines.ts';
import { Exchange, type Endpoint } from './exchange.ts';
import { channelHeaders, withCallHeaders, type AuthStyle } from './requestHeaders.ts';
import type { Secret } from './secret.ts';

/** What the adapter needs to know of a channel. */
export interface UpstreamChannel {
  readonly name: string;
  readonly baseUrl: string;
  readonly apiKey: Secret | null;
  readonly auth: AuthStyle;
  /** Added to the query of every call: `api-version=…`. */
  readonly query: string;
  readonly maxConnections: number;
  readonly maxQueued: number;
  readonly timeouts: Endpoint['timeouts'];
}

export interface HttpUpstreamOptions {
  /** The largest answer that is not a stream, in bytes; 32 MiB, some ten images. */
  readonly maxAnswerBytes?: number;
  /** The largest stream, in bytes; 128 MiB, some 400 000 tokens with the JSON around them. */
  readonly maxStreamBytes?: number;
}

interface Target extends Endpoint {
  readonly basePath: string;
  readonly query: string;
  readonly headers: string[];
}

const MAX_ANSWER_BYTES = 32 * 1_048_576;
const MAX_STREAM_BYTES = 128 * 1_048_576;
const MAX_RESPONSE_HEADER_BYTES = 32_768;
/** Below the 5 s after which common servers close an idle connection without announcing it. */
const KEEP_ALIVE_MS = 4_000;
/** What still runs at the end has no client: the tail of an answer, or a platform that is told to stop. */
const CLOSE_MS = 2_000;

/**
 * Calls upstreams over HTTP, whatever they speak: one undici pool per origin without pipelining, and per channel a bound on
 * connections and on calls that wait for one. Redirects are not followed and nothing is retried.
 */
export class HttpUpstream implements Upstream {
  readonly #deadlines = new Deadlines();
  readonly #pools: ReadonlyMap<string, Pool>;
  readonly #targets: ReadonlyMap<string, Target>;
  readonly #lifetime = { endsAt: Infinity };
  #running = 0;
  readonly #ended = () => {
    this.#running -= 1;
    if (this.#closing && this.#running === 0) this.#idle.resolve(undefined);
  };
  readonly #idle = Promise.withResolvers<undefined>();
  #closing: Promise<void> | null = null;

  /** Channel names must be unique and base URLs valid. */
  constructor(channels: readonly UpstreamChannel[], runtime: { readonly log: Log }, options: HttpUpstreamOptions = {}) {
    this.#pools = poolsOf(channels);
    this.#targets = new Map(
      channels.map((channel) => [channel.name, this.#targetOf(channel, runtime.log, options)] as const),
    );
  }

  /** Calls that have not ended. */
  get running(): number {
    return this.#running;
  }

  /** Throws only for a channel that the constructor was not given. */
  send(call: UpstreamCall, sink: UpstreamSink): UpstreamExchange {
    const target = this.#targets.get(call.channel.name);
    if (!target) throw new Error(`no upstream channel is named ${call.channel.name}`);
    const { method, path, headers, body } = call.request;
    const request = {
      method,
      path: withQuery(target.basePath + path, target.query),
      headers: withCallHeaders(target.headers, headers),
      body,
    };
    const exchange = new Exchange(target, request, sink, this.#ended, call.totalMs);
    this.#running += 1;
    if (this.#closing) exchange.failSoon({ kind: 'overloaded', cause: new Error('the upstream adapter is closing') });
    else exchange.begin();
    return exchange;
  }

  /** Takes no further call, lets the running ones end within this time, aborts the rest, and closes all connections. */
  close(withinMs = CLOSE_MS): Promise<void> {
    this.#closing ??= this.#drainAndClose(withinMs);
    return this.#closing;
  }

  async #drainAndClose(withinMs: number): Promise<void> {
    this.#lifetime.endsAt = performance.now() + withinMs;
    if (this.#running > 0) await this.#idle.promise;
    // Nothing runs any more; a connection that is still being made would keep `close` waiting.
    await Promise.all([...this.#pools.values()].map((pool) => pool.destroy()));
    this.#deadlines.close();
  }

  #targetOf(channel: UpstreamChannel, log: Log, options: HttpUpstreamOptions): Target {
    const { origin, pathname } = new URL(channel.baseUrl);
    const pool = this.#pools.get(origin);
    if (!pool) throw new Error(`no pool for ${origin}`);
    return {
      channel: channel.name,
      apiKey: channel.apiKey,
      dispatcher: pool,
      gate: new ConnectionGate(channel.maxConnections, channel.maxQueued),
      timeouts: channel.timeouts,
      maxAnswerBytes: options.maxAnswerBytes ?? MAX_ANSWER_BYTES,
      maxStreamBytes: options.maxStreamBytes ?? MAX_STREAM_BYTES,
      deadlines: this.#deadlines,
      lifetime: this.#lifetime,
      log,
      basePath: pathname.replace(/\/+$/, ''),
      query: channel.query,
      headers: channelHeaders(channel.apiKey, channel.auth),
    };
  }
}

function withQuery(path: string, query: string): string {
  if (query === '') return path;
  return `${path}${path.includes('?') ? '&' : '?'}${query}`;
}

/** Channels of one origin share its connections; each still keeps to its own bound, so undici's queue stays short. */
function poolsOf(channels: readonly UpstreamChannel[]): ReadonlyMap<string, Pool> {
  const byOrigin = Map.groupBy(channels, (channel) => new URL(channel.baseUrl).origin);
  return new Map([...byOrigin].map(([origin, sharing]) => [origin, poolOf(origin, sharing)] as const));
}

function poolOf(origin: string, channels: readonly UpstreamChannel[]): Pool {
  return new Pool(origin, {
    connections: channels.reduce((sum, { maxConnections }) => sum + maxConnections, 0),
    pipelining: 1,
    allowH2: false,
    connect: { timeout: Math.max(...channels.map(({ timeouts }) => timeouts.connectMs)) },
    // The deadlines of `Exchange` know phases that undici does not, such as headers without a first byte.
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveTimeout: KEEP_ALIVE_MS,
    maxHeaderSize: MAX_RESPONSE_HEADER_BYTES,
  });
}
