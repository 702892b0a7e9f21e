import { KeptText, type Received } from '../usage/received.ts';
import type { AnswerEvent } from './answer.ts';

/** Folds the events of an answer into what billing needs to know of it. */
export class ReceivedEvents implements Received {
  readonly #text = new KeptText();
  readonly #finished = new Map<number, boolean>();
  #pieces = 0;
  #finishReason: string | null = null;

  add(event: AnswerEvent): void {
    switch (event.type) {
      case 'text':
      case 'refusal':
      case 'thinking':
        this.#addText(event.choice, event.text);
        return;
      case 'toolStart':
        this.#addText(event.choice, event.name);
        return;
      case 'toolArguments':
        this.#addText(event.choice, event.json);
        return;
      case 'redactedThinking':
      case 'image':
        this.#begin(event.choice);
        this.#pieces += 1;
        return;
      case 'finish':
        this.#finishReason = event.reason;
        this.#finished.set(event.choice, true);
        return;
      case 'start':
      case 'session':
      case 'signature':
      case 'toolEnd':
      case 'usage':
      case 'failed':
      case 'end':
        return;
    }
  }

  get isEmpty(): boolean {
    return this.#pieces === 0;
  }

  get finished(): boolean {
    return this.#finished.size > 0 && [...this.#finished.values()].every(Boolean);
  }

  get finishReason(): string | null {
    return this.#finishReason;
  }

  toCount(): { text: string; scale: number; atLeast: number } {
    return { ...this.#text.toCount(), atLeast: this.#pieces };
  }

  #addText(choice: number, text: string): void {
    this.#begin(choice);
    if (text === '') return;
    this.#text.add(text);
    this.#pieces += 1;
  }

  #begin(choice: number): void {
    if (!this.#finished.has(choice)) this.#finished.set(choice, false);
  }
}
