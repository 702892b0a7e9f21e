import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { decode, type DomainEvent } from '../../../../events/codec.ts';
import type { Append } from '../../../../events/eventStore.ts';
import type { UsageSource, UsageVector } from '../../../../events/meters.ts';
import { Admission } from '../../../../services/relay/admission.ts';
import type { ClientFace, RelayCall } from '../../../../services/relay/call.ts';
import { CallExchange } from '../../../../services/relay/callExchange.ts';
import { ClientConnection } from '../../../../services/relay/http/clientConnection.ts';
import type {
  CallerKey,
  Channel,
  ChannelQuirks,
  PricedModel,
  Protocol,
  UpstreamCall,
  UpstreamSink,
} from '../../../../services/relay/ports.ts';
import { silentLog } from '../../../support/log.ts';
import { PLAIN_QUIRKS, wordEstimator } from '../chatFixtures.ts';
import { ScriptedAttempt } from '../exchangeHarness.ts';
import { ManualTimers } from '../manualTimers.ts';
import { watched } from './watched.ts';

/** Picos per token: micro-units per million tokens are the same number. */
export const PICOS = {
  uncachedInput: 1_000,
  cacheRead: 100,
  cacheWrite5m: 1_250,
  cacheWrite1h: 2_000,
  outputText: 5_000,
  reasoning: 6_000,
  audioInput: 10_000,
  audioOutput: 20_000,
  imageInput: 3_000,
  imageOutput: 30_000,
} as const;

/** What the price book allows; larger than any fixture reports. */
export const MAX_OUTPUT = 500;
export const REQUEST_ID = '0198c0de-0000-7000-8000-000000000001';

const KEY: CallerKey = {
  keyId: 'key_1',
  accountId: 'acct_live1',
  mode: 'live',
  status: 'active',
  models: null,
  requestsPerMinute: null,
  tokensPerMinute: null,
  concurrency: null,
};

export interface Asked {
  readonly call: RelayCall;
  readonly face: ClientFace;
  readonly protocol: Protocol;
  /** The provider's name for the model; the client's own unless stated. */
  readonly upstreamModel?: string;
  readonly quirks?: Partial<ChannelQuirks>;
  /** What the price book says of the model; `PICOS` and `MAX_OUTPUT` unless stated. */
  readonly priced?: Pick<PricedModel, 'price' | 'maxOutputTokens'>;
}

/** What an upstream does: a head, bytes in these pieces, and how its connection ends. */
export interface Answered {
  readonly status?: number;
  readonly contentType: string;
  readonly pieces: readonly (Buffer | string)[];
  /** `cut`: the socket breaks. */
  readonly close?: 'end' | 'cut';
}

export interface Outcome {
  /** Of the answer that the client got. */
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
  readonly upstreamPath: string;
  readonly upstreamBody: string;
  /** As the usage was recorded. */
  readonly model: string;
  readonly usage: UsageVector;
  readonly source: UsageSource;
  readonly picos: bigint;
  readonly heldTokens: number;
  readonly heldPicos: bigint;
  readonly clamped: boolean;
  readonly ending: Extract<DomainEvent, { type: 'RequestCompleted' | 'RequestFailed' | 'RequestAborted' }>;
}

/** A socket that takes everything at once. */
class OpenSocket extends Duplex {
  readonly bytes: Buffer[] = [];

  override _write(bytes: Buffer, _encoding: string, done: () => void): void {
    this.bytes.push(bytes);
    done();
  }

  override _read(): void {
    // Nothing more comes from this client.
  }

  setTimeout(): this {
    return this;
  }
}

/**
 * One call through everything between its parsed request and its last byte: admission, passage, reading, measuring and
 * settling are the relay's own; the upstream is a script, and tokens are words. Throws unless it ends in one settlement,
 * and what reading the answer throws.
 */
export async function goldenCall(asked: Asked, answered: Answered): Promise<Outcome> {
  const { face } = asked;
  const thrown: unknown[] = [];
  const call = watched(asked.call, thrown);
  const timers = new ManualTimers();
  const runtime = {
    clock: { now: () => Date.parse('2026-11-20T09:30:01.000Z'), monotonic: () => 5 },
    ids: { uuid: () => REQUEST_ID },
    random: { bytes: (length: number) => Buffer.alloc(length), fraction: () => 0 },
    timers,
    log: silentLog,
  };
  const appends: Append[] = [];
  const settlements = {
    append: (append: Append) => {
      appends.push(append);
      return Promise.resolve();
    },
    nearFull: false,
  };
  const holds = {
    take: () => Promise.resolve({ granted: true as const }),
    freeSlot: () => undefined,
    forgetIdempotency: () => undefined,
  };
  const router = {
    candidates: () => [channelOf(asked)],
    models: () => null,
    succeeded: () => undefined,
    failed: () => undefined,
  };
  const admission = new Admission({
    keys: { find: () => KEY },
    prices: { find: (model) => ({ ...priced(model), ...asked.priced }), models: () => [] },
    router,
    limiter: { take: () => Promise.resolve({ allowed: true, retryAfterMs: 0, requests: null, tokens: null }) },
    holds,
    settlements,
    runtime,
    holdMs: 60_000,
  });
  const sent: UpstreamCall[] = [];
  const parts = {
    upstream: { send: (made: UpstreamCall, sink: UpstreamSink) => scripted(made, sink, answered, sent) },
    router,
    holds,
    settlements,
    estimator: wordEstimator,
    metrics: NO_METRICS,
    runtime,
    commitAfterMs: 10_000,
    totalMs: 60_000,
  };
  const admitted = await admission.admit(KEY, call, REQUEST_ID, null);
  if ('repeats' in admitted) throw new Error('there is no earlier call');
  const socket = new OpenSocket();
  const response = new ServerResponse(new IncomingMessage(new Socket()));
  response.assignSocket(socket as unknown as Socket);
  const limits = { maxBufferBytes: 1_048_576, stallMs: 30_000, keepAliveMs: 10_000 };
  await new CallExchange(parts, admitted, call, new ClientConnection(response, face, limits, timers)).run();
  if (timers.pending > 0) throw new Error('a timer is left');
  if (thrown.length > 0) throw new Error('reading an answer threw', { cause: thrown[0] });
  const request = sent[0]?.request;
  const upstreamBody = Buffer.from(request?.body ?? '').toString();
  return { ...sentOf(socket), ...settledOf(appends), upstreamPath: request?.path ?? '', upstreamBody };
}

function scripted(
  made: UpstreamCall,
  sink: UpstreamSink,
  { status = 200, contentType, pieces, close = 'end' }: Answered,
  sent: UpstreamCall[],
): ScriptedAttempt {
  const attempt = new ScriptedAttempt(made, sink);
  sent.push(made);
  // What tells a platform to stop is answered by nobody.
  if (sent.length > 1) return attempt;
  queueMicrotask(() => {
    attempt.head(status, { 'content-type': contentType });
    for (const piece of pieces) attempt.data(piece);
    if (close === 'end') attempt.end();
    else attempt.fail('cut');
  });
  return attempt;
}

function channelOf({ protocol, upstreamModel, quirks, call }: Asked): Channel {
  return {
    name: 'golden',
    protocol,
    upstreamModel: upstreamModel ?? call.model,
    quirks: { ...PLAIN_QUIRKS, ...quirks },
    clientGone: 'cancel',
    drainMaxMs: 0,
    timeouts: { firstByteMs: 1, idleMs: 1, totalMs: 1 },
    cost: null,
  };
}

function priced(model: string): PricedModel {
  return {
    model,
    currency: 'USD',
    priceVersion: 'a1'.repeat(32),
    price: { meters: PICOS },
    maxOutputTokens: MAX_OUTPUT,
  };
}

const NO_METRICS = {
  callEnded: () => undefined,
  callRefused: () => undefined,
  tokens: () => undefined,
  anomaly: () => undefined,
  inFlight: () => undefined,
};

function sentOf(socket: OpenSocket): Pick<Outcome, 'status' | 'contentType' | 'body'> {
  const [head = '', ...body] = Buffer.concat(socket.bytes).toString('utf8').split('\r\n\r\n');
  return {
    status: Number(/^HTTP\/1\.\d (\d{3})/.exec(head)?.[1]),
    contentType: /^content-type: (.*)$/im.exec(head)?.[1] ?? '',
    body: body.join('\r\n\r\n'),
  };
}

/** The one settlement. The acceptance stands before it where it was not durable by itself. */
function settledOf(appends: readonly Append[]) {
  const settling = appends.filter(({ events }) => events.some(({ type }) => type === 'UsageRecorded'));
  const [settlement] = settling;
  if (settling.length !== 1 || !settlement) throw new Error(`${String(settling.length)} settlements`);
  const events = appends.flatMap((append) => append.events.map((stored) => decode(stored)));
  const accepted = events.find((event) => event?.type === 'RequestAccepted');
  const recorded = events.filter((event) => event?.type === 'UsageRecorded');
  const endings = events.filter(isEnding);
  const [usage] = recorded;
  const [ending] = endings;
  if (recorded.length !== 1 || endings.length !== 1 || !accepted || !usage || !ending) {
    throw new Error(`settled as ${events.map((event) => event?.type).join(', ')}`);
  }
  return {
    model: usage.model,
    usage: usage.usage,
    source: usage.source,
    picos: BigInt(usage.amountPicos),
    heldTokens: accepted.heldTokens,
    heldPicos: BigInt(accepted.heldPicos),
    clamped: usage.policy === 'clamped_to_hold',
    ending,
  };
}

function isEnding(event: DomainEvent | null): event is Outcome['ending'] {
  return event?.type === 'RequestCompleted' || event?.type === 'RequestFailed' || event?.type === 'RequestAborted';
}
