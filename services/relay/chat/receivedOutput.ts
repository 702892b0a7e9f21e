/** Characters kept for counting; the rest of a longer answer is extrapolated from them. */
const KEPT_CHARACTERS = 262_144;

interface Choice {
  readonly finish_reason?: unknown;
  readonly delta?: unknown;
  readonly message?: unknown;
}

/**
 * Folds what an upstream has sent into what an estimate needs: its text, and how many pieces it came in.
 * It exists so that a call that ends without reported usage is neither free nor invented. Never stored.
 */
export class ReceivedOutput {
  #pieces: string[] = [];
  #kept = 0;
  #characters = 0;
  #deltas = 0;
  #finishReason: string | null = null;
  readonly #reasoningField: string;

  constructor(reasoningField: string) {
    this.#reasoningField = reasoningField;
  }

  /** Takes the choices of an answer or of one chunk. Returns whether they carried content. */
  add(choices: unknown): boolean {
    if (!Array.isArray(choices)) return false;
    let carried = false;
    for (const choice of choices as readonly Choice[]) {
      if (typeof choice.finish_reason === 'string') this.#finishReason = choice.finish_reason;
      if (this.#addContent(choice.delta ?? choice.message)) carried = true;
    }
    if (carried) this.#deltas += 1;
    return carried;
  }

  /** The last `finish_reason` seen. */
  get finishReason(): string | null {
    return this.#finishReason;
  }

  /** Content has arrived, so an answer that costs nothing would be wrong. */
  get isEmpty(): boolean {
    return this.#deltas === 0;
  }

  /** The kept text, the factor to scale its tokens by, and a floor: a delta is at least one token. */
  toCount(): { text: string; scale: number; atLeast: number } {
    return {
      text: this.#pieces.join(''),
      scale: this.#kept === 0 ? 1 : this.#characters / this.#kept,
      atLeast: this.#deltas,
    };
  }

  #addContent(content: unknown): boolean {
    if (typeof content !== 'object' || content === null) return false;
    const fields = content as Record<string, unknown>;
    let carried = false;
    for (const field of ['content', 'refusal', this.#reasoningField]) {
      const text = fields[field];
      if (typeof text === 'string' && text !== '') {
        this.#keep(text);
        carried = true;
      }
    }
    if (fields['tool_calls'] !== undefined && fields['tool_calls'] !== null) {
      this.#keep(toolText(fields['tool_calls']));
      carried = true;
    }
    return carried;
  }

  #keep(text: string): void {
    this.#characters += text.length;
    if (this.#kept >= KEPT_CHARACTERS) return;
    this.#pieces.push(text);
    this.#kept += text.length;
  }
}

interface ToolCall {
  readonly function?: { readonly name?: unknown; readonly arguments?: unknown };
}

/** Names and arguments are what a model generates of a tool call. */
function toolText(calls: unknown): string {
  if (!Array.isArray(calls)) return '';
  return (calls as readonly ToolCall[])
    .flatMap((call) => [call.function?.name, call.function?.arguments])
    .filter((part) => typeof part === 'string')
    .join('');
}
