import type { UsageVector } from '../../events/meters.ts';
import type { Currency, Picos } from '../../events/money.ts';
import type { Dialect } from '../http/route.ts';
import type { Channel, UpstreamRequest } from './ports.ts';
import type { Received } from './usage/received.ts';
import type { ReportedUsage } from './usage/reported.ts';

export type { UpstreamRequest } from './ports.ts';

/** The most that a call can use. Its hold covers this, and its bill is cut to it. */
export interface Bounds {
  readonly inputTokens: number;
  readonly outputTokens: number;
  /** Meters that count no tokens: images, characters, seconds. */
  readonly other: UsageVector;
}

/** What must be counted when no provider reported the input's tokens. */
export interface PromptToCount {
  readonly texts: readonly string[];
  /** Tokens to add: templates and attachments. */
  readonly overhead: number;
  /** What is used on meters that count no tokens as soon as the call was sent: the seconds of a recording. */
  readonly other?: UsageVector;
}

/** How a client of a route hears: the shape of its errors, and the framing of its streams. */
export interface ClientFace {
  readonly dialect: Dialect;
  /** Content type of a stream; null where a call has none and its status line waits for the answer. */
  readonly streamType: string | null;
  /** What keeps a silent stream open; null where the framing has no comment. */
  readonly keepAlive: string | null;
  /**
   * An error as a piece of a stream that has begun; null where it has no place there, so that the connection is cut.
   * `body` is the JSON text of the dialect's error.
   */
  errorEvent(body: string): string | null;
}

/** What was settled, for the end of an answer. */
export interface Billed {
  readonly usage: UsageVector;
  readonly picos: Picos;
  readonly currency: Currency;
}

/** One call as its client made it: everything that the engine asks of a dialect or operation. Pure. */
export interface RelayCall {
  /** The route as it is recorded: `/v1/messages`. */
  readonly route: string;
  readonly model: string;
  /** The client wants its answer in pieces. */
  readonly streamed: boolean;
  /** Where the body tells more of how its client hears than the route does. */
  readonly face?: ClientFace;
  /** The bytes as the client sent them. */
  readonly raw: Buffer;
  /** What its model may have prices for, as far as the request tells: `hd:1024x1792`. */
  readonly variant?: string | null;
  /** `maxOutputTokens`: what the price book allows. */
  bounds(maxOutputTokens: number): Bounds;
  promptToCount(): PromptToCount;
  /** How this call goes to a channel. Throws ApiError when the channel's protocol cannot carry it. */
  passage(channel: Channel, context: PassageContext): Passage | Promise<Passage>;
}

export interface PassageContext {
  readonly requestId: string;
  /** Epoch seconds, for `created`. */
  readonly createdAt: number;
  /** What the price book allows; an answer must not outgrow its hold. */
  readonly maxOutputTokens: number;
  /** Names the account towards providers that want to know an end user; tells nothing else. */
  readonly endUser: string;
  /**
   * Whether the model has a price for calls that turn out to be this: `flex`. Absent where it does not matter what a call
   * turns out to be, as in a batch, which has one price for all its lines.
   */
  readonly isPriced?: (variant: string) => boolean;
}

/** A call on its way through one channel. */
export interface Passage {
  readonly request: UpstreamRequest;
  /** Reads what answered with a 2xx. */
  read(headers: ResponseHeaders): AnswerReading;
  /**
   * JSON text of what an answer that is no 2xx states, where the protocol's own words say more than the status does;
   * null where they do not.
   */
  statedError?(text: string): string | null;
  /** After a refusal: whether the channel may do better when it is asked once more, because something was learned from it. */
  learnsFrom?(status: number, text: string): boolean;
}

export type ResponseHeaders = Readonly<Record<string, string | readonly string[] | undefined>>;

/**
 * Turns the bytes of an upstream's answer, however they are cut, into what the client gets. For a client that wants a
 * whole answer nothing is forwarded before the end.
 */
export interface AnswerReading {
  /** Content type of what the client gets. */
  readonly contentType: string;
  /** What to forward now; empty for nothing. */
  feed(chunk: Buffer): string | Buffer;
  /** The upstream has closed. */
  end(): string | Buffer;
  /** The answer is whole, and nothing that may follow matters. */
  readonly done: boolean;
  /** JSON text or excerpt of an error that the upstream stated under its 2xx, or of what was no answer; null for none. */
  readonly failure: string | null;
  /** What was received so far, for billing. */
  readonly received: Received;
  /** What the provider has reported so far. */
  readonly reported: ReportedUsage;
  /** What the call turned out to be, where the answer tells more than the request. */
  readonly variant?: string | null;
  /** Tells the upstream to stop an answer that nobody reads any more; null when closing the connection is enough. */
  readonly stopRequest: UpstreamRequest | null;
  /** The last piece: the rest of a stream, or the whole answer. Called once, after the settlement is durable. */
  ending(billed: Billed): string | Buffer;
}
