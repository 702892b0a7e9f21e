import { isObject, textIn, type Json } from '../../wire/json.ts';
import { KeptText, type Received } from '../../usage/received.ts';

/** Members in which blocks and their deltas hold what a model wrote. */
const WRITTEN = ['text', 'thinking', 'name', 'partial_json'] as const;

/** Folds the blocks of an answer, whatever their types, into what billing needs to know of it. */
export class ReceivedBlocks implements Received {
  readonly #text = new KeptText();
  #pieces = 0;
  #finishReason: string | null = null;

  get isEmpty(): boolean {
    return this.#pieces === 0;
  }

  get finished(): boolean {
    return this.#finishReason !== null;
  }

  get finishReason(): string | null {
    return this.#finishReason;
  }

  toCount(): { text: string; scale: number; atLeast: number } {
    return { ...this.#text.toCount(), atLeast: this.#pieces };
  }

  /** A block as it begins or as a whole, or a delta of one. */
  add(piece: unknown): void {
    if (!isObject(piece)) return;
    const before = this.#text.characters;
    for (const member of WRITTEN) this.#text.add(textIn(piece[member]));
    this.#text.add(inputText(piece['input']));
    if (this.#text.characters > before || piece['type'] === 'redacted_thinking') this.#pieces += 1;
  }

  stop(reason: unknown): void {
    if (typeof reason === 'string') this.#finishReason = reason;
  }
}

function inputText(input: unknown): string {
  return isObject(input) && Object.keys(input).length > 0 ? JSON.stringify(input satisfies Json) : '';
}
