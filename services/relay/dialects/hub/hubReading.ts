import type { AnswerReading, Billed, UpstreamRequest } from '../../call.ts';
import type { Received } from '../../usage/received.ts';
import type { ReportedUsage } from '../../usage/reported.ts';
import { asciiJson } from './asciiJson.ts';
import { hubEnvelope } from './envelope.ts';

/** Any reading of a chat, as AI Hub's clients want it: a stream in ASCII, a whole answer in its envelope. */
export class HubReading implements AnswerReading {
  readonly #inner: AnswerReading;
  readonly #streamed: boolean;
  /** For pieces that come as bytes, which may be cut inside a character. */
  readonly #decoder = new TextDecoder('utf-8');

  constructor(inner: AnswerReading, streamed: boolean) {
    this.#inner = inner;
    this.#streamed = streamed;
  }

  get contentType(): string {
    return this.#inner.contentType;
  }

  get done(): boolean {
    return this.#inner.done;
  }

  get failure(): string | null {
    return this.#inner.failure;
  }

  get received(): Received {
    return this.#inner.received;
  }

  get reported(): ReportedUsage {
    return this.#inner.reported;
  }

  get variant(): string | null {
    return this.#inner.variant ?? null;
  }

  get stopRequest(): UpstreamRequest | null {
    return this.#inner.stopRequest;
  }

  feed(chunk: Buffer): string | Buffer {
    return this.#forwarded(this.#inner.feed(chunk));
  }

  end(): string | Buffer {
    return this.#forwarded(this.#inner.end());
  }

  ending(billed: Billed): string {
    const text = this.#text(this.#inner.ending(billed)) + this.#decoder.decode();
    return this.#streamed ? asciiJson(text) : hubEnvelope(text, billed);
  }

  #forwarded(pieces: string | Buffer): string | Buffer {
    return this.#streamed ? asciiJson(this.#text(pieces)) : pieces;
  }

  #text(pieces: string | Buffer): string {
    return typeof pieces === 'string' ? pieces : this.#decoder.decode(pieces, { stream: true });
  }
}
