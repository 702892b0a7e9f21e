import type { Attempt } from '../../events/request/request.events.ts';
import type { Clock, Timers } from '../runtime.ts';
import type { AnswerReading, Passage, ResponseHeaders } from './call.ts';
import type { ClientConnection, GoneReason } from './http/clientConnection.ts';
import { machineWord } from './machineWord.ts';
import type { Channel, Upstream, UpstreamExchange, UpstreamFailure, UpstreamSink } from './ports.ts';
import { classifyAnswer, classifyFailure, type Verdict } from './routing/classify.ts';
import type { Received } from './usage/received.ts';
import type { ReportedUsage } from './usage/reported.ts';

/** What one try at one channel came to. */
export type AttemptResult =
  | { readonly kind: 'answered'; readonly reading: AnswerReading }
  /** Nothing reached the client, so another channel may be tried, unless the client has left. */
  | {
      readonly kind: 'refused';
      readonly verdict: Verdict;
      /** What was used nevertheless. */
      readonly reported?: ReportedUsage;
      /** The same channel may do better when it is asked once more. */
      readonly again?: boolean;
    }
  /** The upstream failed after output; what was received is billed and the client is told in the stream. */
  | { readonly kind: 'cut'; readonly verdict: Verdict; readonly reading: AnswerReading }
  /** The client was gone before the answer was whole. `free`: nothing had been sent, or the upstream had refused. */
  | { readonly kind: 'left'; readonly reading: AnswerReading | null; readonly free: boolean };

/** Who gets an answer: a client, or whoever stands for one that is not there. */
export type Recipient = Pick<ClientConnection, 'gone' | 'whenGone' | 'whenDrained' | 'beginStream' | 'write'>;

/** Error bodies are read this far; more tells nobody anything. */
const ERROR_BODY_BYTES = 65_536;

const NOTHING_RECEIVED: Received = {
  isEmpty: true,
  finished: false,
  finishReason: null,
  toCount: () => ({ text: '', scale: 1, atLeast: 0 }),
};

/**
 * One call to one channel: reads its answer, forwards what the client gets as it comes, and resolves once with what it
 * came to. The upstream is left as soon as nothing more is wanted from it.
 */
export class UpstreamAttempt implements UpstreamSink {
  /** Monotonic time at which the first output was forwarded. */
  firstOutputAt: number | null = null;
  readonly #channel: Channel;
  readonly #passage: Passage;
  readonly #client: Recipient;
  readonly #streamHeaders: readonly string[];
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #errorBody: Buffer[] = [];
  #errorBytes = 0;
  #status: number | null = null;
  #headers: ResponseHeaders = {};
  #reading: AnswerReading | null = null;
  #upstream: Upstream | null = null;
  #exchange: UpstreamExchange | null = null;
  #deadline = Infinity;
  #cancelDrain: (() => void) | null = null;
  #settled = false;
  #resolve: (result: AttemptResult) => void = () => undefined;
  #outcome: Attempt['outcome'] = 'cancelled';

  constructor(
    channel: Channel,
    passage: Passage,
    client: Recipient,
    streamHeaders: readonly string[],
    runtime: { readonly clock: Clock; readonly timers: Timers },
  ) {
    this.#channel = channel;
    this.#passage = passage;
    this.#client = client;
    this.#streamHeaders = streamHeaders;
    this.#clock = runtime.clock;
    this.#timers = runtime.timers;
  }

  /** `deadline`: monotonic time at which the attempt ends, whatever its channel allows. */
  run(upstream: Upstream, requestId: string, deadline = Infinity): Promise<AttemptResult> {
    const { request } = this.#passage;
    this.#upstream = upstream;
    this.#deadline = deadline;
    return new Promise((resolve) => {
      this.#resolve = resolve;
      const headers = { ...request.headers, 'x-request-id': requestId };
      const totalMs = this.#atMost(this.#channel.timeouts.totalMs);
      this.#exchange = upstream.send({ channel: this.#channel, request: { ...request, headers }, totalMs }, this);
      this.#client.whenGone((reason) => this.#clientGone(reason));
      this.#client.whenDrained(() => this.#exchange?.resume());
    });
  }

  get received(): Received {
    return this.#reading?.received ?? NOTHING_RECEIVED;
  }

  /** The attempt as the terminal event lists it. */
  record(number: number): Attempt {
    return {
      number,
      channel: this.#channel.name,
      outcome: this.#outcome,
      status: this.#status,
      upstreamRequestId: machineWord(this.#headers['x-request-id'] ?? this.#headers['request-id'], 128),
      costPicos: null,
    };
  }

  #atMost(milliseconds: number): number {
    return Math.min(milliseconds, Math.max(0, Math.ceil(this.#deadline - this.#clock.monotonic())));
  }

  /** Another channel may still answer: the client has not seen a byte of this one. */
  get #nothingSent(): boolean {
    return this.firstOutputAt === null;
  }

  head(status: number, headers: ResponseHeaders): void {
    if (this.#status !== null) return;
    this.#status = status;
    this.#headers = headers;
    if (status >= 200 && status < 300) this.#reading = this.#passage.read(headers);
  }

  data(chunk: Buffer): boolean {
    if (this.#settled) return true;
    if (this.#reading) return this.#feed(this.#reading, chunk);
    this.#errorBytes += chunk.length;
    if (this.#errorBytes <= ERROR_BODY_BYTES) this.#errorBody.push(chunk);
    return true;
  }

  end(): void {
    if (this.#settled) return;
    try {
      this.#finish();
    } catch (cause) {
      this.failed({ kind: 'cut', cause });
    }
  }

  failed(failure: UpstreamFailure): void {
    if (this.#settled) return;
    if (failure.kind === 'aborted' || (this.#client.gone && !this.received.isEmpty)) {
      this.#left();
      return;
    }
    const verdict = classifyFailure(failure);
    if (this.#reading && !this.#nothingSent) this.#cut(verdict, this.#reading);
    else this.#settle(failure.kind === 'timeout' ? 'timeout' : 'unreachable', { kind: 'refused', verdict });
  }

  /** No provider bills what it was not sent, nor what it has answered with an error. */
  #left(): void {
    const refused = this.#status !== null && !this.#reading;
    const free = refused || this.#exchange?.sent !== true;
    this.#settle(refused ? 'refused' : 'cancelled', { kind: 'left', reading: this.#reading, free });
  }

  /** An answer that cannot be handled, such as JSON nested a million deep, is the upstream's failure; it must not go unsettled. */
  #feed(reading: AnswerReading, chunk: Buffer): boolean {
    try {
      return this.#forward(reading, reading.feed(chunk));
    } catch (cause) {
      this.failed({ kind: 'cut', cause });
      this.#exchange?.abort();
      return true;
    }
  }

  #finish(): void {
    if (!this.#reading) {
      const status = this.#status ?? 502;
      const text = Buffer.concat(this.#errorBody).toString('utf8');
      const again = this.#passage.learnsFrom?.(status, text) ?? false;
      this.#settle('refused', { kind: 'refused', verdict: this.#judged(status, text), again });
      return;
    }
    this.#forward(this.#reading, this.#reading.end());
    this.#finishReading(this.#reading);
  }

  /** Where a protocol's errors say more than their status, that is what counts. */
  #judged(status: number, text: string): Verdict {
    const stated = this.#passage.statedError?.(text) ?? null;
    return stated === null ? classifyAnswer(status, this.#headers, text) : classifyAnswer(200, this.#headers, stated);
  }

  #forward(reading: AnswerReading, pieces: string | Buffer): boolean {
    const { failure } = reading;
    if (failure !== null) {
      const verdict = classifyAnswer(200, this.#headers, failure);
      if (this.#nothingSent && (pieces.length === 0 || reading.received.isEmpty)) this.#refuse(verdict, reading);
      else {
        this.#forwardPieces(reading, pieces);
        this.#cut(verdict, reading);
      }
      this.#exchange?.abort();
      return true;
    }
    const mayContinue = this.#forwardPieces(reading, pieces);
    if (!reading.done) return mayContinue;
    this.#finishReading(reading);
    // What a platform still has to say concerns nobody, and may come for minutes.
    this.#exchange?.release();
    return true;
  }

  #forwardPieces(reading: AnswerReading, pieces: string | Buffer): boolean {
    if (pieces.length === 0) return true;
    this.firstOutputAt ??= this.#clock.monotonic();
    this.#client.beginStream(this.#streamHeaders, reading.contentType);
    return this.#client.write(pieces);
  }

  /** What the upstream called whole, or an end after every choice has finished, is an answer; an end before either is a cut. */
  #finishReading(reading: AnswerReading): void {
    const { gone } = this.#client;
    if (reading.done || reading.received.finished) {
      this.#settle('answered', gone ? { kind: 'left', reading, free: false } : { kind: 'answered', reading });
    } else if (this.#nothingSent || (gone && reading.received.isEmpty)) this.#refuse(classifyFailure({ kind: 'cut' }));
    else if (gone) this.#settle('cut', { kind: 'left', reading, free: false });
    else this.#cut(classifyFailure({ kind: 'cut' }), reading);
  }

  #refuse(verdict: Verdict, reading: AnswerReading | null = null): void {
    this.#settle('refused', { kind: 'refused', verdict, ...(reading && { reported: reading.reported }) });
  }

  #cut(verdict: Verdict, reading: AnswerReading): void {
    this.#settle('cut', { kind: 'cut', verdict, reading });
  }

  /** The channel's policy: stop the upstream now, or read on for its usage within a bound. Nothing is sent for nobody. */
  #clientGone(reason: GoneReason): void {
    if (this.#settled) return;
    const drains = this.#channel.clientGone === 'drain' && reason !== 'shutdown';
    if (!drains || this.#exchange?.sent !== true) this.#stop();
    else {
      this.#exchange.resume();
      this.#cancelDrain ??= this.#timers.after(this.#atMost(this.#channel.drainMaxMs), () => this.#stop());
    }
  }

  /** Platforms that go on answering when nobody listens are told. */
  #stop(): void {
    const request = this.#reading?.stopRequest ?? null;
    this.#exchange?.abort();
    if (request) this.#upstream?.send({ channel: this.#channel, request }, IGNORES_ANSWER);
  }

  #settle(outcome: Attempt['outcome'], result: AttemptResult): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#outcome = outcome;
    this.#cancelDrain?.();
    this.#resolve(result);
  }
}

/** Whether a platform has stopped changes nothing for anybody. */
const IGNORES_ANSWER: UpstreamSink = {
  head: () => undefined,
  data: () => true,
  end: () => undefined,
  failed: () => undefined,
};
