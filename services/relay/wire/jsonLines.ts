import { parseObject, type Json } from './json.ts';

/** A line that holds an image may have several MB; beyond this it is hostile. */
const MAX_LINE_CHARACTERS = 16 * 1024 * 1024;

export interface JsonLinesSink {
  /** `text`: the line as it came, without its end. */
  line(json: Json, text: string): void;
  /** The stream cannot be read: a line was too long or not a JSON object. */
  fault(message: string): void;
}

/** Reads newline-delimited JSON objects, however their bytes are cut. Empty lines mean nothing. */
export class JsonLines {
  readonly #sink: JsonLinesSink;
  readonly #decoder = new TextDecoder('utf-8');
  #held = '';

  constructor(sink: JsonLinesSink) {
    this.#sink = sink;
  }

  feed(chunk: Buffer): void {
    this.#read(this.#decoder.decode(chunk, { stream: true }));
  }

  /** The upstream has closed: a last line without its end still counts. */
  end(): void {
    this.#read(`${this.#decoder.decode()}\n`);
  }

  #read(text: string): void {
    const lines = text.split('\n');
    lines[0] = this.#held + (lines[0] ?? '');
    this.#held = lines.pop() ?? '';
    for (const line of lines) this.#take(line);
    if (this.#held.length > MAX_LINE_CHARACTERS) {
      this.#held = '';
      this.#sink.fault('a line was too long');
    }
  }

  #take(line: string): void {
    const text = line.trim();
    if (text === '') return;
    const json = parseObject(text);
    if (json) this.#sink.line(json, text);
    else this.#sink.fault('a line was not a JSON object');
  }
}
