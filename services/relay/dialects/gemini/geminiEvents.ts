import { isObject, objectsIn, parseObject, type Json } from '../../wire/json.ts';
import { SseEvents } from '../../wire/sseEvents.ts';
import { JsonObjects } from './jsonObjects.ts';

const LINE_FEED = 0x0a;
const BRACE = 0x7b;
const BRACKET = 0x5b;

export interface FragmentSink {
  /** One GenerateContentResponse or error, and the JSON text that it was. */
  fragment(json: Json, text: string): void;
  /** JSON text of an error that says why the stream cannot be read. */
  fault(error: string): void;
}

/** The objects of a JSON text: itself, or the items of the array that it is; null when it is neither. */
export function objectsOf(text: string): readonly Json[] | null {
  try {
    const value: unknown = JSON.parse(text);
    if (Array.isArray(value)) return objectsIn(value);
    return isObject(value) ? [value] : null;
  } catch {
    // The caller decides what text that is not JSON means.
    return null;
  }
}

/**
 * Reads a stream of fragments, however its bytes are cut: server-sent events, or from a line on that begins with a
 * bracket or brace JSON without any framing, which is how errors arrive between events, and whole streams from
 * upstreams that do not know `alt=sse`.
 */
export class GeminiEvents {
  readonly #sink: FragmentSink;
  readonly #events: SseEvents;
  readonly #objects: JsonObjects;
  readonly #decoder = new TextDecoder('utf-8');
  #atLineStart = true;
  #isBare = false;

  constructor(sink: FragmentSink) {
    this.#sink = sink;
    this.#events = new SseEvents({
      event: (_name, json, text) => sink.fragment(json, text),
      done: () => undefined,
      fault: (message, text) => this.#takeOdd(message, text ?? ''),
    });
    this.#objects = new JsonObjects({
      object: (text) => this.#takeObject(text),
      fault: (message) => this.#fault(message),
    });
  }

  feed(chunk: Buffer): void {
    const bareFrom = this.#isBare ? 0 : this.#bareStart(chunk);
    if (bareFrom < 0) {
      this.#events.feed(chunk);
      return;
    }
    if (!this.#isBare) this.#endEvents(chunk.subarray(0, bareFrom));
    this.#objects.feed(this.#decoder.decode(chunk.subarray(bareFrom), { stream: true }));
  }

  /** The upstream has closed: an event without its blank line still counts. */
  end(): void {
    if (!this.#isBare) this.#events.end();
    this.#objects.end();
  }

  #endEvents(last: Buffer): void {
    this.#isBare = true;
    this.#events.feed(last);
    this.#events.end();
  }

  /** Where a line begins that cannot be one of a server-sent event; -1 for nowhere in this chunk. */
  #bareStart(chunk: Buffer): number {
    let at = this.#atLineStart ? 0 : afterLineFeed(chunk, 0);
    while (at >= 0 && at < chunk.length) {
      if (isBareStart(chunk[at])) return at;
      at = afterLineFeed(chunk, at);
    }
    this.#atLineStart = at === chunk.length;
    return -1;
  }

  #takeObject(text: string): void {
    const json = parseObject(text);
    if (json) this.#sink.fragment(json, text);
    else this.#fault('an item was not JSON');
  }

  /** The data of an event may be an array, as that of errors is. */
  #takeOdd(message: string, text: string): void {
    const objects = objectsOf(text);
    if (objects === null || objects.length === 0) this.#fault(message);
    else for (const json of objects) this.#sink.fragment(json, JSON.stringify(json));
  }

  #fault(message: string): void {
    this.#sink.fault(JSON.stringify({ error: { message } }));
  }
}

function isBareStart(byte: number | undefined): boolean {
  return byte === BRACE || byte === BRACKET;
}

function afterLineFeed(chunk: Buffer, from: number): number {
  const lineFeed = chunk.indexOf(LINE_FEED, from);
  return lineFeed < 0 ? -1 : lineFeed + 1;
}
