import type { AnswerReading, Billed } from '../../call.ts';
import type { ChannelQuirks } from '../../ports.ts';
import { NOTHING_REPORTED, type ReportedUsage } from '../../usage/reported.ts';
import { asOneChunk, chunkTemplate, failureOf, parseAnswer, type ChatAnswer } from './chatAnswer.ts';
import { streamEnding, withCost } from './chatReply.ts';
import type { ChatRequest } from './chatRequest.ts';
import { ChatStream } from './chatStream.ts';
import { ReceivedOutput } from './receivedOutput.ts';
import { atPath, readUsage } from './reportedUsage.ts';
import { tierVariant } from './serviceTier.ts';

/** An upstream's stream on its way to a client of the same dialect. */
export class StreamedChat implements AnswerReading {
  readonly contentType = 'text/event-stream; charset=utf-8';
  readonly stopRequest = null;
  readonly received: ReceivedOutput;
  readonly #request: ChatRequest;
  readonly #quirks: ChannelQuirks;
  readonly #stream: ChatStream;

  constructor(request: ChatRequest, quirks: ChannelQuirks, renameTo: string | null) {
    this.#request = request;
    this.#quirks = quirks;
    this.received = new ReceivedOutput(quirks.reasoningField);
    const { usageWanted } = request;
    this.#stream = new ChatStream({ quirks, renameTo, usageWanted, received: this.received });
  }

  get done(): boolean {
    return this.#stream.done;
  }

  get failure(): string | null {
    const { failure } = this.#stream;
    return failure === null ? null : JSON.stringify({ error: failure });
  }

  get reported(): ReportedUsage {
    return readUsage(this.#stream.usage, this.#quirks);
  }

  /** The service tier that the provider has used: what was asked for says little, since it may not have had it. */
  get variant(): string | null {
    return tierVariant(this.#stream.serviceTier);
  }

  feed(chunk: Buffer): string {
    return this.#stream.feed(chunk);
  }

  end(): string {
    return this.#stream.end();
  }

  ending(billed: Billed): string {
    return streamEnding(this.#request, this.#stream.template, this.#stream.usage, billed);
  }
}

/** A whole answer on its way to a client of the same dialect, who may have wanted a stream. */
export class WholeChat implements AnswerReading {
  readonly contentType: string;
  readonly stopRequest = null;
  readonly received: ReceivedOutput;
  readonly #request: ChatRequest;
  readonly #quirks: ChannelQuirks;
  readonly #chunks: Buffer[] = [];
  #answer: ChatAnswer | null = null;
  #failure: string | null = null;

  constructor(request: ChatRequest, quirks: ChannelQuirks) {
    this.#request = request;
    this.#quirks = quirks;
    this.received = new ReceivedOutput(quirks.reasoningField);
    this.contentType = `${request.streamed ? 'text/event-stream' : 'application/json'}; charset=utf-8`;
  }

  get done(): boolean {
    return this.#answer !== null;
  }

  get failure(): string | null {
    return this.#failure;
  }

  get reported(): ReportedUsage {
    return this.#answer ? readUsage(this.#stated(this.#answer), this.#quirks) : NOTHING_REPORTED;
  }

  /** As that of a streamed one. */
  get variant(): string | null {
    return tierVariant(this.#answer?.body['service_tier']);
  }

  feed(chunk: Buffer): string {
    this.#chunks.push(chunk);
    return '';
  }

  end(): string {
    const text = Buffer.concat(this.#chunks).toString('utf8');
    this.#answer = parseAnswer(text);
    if (!this.#answer) {
      this.#failure = failureOf(text);
      return '';
    }
    this.received.add(this.#answer.body['choices']);
    return this.#request.streamed ? asOneChunk(this.#answer.body, this.#request) : '';
  }

  ending(billed: Billed): string {
    if (!this.#answer) return '';
    const stated = this.#stated(this.#answer);
    const { model } = this.#request;
    if (!this.#request.streamed) return withCost(this.#answer, model, stated, billed);
    return streamEnding(this.#request, chunkTemplate(this.#answer.body, model), stated, billed);
  }

  #stated({ body }: ChatAnswer): unknown {
    return atPath(body, this.#quirks.usagePath) ?? body['usage'];
  }
}
