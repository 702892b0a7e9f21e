import type { Billed } from '../../call.ts';
import type { AnswerEvent, ChatAnswer, FinishReason, StreamEncoder } from '../../canonical/answer.ts';
import type { ClientWriter, WriteContext } from '../../canonical/crossing.ts';
import { answerId } from '../openai/answerIds.ts';
import { withBilledUsage } from '../openai/billedUsage.ts';
import { OPENAI_FACE } from '../openai/face.ts';
import { writtenFinish } from '../openai/finishReasons.ts';

export interface CompletionsWriting {
  readonly streamed: boolean;
  readonly usageWanted: boolean;
  /** The client's name for the model. */
  readonly model: string;
}

/**
 * Writes answers as text completions. A refusal is text. Dropped: thinking, images, and tool calls, which nobody asked
 * for.
 */
export function completionsWriter({ streamed, usageWanted, model }: CompletionsWriting): ClientWriter {
  return {
    face: OPENAI_FACE,
    streamed,
    encoder: (context) => new CompletionChunks(usageWanted, { ...context, model }),
    whole: (answer, billed, context) => wholeCompletion(answer, billed, { ...context, model }),
  };
}

function wholeCompletion(answer: ChatAnswer, billed: Billed, context: WriteContext): string {
  const choices = answer.choices.map(({ parts, finish }, index) => {
    const texts = parts.map((part) => (part.type === 'text' || part.type === 'refusal' ? part.text : ''));
    const refused = parts.some((part) => part.type === 'refusal');
    return asChoice(index, texts.join(''), finishOf(finish, refused));
  });
  return withBilledUsage({ ...template(answer.id, context), choices }, billed);
}

/** Chunks have the same shape as the whole. */
class CompletionChunks implements StreamEncoder {
  readonly #usageWanted: boolean;
  readonly #context: WriteContext;
  readonly #finishes = new Map<number, FinishReason>();
  readonly #refused = new Set<number>();
  #upstreamId: string | null = null;

  constructor(usageWanted: boolean, context: WriteContext) {
    this.#usageWanted = usageWanted;
    this.#context = context;
  }

  write(event: AnswerEvent): string {
    if (event.type === 'start') this.#upstreamId = event.id;
    if (event.type === 'finish') this.#finishes.set(event.choice, event.reason);
    if (event.type !== 'text' && event.type !== 'refusal') return '';
    if (event.text === '') return '';
    if (event.type === 'refusal') this.#refused.add(event.choice);
    if (!this.#finishes.has(event.choice)) this.#finishes.set(event.choice, 'stop');
    return this.#chunk(asChoice(event.choice, event.text, null));
  }

  ending(billed: Billed): string {
    if (this.#finishes.size === 0) this.#finishes.set(0, 'stop');
    const finishes = [...this.#finishes].map(([index, reason]) =>
      this.#chunk(asChoice(index, '', finishOf(reason, this.#refused.has(index)))),
    );
    const usage = this.#usageWanted ? `data: ${withBilledUsage({ ...this.#template(), choices: [] }, billed)}\n\n` : '';
    return `${finishes.join('')}${usage}data: [DONE]\n\n`;
  }

  #chunk(choice: object): string {
    const chunk = { ...this.#template(), choices: [choice] };
    return `data: ${JSON.stringify(this.#usageWanted ? { ...chunk, usage: null } : chunk)}\n\n`;
  }

  #template() {
    return template(this.#upstreamId, this.#context);
  }
}

function template(upstreamId: string | null, { requestId, createdAt: created, model }: WriteContext) {
  return { id: answerId('cmpl-', upstreamId, requestId), object: 'text_completion', created, model };
}

function asChoice(index: number, text: string, finish: string | null) {
  return { text, index, logprobs: null, finish_reason: finish };
}

/** This dialect has no tool calls. */
function finishOf(reason: FinishReason, refused: boolean): string {
  return writtenFinish(reason, { calledTools: false, refused });
}
