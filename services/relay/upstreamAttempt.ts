import type { Attempt } from '../../events/request/request.events.ts';
import type { Clock, Timers } from '../runtime.ts';
import type { ChatRequest } from './chat/chatRequest.ts';
import { ChatStream } from './chat/chatStream.ts';
import { asOneChunk, parseAnswer, type ChatAnswer } from './chat/chatAnswer.ts';
import { ReceivedOutput } from './chat/receivedOutput.ts';
import type { ClientConnection } from './http/clientConnection.ts';
import { machineWord } from './machineWord.ts';
import type { Channel, Upstream, UpstreamExchange, UpstreamFailure, UpstreamSink } from './ports.ts';
import { classifyAnswer, classifyFailure, type Verdict } from './routing/classify.ts';

/** What one try at one channel came to. */
export type AttemptResult =
  | { readonly kind: 'answered'; readonly answer: ChatAnswer | null; readonly stream: ChatStream | null }
  /** Nothing reached the client, so another channel may be tried, unless the client has left. */
  | { readonly kind: 'refused'; readonly verdict: Verdict }
  /** The upstream failed after output; what was received is billed and the client is told in the stream. */
  | { readonly kind: 'cut'; readonly verdict: Verdict; readonly stream: ChatStream | null }
  /** The client was gone before the answer was whole. */
  | { readonly kind: 'left'; readonly stream: ChatStream | null };

/** Error bodies, and streams that nobody asked for, are read this far; more tells nobody anything. */
const ERROR_BODY_BYTES = 65_536;

type Headers = Readonly<Record<string, string | readonly string[] | undefined>>;

/**
 * One call to one channel: reads its answer or stream, forwards stream events to the client as they come, and resolves
 * once with what it came to. The upstream is left as soon as nothing more is wanted from it.
 */
export class UpstreamAttempt implements UpstreamSink {
  readonly received: ReceivedOutput;
  /** Monotonic time at which the first output was forwarded. */
  firstOutputAt: number | null = null;
  readonly #channel: Channel;
  readonly #request: ChatRequest;
  readonly #client: ClientConnection;
  readonly #streamHeaders: readonly string[];
  readonly #clock: Clock;
  readonly #timers: Timers;
  readonly #body: Buffer[] = [];
  #bodyBytes = 0;
  #keptBytes = ERROR_BODY_BYTES;
  #status: number | null = null;
  #headers: Headers = {};
  #stream: ChatStream | null = null;
  #exchange: UpstreamExchange | null = null;
  #cancelDrain: (() => void) | null = null;
  #settled = false;
  #resolve: (result: AttemptResult) => void = () => undefined;
  #outcome: Attempt['outcome'] = 'cancelled';

  constructor(
    channel: Channel,
    request: ChatRequest,
    client: ClientConnection,
    streamHeaders: readonly string[],
    runtime: { readonly clock: Clock; readonly timers: Timers },
  ) {
    this.#channel = channel;
    this.#request = request;
    this.#client = client;
    this.#streamHeaders = streamHeaders;
    this.#clock = runtime.clock;
    this.#timers = runtime.timers;
    this.received = new ReceivedOutput(channel.quirks.reasoningField);
  }

  run(upstream: Upstream, body: Buffer, headers: Readonly<Record<string, string>>): Promise<AttemptResult> {
    return new Promise((resolve) => {
      this.#resolve = resolve;
      this.#exchange = upstream.send({ channel: this.#channel, path: '/chat/completions', body, headers }, this);
      this.#client.whenGone(() => this.#clientGone());
      this.#client.whenDrained(() => this.#exchange?.resume());
    });
  }

  /** The attempt as the terminal event lists it. */
  record(number: number): Attempt {
    return {
      number,
      channel: this.#channel.name,
      outcome: this.#outcome,
      status: this.#status,
      upstreamRequestId: machineWord(this.#headers['x-request-id'], 128),
      costPicos: null,
    };
  }

  /** Another channel may still answer: the client has not seen a byte of this one. */
  get #nothingSent(): boolean {
    return this.firstOutputAt === null;
  }

  head(status: number, headers: Headers): void {
    this.#status = status;
    this.#headers = headers;
    const type = headers['content-type'];
    const answersEvents = typeof type === 'string' && type.toLowerCase().includes('text/event-stream');
    this.#keptBytes = status === 200 && !answersEvents ? Infinity : ERROR_BODY_BYTES;
    if (this.#request.streamed && status === 200 && answersEvents) {
      this.#stream = new ChatStream({
        quirks: this.#channel.quirks,
        renameTo: this.#channel.upstreamModel === this.#request.model ? null : this.#request.model,
        usageWanted: this.#request.usageWanted,
        received: this.received,
      });
    }
  }

  data(chunk: Buffer): boolean {
    if (this.#settled) return true;
    if (this.#stream) return this.#feed(this.#stream, chunk);
    this.#bodyBytes += chunk.length;
    if (this.#bodyBytes <= this.#keptBytes) this.#body.push(chunk);
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
      this.#settle('cancelled', { kind: 'left', stream: this.#stream });
      return;
    }
    const verdict = classifyFailure(failure);
    if (this.#stream && !this.#nothingSent) this.#cut(verdict, this.#stream);
    else this.#settle(failure.kind === 'timeout' ? 'timeout' : 'unreachable', { kind: 'refused', verdict });
  }

  /** An answer that cannot be handled, such as JSON nested a million deep, is the upstream's failure; it must not go unsettled. */
  #feed(stream: ChatStream, chunk: Buffer): boolean {
    try {
      return this.#forward(stream, stream.feed(chunk));
    } catch (cause) {
      this.failed({ kind: 'cut', cause });
      this.#exchange?.abort();
      return true;
    }
  }

  #finish(): void {
    if (this.#stream) {
      this.#forward(this.#stream, this.#stream.end());
      this.#finishStream(this.#stream);
      return;
    }
    const text = Buffer.concat(this.#body).toString('utf8');
    const answer = this.#status === 200 ? parseAnswer(text) : null;
    if (answer === null) {
      this.#refuse(classifyAnswer(this.#status ?? 502, this.#headers, text));
      return;
    }
    this.received.add(answer.body['choices']);
    if (this.#request.streamed) this.#forwardEvents(asOneChunk(answer.body, this.#request));
    this.#settle('answered', { kind: 'answered', answer, stream: null });
  }

  #forward(stream: ChatStream, events: string): boolean {
    if (stream.failure) {
      const verdict = classifyAnswer(200, this.#headers, JSON.stringify({ error: stream.failure }));
      if (this.#nothingSent && this.received.isEmpty) this.#refuse(verdict);
      else {
        this.#forwardEvents(events);
        this.#cut(verdict, stream);
      }
      this.#exchange?.abort();
      return true;
    }
    const mayContinue = this.#forwardEvents(events);
    if (!stream.done) return mayContinue;
    this.#finishStream(stream);
    return true;
  }

  #forwardEvents(events: string): boolean {
    if (events === '') return true;
    this.firstOutputAt ??= this.#clock.monotonic();
    this.#client.beginStream(this.#streamHeaders);
    return this.#client.write(events);
  }

  /** `[DONE]`, or the end after every choice has finished, is a whole answer; an end before either is a cut. */
  #finishStream(stream: ChatStream): void {
    const { gone } = this.#client;
    if (stream.done || this.received.finished) {
      this.#settle('answered', gone ? { kind: 'left', stream } : { kind: 'answered', answer: null, stream });
    } else if (this.#nothingSent || (gone && this.received.isEmpty)) this.#refuse(classifyFailure({ kind: 'cut' }));
    else if (gone) this.#settle('cut', { kind: 'left', stream });
    else this.#cut(classifyFailure({ kind: 'cut' }), stream);
  }

  #refuse(verdict: Verdict): void {
    this.#settle('refused', { kind: 'refused', verdict });
  }

  #cut(verdict: Verdict, stream: ChatStream): void {
    this.#settle('cut', { kind: 'cut', verdict, stream });
  }

  /** The channel's policy: stop the upstream now, or read on for its usage within a bound. */
  #clientGone(): void {
    if (this.#settled) return;
    if (this.#channel.clientGone === 'cancel' || this.#client.gone === 'shutdown') this.#exchange?.abort();
    else {
      this.#exchange?.resume();
      this.#cancelDrain ??= this.#timers.after(this.#channel.drainMaxMs, () => this.#exchange?.abort());
    }
  }

  #settle(outcome: Attempt['outcome'], result: AttemptResult): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#outcome = outcome;
    this.#cancelDrain?.();
    this.#resolve(result);
  }
}
