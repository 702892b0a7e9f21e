import type {
  AnswerReading,
  Billed,
  ClientFace,
  Passage,
  PassageContext,
  ResponseHeaders,
  UpstreamRequest,
} from '../call.ts';
import type { Channel } from '../ports.ts';
import { NOTHING_REPORTED, type ReportedUsage } from '../usage/reported.ts';
import type { AnswerEvent, ChatAnswer, Emit, StreamDecoder, StreamEncoder } from './answer.ts';
import { CollectedAnswer } from './collectAnswer.ts';
import type { ChatPrompt } from './prompt.ts';
import { ReceivedEvents } from './receivedEvents.ts';

/** How a protocol is spoken to an upstream: one per `Channel.protocol`. */
export interface UpstreamProtocol {
  /** Throws ApiError `unsupported` for what this protocol cannot carry. `prompt.maxOutput` is always stated. */
  ask(prompt: AskedPrompt, channel: Channel): UpstreamRequest | Promise<UpstreamRequest>;
  /** The stream that this channel answers with. `endUser`: who was named to it, for platforms that let only them stop it. */
  decoder(emit: Emit, channel: Channel, endUser?: string): StreamDecoder;
  /** Whether an answer with these headers is a stream. */
  streams(headers: ResponseHeaders): boolean;
  /** Emits the events of a whole answer and its `end`; `failed` with the text (or an excerpt) when it is none. */
  whole(text: string, emit: Emit, channel: Channel): void;
  /** As `Passage.statedError`. */
  statedError?(text: string): string | null;
  /** As `Passage.learnsFrom`. */
  learnsFrom?(status: number, text: string, channel: Channel): boolean;
}

export interface AskedPrompt extends ChatPrompt {
  readonly maxOutput: number;
  readonly requestId: string;
  readonly endUser: string;
}

/** How answers are written for one call of a client. */
export interface ClientWriter {
  readonly face: ClientFace;
  readonly streamed: boolean;
  encoder(context: WriteContext): StreamEncoder;
  /** JSON text of the whole answer. */
  whole(answer: ChatAnswer, billed: Billed, context: WriteContext): string;
}

export interface WriteContext extends PassageContext {
  /** The client's name for the model. */
  readonly model: string;
}

/** A conversation on its way to an upstream of another dialect. */
export async function cross(
  prompt: ChatPrompt,
  protocol: UpstreamProtocol,
  writer: ClientWriter,
  channel: Channel,
  context: WriteContext,
): Promise<Passage> {
  const maxOutput = Math.min(prompt.maxOutput ?? context.maxOutputTokens, context.maxOutputTokens);
  const request = await protocol.ask(
    { ...prompt, maxOutput, requestId: context.requestId, endUser: context.endUser },
    channel,
  );
  return {
    request,
    read: (headers) => new CrossedAnswer(protocol, writer, channel, context, headers),
    ...(protocol.statedError && { statedError: protocol.statedError.bind(protocol) }),
    learnsFrom: (status, text) => protocol.learnsFrom?.(status, text, channel) ?? false,
  };
}

/** Reads one protocol's answer and writes it in another dialect. */
class CrossedAnswer implements AnswerReading {
  readonly contentType: string;
  readonly received = new ReceivedEvents();
  readonly #decoder: StreamDecoder;
  readonly #writer: ClientWriter;
  readonly #context: WriteContext;
  readonly #encoder: StreamEncoder | null;
  readonly #collected: CollectedAnswer | null;
  #forward = '';
  #done = false;
  #failure: string | null = null;
  #reported: ReportedUsage = NOTHING_REPORTED;

  constructor(
    protocol: UpstreamProtocol,
    writer: ClientWriter,
    channel: Channel,
    context: WriteContext,
    headers: ResponseHeaders,
  ) {
    const emit: Emit = (event) => this.#take(event);
    this.#decoder = protocol.streams(headers)
      ? protocol.decoder(emit, channel, context.endUser)
      : new WholeDecoder((text) => protocol.whole(text, emit, channel));
    this.#writer = writer;
    this.#context = context;
    this.#encoder = writer.streamed ? writer.encoder(context) : null;
    this.#collected = writer.streamed ? null : new CollectedAnswer();
    this.contentType = (writer.streamed ? writer.face.streamType : null) ?? 'application/json; charset=utf-8';
  }

  get done(): boolean {
    return this.#done;
  }

  get failure(): string | null {
    return this.#failure;
  }

  get reported(): ReportedUsage {
    return this.#reported;
  }

  get stopRequest(): UpstreamRequest | null {
    return this.#decoder.stopRequest?.() ?? null;
  }

  feed(chunk: Buffer): string {
    this.#decoder.feed(chunk);
    return this.#taken();
  }

  end(): string {
    this.#decoder.end();
    return this.#taken();
  }

  ending(billed: Billed): string {
    if (this.#encoder) return this.#encoder.ending(billed);
    return this.#writer.whole(this.#collected?.answer() ?? NO_ANSWER, billed, this.#context);
  }

  #taken(): string {
    const forward = this.#forward;
    this.#forward = '';
    return forward;
  }

  #take(event: AnswerEvent): void {
    if (this.#failure !== null) return;
    if (event.type === 'failed') this.#failure = event.error;
    else if (event.type === 'end') this.#done = true;
    else if (event.type === 'usage') this.#reported = event.usage;
    this.received.add(event);
    this.#collected?.add(event);
    if (this.#encoder) this.#forward += this.#encoder.write(event);
  }
}

const NO_ANSWER: ChatAnswer = { id: null, model: null, choices: [{ parts: [], finish: 'stop', stopSequence: null }] };

/** Keeps the bytes of an answer that is not a stream until it is whole. */
class WholeDecoder implements StreamDecoder {
  readonly #chunks: Buffer[] = [];
  readonly #read: (text: string) => void;

  constructor(read: (text: string) => void) {
    this.#read = read;
  }

  feed(chunk: Buffer): void {
    this.#chunks.push(chunk);
  }

  end(): void {
    this.#read(
      Buffer.concat(this.#chunks)
        .toString('utf8')
        .replace(/^\uFEFF/, '')
        .trim(),
    );
  }
}
