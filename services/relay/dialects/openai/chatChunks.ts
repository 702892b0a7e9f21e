import type { Billed } from '../../call.ts';
import type { AnswerEvent, FinishReason, StreamEncoder } from '../../canonical/answer.ts';
import type { WriteContext } from '../../canonical/crossing.ts';
import { answerId, toolCallId } from './answerIds.ts';
import { withBilledUsage } from './billedUsage.ts';
import { asDataUri } from '../../wire/dataUri.ts';
import { writtenFinish } from './finishReasons.ts';

type Event<Type extends AnswerEvent['type']> = Extract<AnswerEvent, { type: Type }>;

interface Choice {
  /** The client has its role. */
  opened: boolean;
  calledTools: boolean;
  refused: boolean;
  /** The open call has sent some arguments. */
  hasArguments: boolean;
  finish: FinishReason;
}

export interface ChunkRules {
  readonly usageWanted: boolean;
  /** Calls are written as the one `function_call` that came before tools. */
  readonly functions: boolean;
}

/** Writes an answer as chat completion chunks. All of them have one id and one time. */
export class ChatChunks implements StreamEncoder {
  readonly #rules: ChunkRules;
  readonly #context: WriteContext;
  readonly #choices = new Map<number, Choice>();
  #upstreamId: string | null = null;
  #toolCalls = 0;

  constructor(rules: ChunkRules, context: WriteContext) {
    this.#rules = rules;
    this.#context = context;
  }

  write(event: AnswerEvent): string {
    switch (event.type) {
      case 'start':
        this.#upstreamId = event.id;
        return '';
      case 'text':
        return event.text === '' ? '' : this.#delta(event.choice, { content: event.text });
      case 'refusal':
        return event.text === '' ? '' : this.#refusal(event);
      case 'thinking':
        return event.text === '' ? '' : this.#delta(event.choice, { reasoning_content: event.text });
      case 'toolStart':
        return this.#toolStart(event);
      case 'toolArguments':
        return this.#toolArguments(event);
      case 'toolEnd':
        return this.#toolEnd(event);
      case 'image':
        return this.#delta(event.choice, { images: [{ type: 'image_url', image_url: { url: asDataUri(event) } }] });
      case 'finish':
        this.#choice(event.choice).finish = event.reason;
        return '';
      case 'session':
      case 'signature':
      case 'redactedThinking':
      case 'usage':
      case 'failed':
      case 'end':
        return '';
    }
  }

  /** A finish chunk for every choice, at least one; the usage that was asked for; `[DONE]`. */
  ending(billed: Billed): string {
    if (this.#choices.size === 0) this.#choice(0);
    const finishes = [...this.#choices].map(([index, choice]) => {
      const reason = writtenFinish(choice.finish, choice);
      const asFunction = this.#rules.functions && reason === 'tool_calls';
      return this.#open(index) + this.#chunk(index, {}, asFunction ? 'function_call' : reason);
    });
    return `${finishes.join('')}${this.#usage(billed)}data: [DONE]\n\n`;
  }

  #usage(billed: Billed): string {
    if (!this.#rules.usageWanted) return '';
    return `data: ${withBilledUsage({ ...this.#template(), choices: [] }, billed)}\n\n`;
  }

  /** The role, unless the choice has begun. */
  #open(index: number): string {
    const choice = this.#choice(index);
    if (choice.opened) return '';
    choice.opened = true;
    return this.#chunk(index, { role: 'assistant', content: '' }, null);
  }

  #choice(index: number): Choice {
    let choice = this.#choices.get(index);
    if (!choice) {
      choice = { opened: false, calledTools: false, refused: false, hasArguments: false, finish: 'stop' };
      this.#choices.set(index, choice);
    }
    return choice;
  }

  #delta(index: number, delta: object): string {
    return this.#open(index) + this.#chunk(index, delta, null);
  }

  #refusal({ choice, text }: Event<'refusal'>): string {
    this.#choice(choice).refused = true;
    return this.#delta(choice, { refusal: text });
  }

  #toolStart({ choice, call, id, name, signature }: Event<'toolStart'>): string {
    const opening = this.#open(choice);
    const state = this.#choice(choice);
    state.calledTools = true;
    state.hasArguments = false;
    const started = { name, arguments: '' };
    if (this.#rules.functions) return opening + this.#call(choice, call, { function_call: started });
    const toolCall = {
      index: call,
      id: id ?? toolCallId(this.#context.requestId, this.#toolCalls),
      type: 'function',
      function: started,
      ...(signature !== undefined && { extra_content: { google: { thought_signature: signature } } }),
    };
    this.#toolCalls += 1;
    return opening + this.#call(choice, call, { tool_calls: [toolCall] });
  }

  #toolArguments({ choice, call, json }: Event<'toolArguments'>): string {
    if (json === '') return '';
    const opening = this.#open(choice);
    this.#choice(choice).hasArguments = true;
    const piece = { arguments: json };
    const delta = this.#rules.functions ? { function_call: piece } : { tool_calls: [{ index: call, function: piece }] };
    return opening + this.#call(choice, call, delta);
  }

  /** Clients parse the arguments of every call, so a call without any has an empty object. */
  #toolEnd({ choice, call }: Event<'toolEnd'>): string {
    if (this.#choice(choice).hasArguments) return '';
    return this.#toolArguments({ type: 'toolArguments', choice, call, json: '{}' });
  }

  /** A client of functions was promised one call; it could not tell a second one from it. */
  #call(choice: number, call: number, delta: object): string {
    return this.#rules.functions && call > 0 ? '' : this.#chunk(choice, delta, null);
  }

  #chunk(index: number, delta: object, finish: string | null): string {
    const chunk = { ...this.#template(), choices: [{ index, delta, finish_reason: finish }] };
    return `data: ${JSON.stringify(this.#rules.usageWanted ? { ...chunk, usage: null } : chunk)}\n\n`;
  }

  #template() {
    const { requestId, createdAt: created, model } = this.#context;
    const id = answerId('chatcmpl-', this.#upstreamId, requestId);
    return { id, object: 'chat.completion.chunk', created, model };
  }
}
