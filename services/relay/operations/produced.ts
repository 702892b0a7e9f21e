import { KeptText, type Received } from '../usage/received.ts';

/** What an upstream has given of an answer that may be no text. */
export class Produced implements Received {
  readonly finishReason = null;
  readonly finished = false;
  readonly #text = new KeptText();
  #delivered = false;
  #atLeast = 0;

  get isEmpty(): boolean {
    return !this.#delivered;
  }

  /** `tokens`: what it is at least, where no text can be counted. */
  deliver(text: string, tokens: number): void {
    this.#delivered = true;
    this.#text.add(text);
    this.#atLeast += tokens;
  }

  toCount(): { text: string; scale: number; atLeast: number } {
    return { ...this.#text.toCount(), atLeast: this.#atLeast };
  }
}
