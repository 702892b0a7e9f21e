/** What an upstream has sent of an answer, as far as billing needs it. */
export interface Received {
  /** No content has arrived. Once some has, an answer that costs nothing would be wrong. */
  readonly isEmpty: boolean;
  /** Every choice that began has its finish reason, so nothing but usage can follow. */
  readonly finished: boolean;
  /** The last finish reason, as the provider spells it. */
  readonly finishReason: string | null;
  /** The kept text, the factor to scale its tokens by, and a floor: a piece is at least one token. */
  toCount(): { readonly text: string; readonly scale: number; readonly atLeast: number };
}

/** Characters kept for counting; the rest of a longer answer is extrapolated from them. */
const KEPT_CHARACTERS = 262_144;

/** So many pieces are kept before they are joined. */
const MAX_PIECES = 64;

/**
 * The text of an answer, kept so that a call that ends without reported usage is neither free nor invented. Never stored.
 */
export class KeptText {
  /** Joined pieces: a piece alone may be a slice that keeps a whole network chunk alive. */
  readonly #joined: string[] = [];
  #pieces: string[] = [];
  #kept = 0;
  #characters = 0;

  /** Of everything, kept or not. */
  get characters(): number {
    return this.#characters;
  }

  add(text: string): void {
    if (text === '') return;
    this.#characters += text.length;
    const room = KEPT_CHARACTERS - this.#kept;
    if (room <= 0) return;
    const kept = text.length <= room ? text : text.slice(0, room);
    this.#kept += kept.length;
    if (this.#pieces.push(kept) < MAX_PIECES) return;
    this.#joined.push(this.#pieces.join(''));
    this.#pieces = [];
  }

  toCount(): { text: string; scale: number } {
    return {
      text: this.#joined.join('') + this.#pieces.join(''),
      scale: this.#kept === 0 ? 1 : this.#characters / this.#kept,
    };
  }
}
