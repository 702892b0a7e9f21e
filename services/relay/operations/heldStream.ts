import type { AnswerReading, Billed } from '../call.ts';
import type { ReportedUsage } from '../usage/reported.ts';
import { textIn, type Json } from '../wire/json.ts';
import { SseEvents } from '../wire/sseEvents.ts';
import type { Produced } from './produced.ts';
import { STREAM_TYPE, withUsage } from './wholeAnswer.ts';

export interface MediaEvent {
  /** `image_generation.completed`. */
  readonly type: string;
  readonly data: Json;
}

/** What the streams of images, speech and transcripts do not share. */
export interface MediaStream {
  /** The client's name for the model. */
  readonly model: string;
  readonly produced: Produced;
  /** Events that state the end of something and the usage. */
  isLast(event: MediaEvent): boolean;
  /** So many of these make the answer whole. */
  readonly lasts: number;
  /** Every event, in order, before it goes on. */
  take(event: MediaEvent): void;
  readonly reported: ReportedUsage;
  /** JSON text of the usage for the last event. */
  usage(stated: unknown, billed: Billed): string;
}

interface Held {
  readonly name: string | null;
  readonly data: Json;
  readonly text: string;
}

/** A stream of named events on its way to a client of the same dialect. The event that states its usage is held back. */
export class HeldStream implements AnswerReading {
  readonly contentType = STREAM_TYPE;
  readonly stopRequest = null;
  readonly #stream: MediaStream;
  readonly #events: SseEvents;
  #forward = '';
  #held: Held | null = null;
  #lasts = 0;
  #ended = false;
  #failure: string | null = null;

  constructor(stream: MediaStream) {
    this.#stream = stream;
    this.#events = new SseEvents({
      event: (name, data, text) => this.#take({ name, data, text }),
      done: () => {
        this.#ended = true;
      },
      fault: (message, text) => this.#fail(text ?? JSON.stringify({ error: { message } })),
    });
  }

  get done(): boolean {
    return this.#lasts >= this.#stream.lasts || (this.#ended && this.#held !== null);
  }

  get failure(): string | null {
    return this.#failure;
  }

  get received(): Produced {
    return this.#stream.produced;
  }

  get reported(): ReportedUsage {
    return this.#stream.reported;
  }

  feed(chunk: Buffer): string {
    this.#events.feed(chunk);
    return this.#taken();
  }

  end(): string {
    this.#events.end();
    this.#ended = true;
    return this.#taken();
  }

  ending(billed: Billed): string {
    if (!this.#held) return '';
    const { name, data, text } = this.#held;
    return eventText(
      name,
      withUsage({ text, body: data }, this.#stream.model, this.#stream.usage(data['usage'], billed)),
    );
  }

  #taken(): string {
    const forward = this.#forward;
    this.#forward = '';
    return forward;
  }

  #take(event: Held): void {
    if (this.#failure !== null || this.done) return;
    const { name, data, text } = event;
    const type = textIn(data['type']) || (name ?? '');
    if (type === 'error' || data['error']) {
      this.#fail(JSON.stringify({ error: data['error'] ?? data }));
      return;
    }
    this.#stream.take({ type, data });
    if (this.#stream.isLast({ type, data })) this.#hold(event);
    else this.#forward += eventText(name, text);
  }

  /** Only the very last of them states usage. */
  #hold(event: Held): void {
    if (this.#held) {
      const { usage: _partial, ...rest } = this.#held.data;
      this.#forward += eventText(this.#held.name, JSON.stringify(rest));
    }
    this.#held = event;
    this.#lasts += 1;
  }

  #fail(error: string): void {
    this.#failure ??= error;
  }
}

/** JSON has line breaks only between its tokens, and an event of ours has one line of data. */
export function eventText(name: string | null, json: string): string {
  const data = `data: ${json.includes('\n') ? json.replaceAll('\n', ' ') : json}\n\n`;
  return name === null ? data : `event: ${name.replace(/[\r\n]/g, '')}\n${data}`;
}
