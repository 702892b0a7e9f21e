import type { AnswerChoice, AnswerEvent, AnswerPart, ChatAnswer } from './answer.ts';

type Writable<Value> = Value extends unknown ? { -readonly [Member in keyof Value]: Value[Member] } : never;
type Draft = Writable<AnswerPart>;
type Open = Writable<Omit<AnswerChoice, 'parts'>> & { readonly parts: Draft[] };

/** Folds the events of an answer into the whole of it. */
export class CollectedAnswer {
  #id: string | null = null;
  #model: string | null = null;
  readonly #choices = new Map<number, Open>();

  add(event: AnswerEvent): void {
    switch (event.type) {
      case 'start':
        this.#id = event.id;
        this.#model = event.model;
        return;
      case 'text':
      case 'refusal':
        this.#addText(event.choice, event.type, event.text);
        return;
      case 'thinking':
        this.#addThinking(event.choice, event.text);
        return;
      case 'signature': {
        const last = this.#choice(event.choice).parts.at(-1);
        if (last?.type === 'thinking') last.signature = event.signature;
        else this.#push(event.choice, { type: 'thinking', text: '', signature: event.signature });
        return;
      }
      case 'redactedThinking':
        this.#push(event.choice, { type: 'redactedThinking', data: event.data });
        return;
      case 'toolStart': {
        const { id, name, signature = null } = event;
        this.#push(event.choice, { type: 'toolCall', id, name, arguments: '', signature });
        return;
      }
      case 'toolArguments': {
        const last = this.#choice(event.choice).parts.at(-1);
        if (last?.type === 'toolCall') last.arguments += event.json;
        return;
      }
      case 'image':
        this.#push(event.choice, { type: 'image', mime: event.mime, data: event.data });
        return;
      case 'finish': {
        const choice = this.#choice(event.choice);
        choice.finish = event.reason;
        choice.stopSequence = event.stopSequence;
        return;
      }
      case 'session':
      case 'toolEnd':
      case 'usage':
      case 'failed':
      case 'end':
        return;
    }
  }

  answer(): ChatAnswer {
    this.#choice(0);
    const choices = [...this.#choices].sort(([left], [right]) => left - right).map(([, choice]) => whole(choice));
    return { id: this.#id, model: this.#model, choices };
  }

  #addText(choice: number, type: 'text' | 'refusal', text: string): void {
    const last = this.#choice(choice).parts.at(-1);
    if (last?.type === type) last.text += text;
    else this.#push(choice, { type, text });
  }

  /** Thinking after its signature is another block. */
  #addThinking(choice: number, text: string): void {
    const last = this.#choice(choice).parts.at(-1);
    if (last?.type === 'thinking' && last.signature === null) last.text += text;
    else this.#push(choice, { type: 'thinking', text, signature: null });
  }

  #push(choice: number, part: Draft): void {
    this.#choice(choice).parts.push(part);
  }

  #choice(index: number): Open {
    let choice = this.#choices.get(index);
    if (!choice) {
      choice = { parts: [], finish: 'stop', stopSequence: null };
      this.#choices.set(index, choice);
    }
    return choice;
  }
}

function whole({ parts, ...rest }: Open): AnswerChoice {
  return {
    ...rest,
    parts: parts
      .filter((part) => part.type !== 'text' || part.text !== '')
      .map((part) => (part.type === 'toolCall' && part.arguments === '' ? { ...part, arguments: '{}' } : part)),
  };
}
