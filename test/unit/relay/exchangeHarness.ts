import { once } from 'node:events';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { decode, encode, type DomainEvent } from '../../../events/codec.ts';
import type { Append } from '../../../events/eventStore.ts';
import type { UsageVector } from '../../../events/meters.ts';
import type { UsageRecorded } from '../../../events/usage/usage.events.ts';
import type { RequestAborted, RequestCompleted, RequestFailed } from '../../../events/request/request.events.ts';
import { rateUpperBound } from '../../../services/billing/rating/rate.ts';
import type { Admitted } from '../../../services/relay/admission.ts';
import type { RelayCall } from '../../../services/relay/call.ts';
import { CallExchange } from '../../../services/relay/callExchange.ts';
import { ChatCall } from '../../../services/relay/dialects/openai/chatCall.ts';
import { OPENAI_FACE } from '../../../services/relay/dialects/openai/face.ts';
import { protocolsWith } from '../../../services/relay/dialects/protocols.ts';
import { ClientConnection } from '../../../services/relay/http/clientConnection.ts';
import type {
  Channel,
  UpstreamCall,
  UpstreamExchange,
  UpstreamFailure,
  UpstreamSink,
} from '../../../services/relay/ports.ts';
import { MODEL, PRICE_VERSION, requestAccepted } from '../../support/events.ts';
import { silentLog } from '../../support/log.ts';
import { chatRequest, PLAIN_QUIRKS, wordEstimator } from './chatFixtures.ts';
import { ManualTimers } from './manualTimers.ts';

export const SSE_HEAD = { 'content-type': 'text/event-stream; charset=utf-8' };
export const JSON_HEAD = { 'content-type': 'application/json' };

/** One call that an upstream has got; keeps to the order that the port promises, whatever the test does. */
export class ScriptedAttempt implements UpstreamExchange {
  readonly call: UpstreamCall;
  readonly #sink: UpstreamSink;
  #over = false;
  sent: boolean;
  aborted = false;
  /** Nothing more is wanted from it. */
  released = false;
  resumed = 0;
  /** The sink asked for a pause with its last piece. */
  paused = false;

  constructor(call: UpstreamCall, sink: UpstreamSink, sent = true) {
    this.call = call;
    this.#sink = sink;
    this.sent = sent;
  }

  get over(): boolean {
    return this.#over;
  }

  head(status = 200, headers: Readonly<Record<string, string>> = SSE_HEAD): this {
    this.sent ||= !this.#over;
    if (!this.#over) this.#sink.head(status, headers);
    return this;
  }

  data(bytes: Buffer | string): this {
    if (!this.#over) this.paused = !this.#sink.data(Buffer.from(bytes));
    return this;
  }

  end(): this {
    if (!this.#over) {
      this.#over = true;
      this.#sink.end();
    }
    return this;
  }

  fail(kind: UpstreamFailure['kind']): this {
    if (!this.#over) {
      this.#over = true;
      this.#sink.failed({ kind });
    }
    return this;
  }

  resume(): void {
    this.resumed += 1;
  }

  release(): void {
    this.released = true;
  }

  abort(): void {
    this.aborted = true;
    this.fail('aborted');
  }
}

/** A socket that takes everything at once. */
class OpenSocket extends Duplex {
  text = '';

  override _write(bytes: Buffer, _encoding: string, done: () => void): void {
    this.text += bytes.toString();
    done();
  }

  override _read(): void {
    // Nothing more comes from this client.
  }

  setTimeout(): this {
    return this;
  }
}

interface Setting {
  readonly body?: Readonly<Record<string, unknown>>;
  /** Instead of a chat with that body. */
  readonly call?: RelayCall;
  readonly channels?: readonly Partial<Channel>[];
  readonly inputBound?: number;
  readonly outputBound?: number;
  /** What is held on meters that count no tokens; each second and character costs 0.0001 USD. */
  readonly otherBound?: UsageVector;
  /** Calls wait for a connection until they are answered. */
  readonly queued?: boolean;
  /** The time that the call has, all attempts together; 15 minutes. */
  readonly totalMs?: number;
  readonly acceptedDurable?: boolean;
  /** A bug of the adapter: sending throws this. */
  readonly sendThrows?: Error;
  /** What appending a settlement waits for. */
  readonly append?: () => Promise<void>;
}

type Ended = RequestCompleted | RequestFailed | RequestAborted;

const noMedia = { fetch: () => Promise.reject(new Error('nothing is to be fetched')) };

/** A running exchange, everything around it in the hand of the test. */
export function startExchange(setting: Setting = {}) {
  const request = chatRequest(setting.body ?? {});
  const timers = new ManualTimers();
  const runtime = {
    clock: { now: () => Date.parse('2026-11-20T09:30:01.000Z'), monotonic: () => 5 + timers.now },
    ids: { uuid: () => 'unused' },
    random: { bytes: (length: number) => Buffer.alloc(length), fraction: () => 0 },
    timers,
    log: silentLog,
  };

  const attempts: ScriptedAttempt[] = [];
  const appends: Append[] = [];
  const told: string[] = [];
  const parts = {
    upstream: {
      send(call: UpstreamCall, sink: UpstreamSink) {
        if (setting.sendThrows) throw setting.sendThrows;
        const attempt = new ScriptedAttempt(call, sink, setting.queued !== true);
        attempts.push(attempt);
        return attempt;
      },
    },
    router: {
      candidates: () => [],
      models: () => null,
      succeeded: (channel: Channel) => told.push(`${channel.name} succeeded`),
      failed: (channel: Channel) => told.push(`${channel.name} failed`),
    },
    holds: {
      take: () => Promise.resolve({ granted: true as const }),
      freeSlot: () => told.push('slot freed'),
      forgetIdempotency: () => told.push('idempotency forgotten'),
    },
    settlements: {
      append(append: Append) {
        appends.push(append);
        return setting.append?.() ?? Promise.resolve();
      },
      nearFull: false,
    },
    estimator: wordEstimator,
    metrics: {
      callEnded: () => undefined,
      callRefused: () => undefined,
      tokens: () => undefined,
      anomaly: (kind: string) => told.push(kind),
      inFlight: () => undefined,
    },
    runtime,
    commitAfterMs: 10_000,
    totalMs: setting.totalMs ?? 900_000,
  };

  const { inputBound = 1_000, outputBound = 500, otherBound = {} } = setting;
  const price = {
    meters: { uncachedInput: 150_000, outputText: 600_000, seconds: 100_000_000, characters: 100_000_000 },
  };
  const bounds = { inputTokens: inputBound, outputTokens: outputBound, other: otherBound };
  const accepted = requestAccepted({
    heldTokens: inputBound + outputBound,
    heldPicos: rateUpperBound(price, bounds).toString(),
  });
  const admitted: Admitted = {
    accepted,
    acceptedEvent: encode(accepted),
    acceptance: { standsAlone: () => Promise.resolve(setting.acceptedDurable ?? true) },
    priced: { model: MODEL, currency: 'USD', priceVersion: PRICE_VERSION, price, maxOutputTokens: 500 },
    bounds,
    rate: { allowed: true, retryAfterMs: 0, requests: null, tokens: null },
    channels: (setting.channels ?? [{}]).map((channel, index) => ({
      name: `channel-${String(index + 1)}`,
      protocol: 'openai',
      upstreamModel: MODEL,
      quirks: PLAIN_QUIRKS,
      clientGone: 'cancel',
      drainMaxMs: 30_000,
      timeouts: { firstByteMs: 1, idleMs: 1, totalMs: 1 },
      cost: null,
      ...channel,
    })),
  };

  const socket = new OpenSocket();
  const response = new ServerResponse(new IncomingMessage(new Socket()));
  response.assignSocket(socket as unknown as Socket);
  const client = new ClientConnection(
    response,
    OPENAI_FACE,
    { maxBufferBytes: 65_536, stallMs: 30_000, keepAliveMs: 10_000 },
    timers,
  );
  const asked = setting.call ?? new ChatCall(request, protocolsWith(noMedia));
  const done = new CallExchange(parts, admitted, asked, client).run();

  return {
    accepted,
    appends,
    attempts,
    client,
    done,
    timers,
    told,
    /** The client closes its connection; resolves when the relay may have noticed. */
    async leave(): Promise<void> {
      const noticed = response.closed ? null : once(response, 'close');
      socket.destroy();
      await noticed;
    },
    /** The attempt that is being made. */
    current(): ScriptedAttempt {
      const attempt = attempts.at(-1);
      if (!attempt) throw new Error('no attempt was made');
      return attempt;
    },
    /** What the client has got, head and body. */
    sent(): { head: string; body: string } {
      const [head = '', ...body] = socket.text.split('\r\n\r\n');
      return { head, body: body.join('\r\n\r\n') };
    },
    /** The one settlement of the call. */
    settled(): { usage: UsageRecorded; ended: Ended; events: (DomainEvent | null)[] } {
      if (appends.length !== 1 || !appends[0]) throw new Error(`${String(appends.length)} settlements`);
      const events = appends[0].events.map((stored) => decode(stored));
      const [usage, ended] = events.slice(-2);
      if (usage?.type !== 'UsageRecorded') throw new Error('no usage');
      if (!ended?.type.startsWith('Request')) throw new Error('no end');
      return { usage, ended: ended as Ended, events };
    },
  };
}

/** Lets everything that waits only for promises go on. */
export function settleDown(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
