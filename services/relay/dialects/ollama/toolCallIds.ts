import { ApiError } from '../../../http/errors.ts';
import type { OllamaMessage } from './request.ts';

interface Call {
  readonly id: string;
  readonly name: string;
  answered: boolean;
}

/**
 * Ids for the tool calls of a conversation. Ollama's clients may leave them out and answer by name, in the order of the
 * calls; other providers pair calls and results by id.
 */
export class ToolCallIds {
  readonly #calls: Call[] = [];
  readonly #taken: ReadonlySet<string>;
  #made = 0;

  /** `messages`: the whole conversation, so that no id is made that a later call has. */
  constructor(messages: readonly OllamaMessage[]) {
    const stated = messages.flatMap(({ tool_calls: calls }) => (calls ?? []).map(({ id }) => id));
    this.#taken = new Set(stated.filter((id) => typeof id === 'string'));
  }

  /** The id of a call, made where it has none. */
  called(stated: string | null, name: string): string {
    const id = stated || this.#unused();
    this.#calls.push({ id, name, answered: false });
    return id;
  }

  /**
   * The call that a tool message answers: the one of its id, else the first unanswered one of its name, else the first
   * unanswered one. Throws ApiError when there is none.
   */
  answered({ tool_call_id: id, tool_name: name }: OllamaMessage): { readonly id: string; readonly name: string } {
    const open = this.#calls.filter(({ answered }) => !answered);
    const call = id
      ? this.#calls.findLast((earlier) => earlier.id === id)
      : open.find((earlier) => !name || earlier.name === name);
    if (!call) {
      throw new ApiError('invalid_request', {
        detail: 'messages: a tool result answers no earlier tool call',
        param: 'messages',
      });
    }
    call.answered = true;
    return { id: call.id, name: call.name };
  }

  #unused(): string {
    let id: string;
    do {
      id = `call_${this.#made.toString()}`;
      this.#made += 1;
    } while (this.#taken.has(id));
    return id;
  }
}
