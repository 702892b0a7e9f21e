import { KeptText, type Received } from '../../usage/received.ts';

/**
 * Folds what an upstream has sent into what an estimate needs: its text, and how many pieces it came in.
 * It exists so that a call that ends without reported usage is neither free nor invented. Never stored.
 */
export class ReceivedOutput implements Received {
  readonly reasoningField: string;
  readonly #text = new KeptText();
  #deltas = 0;
  #finishReason: string | null = null;
  /** Whether each choice that began has ended. */
  readonly #endOfChoice = new Map<unknown, boolean>();
  #unfinished = 0;

  constructor(reasoningField: string) {
    this.reasoningField = reasoningField;
  }

  /** Takes the choices of an answer or of one chunk. Returns whether they carried content. */
  add(choices: unknown): boolean {
    if (!Array.isArray(choices)) return false;
    let carried = false;
    for (const choice of choices) {
      if (!isObject(choice)) continue;
      this.#follow(choice['index'] ?? 0, choice['finish_reason']);
      if (this.#addContent(choice['delta'] ?? choice['message'])) carried = true;
    }
    if (carried) this.#deltas += 1;
    return carried;
  }

  /** Takes a chunk of choices that have begun, of which nothing but this text is new. */
  addText(text: string): void {
    if (text === '') return;
    this.#text.add(text);
    this.#deltas += 1;
  }

  /** The last `finish_reason` seen. */
  get finishReason(): string | null {
    return this.#finishReason;
  }

  /** Every choice that began has its `finish_reason`, so nothing but usage can follow. */
  get finished(): boolean {
    return this.#endOfChoice.size > 0 && this.#unfinished === 0;
  }

  /** No content has arrived. Once some has, an answer that costs nothing would be wrong. */
  get isEmpty(): boolean {
    return this.#deltas === 0;
  }

  /** The kept text, the factor to scale its tokens by, and a floor: a delta is at least one token. */
  toCount(): { text: string; scale: number; atLeast: number } {
    return { ...this.#text.toCount(), atLeast: this.#deltas };
  }

  #follow(index: unknown, finishReason: unknown): void {
    const ended = this.#endOfChoice.get(index);
    if (typeof finishReason === 'string') {
      this.#finishReason = finishReason;
      if (ended === false) this.#unfinished -= 1;
      this.#endOfChoice.set(index, true);
    } else if (ended === undefined) {
      this.#unfinished += 1;
      this.#endOfChoice.set(index, false);
    }
  }

  #addContent(content: unknown): boolean {
    if (!isObject(content)) return false;
    const before = this.#text.characters;
    this.#text.add(textOf(content['content']));
    this.#text.add(textOf(content['refusal']));
    this.#text.add(textOf(content[this.reasoningField]));
    const calls: unknown = content['tool_calls'];
    if (Array.isArray(calls))
      for (const call of calls) this.#text.add(callText(isObject(call) ? call['function'] : null));
    this.#text.add(callText(content['function_call']));
    if (isObject(content['audio'])) this.#text.add(textOf(content['audio']['transcript']));
    return this.#text.characters > before || carriesMedia(content);
  }
}

/** The text of a string or of a list of parts; a part may hold a list itself, as Mistral's `thinking` does. */
function textOf(value: unknown, levels = 2): string {
  if (typeof value === 'string') return value;
  if (!Array.isArray(value) || levels === 0) return '';
  return value.map((part) => (isObject(part) ? textOf(part['text'] ?? part['thinking'], levels - 1) : '')).join('');
}

/** Name and arguments are what a model generates of a tool call. */
function callText(call: unknown): string {
  return isObject(call) ? textOf(call['name']) + textOf(call['arguments']) : '';
}

/** Audio and images have no text to count, and yet are output. */
function carriesMedia(content: Record<string, unknown>): boolean {
  const { audio, images } = content;
  return (isObject(audio) && Boolean(audio['data'])) || (Array.isArray(images) && images.length > 0);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}
