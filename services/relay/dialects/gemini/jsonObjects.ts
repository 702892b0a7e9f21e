const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN = 0x7b;
const CLOSE = 0x7d;
const OPEN_LIST = 0x5b;
const CLOSE_LIST = 0x5d;

/** Images arrive in items of several MB; beyond this an item is hostile. */
const MAX_ITEM_CHARACTERS = 16 * 1024 * 1024;

export interface JsonObjectsSink {
  /** The text of one object, from brace to brace. */
  object(text: string): void;
  /** The stream cannot be read: an object was too long, or is not ended. `text` is what there is of it. */
  fault(message: string, text: string): void;
}

/**
 * Cuts text that arrives in any pieces into its outermost objects. What stands between them is skipped, so one object,
 * the items of an array and lines of objects are all read.
 */
export class JsonObjects {
  readonly #sink: JsonObjectsSink;
  /** The beginning of an object that has not ended. */
  #held = '';
  #depth = 0;
  #inString = false;
  #escaped = false;

  constructor(sink: JsonObjectsSink) {
    this.#sink = sink;
  }

  feed(text: string): void {
    let start = 0;
    for (let index = 0; index < text.length; index += 1) {
      const wasOutside = this.#depth === 0;
      this.#step(text.charCodeAt(index));
      if (wasOutside && this.#depth === 1) start = index;
      else if (!wasOutside && this.#depth === 0) {
        const object = this.#held + text.slice(start, index + 1);
        this.#held = '';
        this.#sink.object(object);
      }
    }
    if (this.#depth > 0) this.#hold(text.slice(start));
  }

  /** The upstream has closed. */
  end(): void {
    if (this.#depth > 0) this.#sink.fault('the stream ended inside an item', this.#held);
    this.#reset();
  }

  #step(code: number): void {
    if (this.#inString) {
      if (this.#escaped) this.#escaped = false;
      else if (code === BACKSLASH) this.#escaped = true;
      else if (code === QUOTE) this.#inString = false;
    } else if (this.#depth === 0) {
      if (code === OPEN) this.#depth = 1;
    } else if (code === QUOTE) this.#inString = true;
    else if (code === OPEN || code === OPEN_LIST) this.#depth += 1;
    else if (code === CLOSE || code === CLOSE_LIST) this.#depth -= 1;
  }

  #hold(text: string): void {
    this.#held += text;
    if (this.#held.length <= MAX_ITEM_CHARACTERS) return;
    this.#reset();
    this.#sink.fault('an item was too large', '');
  }

  #reset(): void {
    this.#held = '';
    this.#depth = 0;
    this.#inString = false;
    this.#escaped = false;
  }
}
