import type { AnswerReading, Billed } from '../call.ts';
import type { Received } from '../usage/received.ts';
import { NOTHING_REPORTED, type ReportedUsage } from '../usage/reported.ts';
import { spliceUsage } from '../usage/usageCost.ts';
import { parseObject, type Json } from '../wire/json.ts';
import { Produced } from './produced.ts';

export const JSON_TYPE = 'application/json; charset=utf-8';
export const STREAM_TYPE = 'text/event-stream; charset=utf-8';

/** How much of an answer that is none is kept to be judged. */
const EXCERPT_CHARACTERS = 65_536;

/** An answer that was understood. */
export interface Understood {
  readonly reported: ReportedUsage;
  /** Text to count where the provider reported no tokens for it; nothing unless stated. */
  readonly produced?: Received;
  /** What the client gets. */
  write(billed: Billed): string;
}

/** An answer that is kept until it is whole. `understand` gives null for a text that is no answer. */
export class WholeAnswer implements AnswerReading {
  readonly contentType: string;
  readonly stopRequest = null;
  readonly #understand: (text: string) => Understood | null;
  readonly #chunks: Buffer[] = [];
  readonly #nothing = new Produced();
  #understood: Understood | null = null;
  #failure: string | null = null;

  constructor(understand: (text: string) => Understood | null, contentType = JSON_TYPE) {
    this.#understand = understand;
    this.contentType = contentType;
  }

  get done(): boolean {
    return this.#understood !== null;
  }

  get failure(): string | null {
    return this.#failure;
  }

  get received(): Received {
    return this.#understood?.produced ?? this.#nothing;
  }

  get reported(): ReportedUsage {
    return this.#understood?.reported ?? NOTHING_REPORTED;
  }

  feed(chunk: Buffer): string {
    this.#chunks.push(chunk);
    return '';
  }

  end(): string {
    const text = Buffer.concat(this.#chunks).toString('utf8').trim();
    this.#chunks.length = 0;
    this.#understood = this.#understand(text);
    if (!this.#understood) this.#failure = text.slice(0, EXCERPT_CHARACTERS);
    return '';
  }

  ending(billed: Billed): string {
    return this.#understood?.write(billed) ?? '';
  }
}

/** A JSON answer as its text, without anything around it, and parsed. */
export interface JsonAnswer {
  readonly text: string;
  readonly body: Json;
}

/** The answer whose `member` is a list; null for anything else, and for an error in disguise. */
export function listAnswer(text: string, member: string): JsonAnswer | null {
  const body = parseObject(text);
  return body && Array.isArray(body[member]) && !body['error'] ? { text, body } : null;
}

/** The provider's own bytes with this usage, and with the client's name for the model where it names one. */
export function withUsage({ text, body }: JsonAnswer, model: string, usage: string): string {
  const named = Object.hasOwn(body, 'model');
  if (!named || body['model'] === model) {
    if (!Object.hasOwn(body, 'usage')) return `${text.slice(0, -1)},"usage":${usage}}`;
    const spliced = spliceUsage(text, body['usage'], usage);
    if (spliced !== null) return spliced;
  }
  const { usage: _replaced, ...rest } = body;
  return `${JSON.stringify(named ? { ...rest, model } : rest).slice(0, -1)},"usage":${usage}}`;
}

/** The provider's own bytes, with the client's name for the model. */
export function withModel({ text, body }: JsonAnswer, model: string): string {
  return !Object.hasOwn(body, 'model') || body['model'] === model ? text : JSON.stringify({ ...body, model });
}
