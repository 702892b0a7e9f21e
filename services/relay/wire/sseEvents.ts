import { createParser, type EventSourceParser } from 'eventsource-parser';
import { parseObject, type Json } from './json.ts';

/** Images and audio arrive as deltas of several MB; beyond this an event is hostile. */
const MAX_EVENT_CHARACTERS = 16 * 1024 * 1024;

export interface SseSink {
  /** A named or nameless event with its data as JSON, and as the JSON text that it was. */
  event(name: string | null, data: Json, text: string): void;
  /** `[DONE]`, in any of its spellings. */
  done(): void;
  /** The stream cannot be read: an event was too large, or not JSON. `text` is the data of the latter. */
  fault(message: string, text?: string): void;
}

/**
 * Reads server-sent events whose data is JSON, however their bytes are cut: split characters, any line end, a BOM,
 * comments, `data:` without a space, a missing last blank line, and events that are not parted by a blank line.
 */
export class SseEvents {
  readonly #sink: SseSink;
  readonly #decoder = new TextDecoder('utf-8');
  readonly #parser: EventSourceParser;

  constructor(sink: SseSink) {
    this.#sink = sink;
    this.#parser = createParser({
      maxBufferSize: MAX_EVENT_CHARACTERS,
      onEvent: ({ event, data }) => this.#take(event ?? null, data),
      onError: (error) => {
        if (error.type === 'max-buffer-size-exceeded') sink.fault('an event was too large');
      },
    });
  }

  feed(chunk: Buffer): void {
    this.#parser.feed(this.#decoder.decode(chunk, { stream: true }));
  }

  /** The upstream has closed: an event without its blank line still counts. */
  end(): void {
    this.#parser.feed(`${this.#decoder.decode()}\n\n`);
  }

  #take(name: string | null, data: string): void {
    const text = data.trim();
    if (text === '') return;
    if (text === '[DONE]' || text === '"[DONE]"') {
      this.#sink.done();
      return;
    }
    const json = parseObject(text);
    if (json) this.#sink.event(name, json, text);
    else if (text.includes('\n')) for (const line of text.split('\n')) this.#take(name, line);
    else this.#sink.fault('an event was not JSON', text);
  }
}
