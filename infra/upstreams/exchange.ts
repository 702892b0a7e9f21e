import type { Dispatcher } from 'undici';
import type { Log } from '../../services/runtime.ts';
import type { UpstreamExchange, UpstreamFailure, UpstreamSink } from '../../services/relay/ports.ts';
import type { ConnectionGate } from './connectionGate.ts';
import { TICK_MS, type Deadlines, type Watched } from './deadlines.ts';
import { failureOf, type CallPhase } from './failures.ts';
import { passedHeaders } from './responseHeaders.ts';
import type { Secret } from './secret.ts';

/** Answers that come in pieces for as long as a model speaks. */
const STREAMED = /^(text\/event-stream|application\/(x-ndjson|jsonl)|audio\/)/;

/** Usual ends follow the last event in the same packet or the next one. */
const RELEASED_MS = 1_000;

/** Where and under which limits the calls of a channel go. */
export interface Endpoint {
  readonly channel: string;
  readonly apiKey: Secret | null;
  readonly dispatcher: Pick<Dispatcher, 'dispatch'>;
  readonly gate: ConnectionGate<Exchange>;
  readonly timeouts: {
    readonly connectMs: number;
    readonly firstByteMs: number;
    readonly idleMs: number;
    readonly totalMs: number;
  };
  readonly maxAnswerBytes: number;
  readonly maxStreamBytes: number;
  readonly deadlines: Deadlines;
  /** Monotonic time after which no call goes on. */
  readonly lifetime: { readonly endsAt: number };
  readonly log: Log;
}

/**
 * One call, from the wait for a connection to the last byte: undici's handler and the caller's handle in one object, so
 * that a chunk costs no promise or timer. The sink is told exactly one of `end` and `failed`, once, nothing
 * after it, and never before `begin` has returned.
 */
export class Exchange implements Dispatcher.DispatchHandler, UpstreamExchange, Watched {
  rosterPlace = -1;
  readonly #endpoint: Endpoint;
  readonly #request: Dispatcher.DispatchOptions;
  readonly #sink: UpstreamSink;
  readonly #onDone: () => void;
  readonly #totalMs: number;
  readonly #createdAt: number;
  #phase: CallPhase = 'waiting';
  #phaseAt: number;
  #done = false;
  #releasedAt: number | null = null;
  #dispatching = false;
  #paused = false;
  #firstByteSeen = false;
  #isError = false;
  #receivedBytes = 0;
  #maxBytes: number;
  /** What this turn has brought. One packet often holds many pieces, and the sink is told once. */
  #gathered: Buffer[] = [];
  #controller: Dispatcher.DispatchController | null = null;

  /** `totalMs` bounds the call where the timeouts of its endpoint do not. */
  constructor(
    endpoint: Endpoint,
    request: Dispatcher.DispatchOptions,
    sink: UpstreamSink,
    onDone: () => void,
    totalMs = Infinity,
  ) {
    this.#endpoint = endpoint;
    this.#request = request;
    this.#sink = sink;
    this.#onDone = onDone;
    this.#totalMs = Math.min(totalMs, endpoint.timeouts.totalMs);
    this.#createdAt = performance.now();
    this.#phaseAt = this.#createdAt;
    this.#maxBytes = endpoint.maxAnswerBytes;
  }

  /** undici writes the request in the very turn in which it tells that it starts. */
  get sent(): boolean {
    return this.#phase === 'sent' || this.#phase === 'answering';
  }

  /** Sends the call, or lets it wait for a place. */
  begin(): void {
    this.#endpoint.deadlines.watch(this);
    const entry = this.#endpoint.gate.enter(this);
    if (entry === 'admitted') this.#dispatch();
    else if (entry === 'full') this.failSoon({ kind: 'overloaded', cause: new Error('too many calls are waiting') });
  }

  /** Fails after the current call stack, because the caller does not hold this exchange yet. */
  failSoon(failure: UpstreamFailure): void {
    queueMicrotask(() => this.#fail(failure));
  }

  resume(): void {
    if (!this.#paused || this.#done) return;
    this.#paused = false;
    this.#phaseAt = this.#endpoint.deadlines.now;
    this.#controller?.resume();
  }

  release(): void {
    this.#releasedAt ??= this.#endpoint.deadlines.now;
    this.resume();
  }

  abort(): void {
    this.#fail({ kind: 'aborted' });
  }

  check(now: number): void {
    const unwantedMs = this.#releasedAt === null ? 0 : now - this.#releasedAt - TICK_MS;
    if (unwantedMs > RELEASED_MS || now > this.#endpoint.lifetime.endsAt) {
      this.abort();
      return;
    }
    const overdue = this.#overdue(now);
    if (overdue === null) return;
    const kind = this.#phase === 'waiting' ? 'overloaded' : 'timeout';
    this.#fail({ kind, cause: new Error(overdue) });
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    // Throwing takes the call off undici's queue and leaves the connection to others; an abort would close it.
    if (this.#done) throw new Error('the call had ended before a connection was free');
    this.#controller = controller;
    this.#enter('sent');
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    if (this.#done || status < 200) return;
    this.#phase = 'answering';
    this.#isError = status >= 300;
    const contentType = headers['content-type'];
    if (typeof contentType === 'string' && STREAMED.test(contentType)) {
      this.#maxBytes = this.#endpoint.maxStreamBytes;
    }
    const refusal = this.#refusalOf(headers);
    if (refusal) this.#fail(refusal);
    else this.#sink.head(status, passedHeaders(headers));
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    if (this.#isOver()) return;
    this.#receivedBytes += chunk.length;
    if (this.#receivedBytes > this.#maxBytes) {
      this.#fail(oversize(this.#maxBytes));
      return;
    }
    this.#firstByteSeen = true;
    this.#phaseAt = this.#endpoint.deadlines.now;
    if (this.#gathered.push(chunk) === 1) queueMicrotask(() => this.#deliver());
  }

  onResponseEnd(): void {
    this.#deliver();
    if (this.#done) return;
    this.#finish();
    this.#conclude(() => this.#sink.end());
  }

  onResponseError(_controller: Dispatcher.DispatchController | null, error: Error): void {
    if (this.#done) return;
    const failure = failureOf(error, this.#phase);
    if (this.#dispatching) this.failSoon(failure);
    else this.#fail(failure);
  }

  #dispatch(): void {
    this.#enter('connecting');
    this.#dispatching = true;
    this.#endpoint.dispatcher.dispatch(this.#request, this);
    this.#dispatching = false;
  }

  #enter(phase: CallPhase): void {
    this.#phase = phase;
    this.#phaseAt = performance.now();
  }

  /** Tells the sink what was gathered. One that throws has made a mistake, which must not end the process. */
  #deliver(): void {
    const [first, ...others] = this.#gathered;
    if (!first) return;
    this.#gathered = [];
    if (this.#isOver()) return;
    const chunk = others.length === 0 ? first : Buffer.concat([first, ...others]);
    const { apiKey } = this.#endpoint;
    try {
      if (this.#sink.data(this.#isError && apiKey ? apiKey.hiddenIn(chunk) : chunk) || this.#isOver()) return;
    } catch (cause) {
      this.#fail({ kind: 'cut', cause });
      return;
    }
    this.#paused = true;
    this.#controller?.pause();
  }

  /** A method, because the compiler believes that a field keeps its value while the sink is called. */
  #isOver(): boolean {
    return this.#done || this.#releasedAt !== null;
  }

  #refusalOf(headers: Record<string, string | string[] | undefined>): UpstreamFailure | null {
    const encoding = headers['content-encoding'];
    if (encoding !== undefined && encoding !== 'identity') {
      return { kind: 'cut', cause: new Error('the upstream compressed its answer although identity was asked for') };
    }
    return Number(headers['content-length']) > this.#maxBytes ? oversize(this.#maxBytes) : null;
  }

  /** Why the call has taken too long, or null. One tick is added because the clock of chunks may be that much behind. */
  #overdue(now: number): string | null {
    const { connectMs, firstByteMs, idleMs } = this.#endpoint.timeouts;
    const totalMs = this.#totalMs;
    if (now - this.#createdAt > totalMs + TICK_MS) return `the call took longer than ${String(totalMs)} ms`;
    const elapsed = now - this.#phaseAt - TICK_MS;
    if (this.#phase === 'waiting' || this.#phase === 'connecting') {
      return elapsed > connectMs ? `no connection within ${String(connectMs)} ms` : null;
    }
    if (!this.#firstByteSeen) return elapsed > firstByteMs ? `no first byte within ${String(firstByteMs)} ms` : null;
    return !this.#paused && elapsed > idleMs ? `silent for ${String(idleMs)} ms` : null;
  }

  #fail(failure: UpstreamFailure): void {
    this.#deliver();
    if (this.#done) return;
    this.#finish();
    this.#controller?.abort(new Error(failure.kind, { cause: failure.cause }));
    this.#conclude(() => this.#sink.failed(failure));
  }

  /** A sink that throws here is a mistake of ours; undici would take it for one of the connection's. */
  #conclude(tell: () => void): void {
    try {
      tell();
    } catch (error) {
      const { log, channel } = this.#endpoint;
      log.error({ error, channel }, 'the end of an upstream call was not handled');
    }
  }

  #finish(): void {
    this.#done = true;
    this.#endpoint.deadlines.unwatch(this);
    if (this.#phase === 'waiting') this.#endpoint.gate.withdraw(this);
    else this.#giveWay();
    this.#onDone();
  }

  /** The next call starts after the current call stack: undici may be in the middle of parsing. */
  #giveWay(): void {
    const next = this.#endpoint.gate.leave();
    if (!next) return;
    next.#enter('connecting');
    queueMicrotask(() => {
      if (!next.#done) next.#dispatch();
    });
  }
}

function oversize(maxBytes: number): UpstreamFailure {
  return { kind: 'oversize', cause: new Error(`the answer is larger than ${String(maxBytes)} bytes`) };
}
