import type { Billed } from '../../call.ts';
import type { AnswerChoice, AnswerEvent, FinishReason, StreamEncoder } from '../../canonical/answer.ts';
import type { ClientWriter, WriteContext } from '../../canonical/crossing.ts';
import { usageCounts } from '../../usage/usageCost.ts';
import { writtenFinish } from '../openai/finishReasons.ts';
import { GATEWAY_FACE } from './face.ts';

interface WriterSetting {
  readonly streamed: boolean;
  /** Our name for the conversation; the `id` of whatever the client gets. */
  readonly sessionId: string;
}

/**
 * Writes OpenAI's shapes with the session's id: whole answers bare, streams as chunks with the usage on the last finish
 * chunk, then `[DONE]`. Thinking is `reasoning_content`, a refusal is content. Dropped, since no agent platform gives
 * them: tool calls (their finish is `stop`) and images.
 */
export function gatewayWriter({ streamed, sessionId }: WriterSetting): ClientWriter {
  return {
    face: GATEWAY_FACE,
    streamed,
    encoder: (context) => new GatewayEncoder(sessionId, context),
    whole: (answer, billed, context) =>
      JSON.stringify({
        ...head(sessionId, 'chat.completion', context),
        usage: usageCounts(billed.usage),
        choices: answer.choices.map((choice, index) => ({
          message: messageOf(choice),
          finish_reason: finishWord(choice.finish, refusalIn(choice)),
          index,
        })),
      }),
  };
}

class GatewayEncoder implements StreamEncoder {
  readonly #head: object;
  readonly #finishes = new Map<number, FinishReason>();
  readonly #opened = new Set<number>();
  readonly #refused = new Set<number>();

  constructor(sessionId: string, context: WriteContext) {
    this.#head = head(sessionId, 'chat.completion.chunk', context);
  }

  write(event: AnswerEvent): string {
    switch (event.type) {
      case 'refusal':
        this.#refused.add(event.choice);
        return this.#piece(event.choice, 'content', event.text);
      case 'text':
        return this.#piece(event.choice, 'content', event.text);
      case 'thinking':
        return this.#piece(event.choice, 'reasoning_content', event.text);
      case 'finish':
        this.#finishes.set(event.choice, event.reason);
        return '';
      case 'start':
      case 'session':
      case 'signature':
      case 'redactedThinking':
      case 'toolStart':
      case 'toolArguments':
      case 'toolEnd':
      case 'image':
      case 'usage':
      case 'failed':
      case 'end':
        return '';
    }
  }

  ending(billed: Billed): string {
    const choices = [...new Set([0, ...this.#opened, ...this.#finishes.keys()])].sort((left, right) => left - right);
    const last = choices.length - 1;
    const finishes = choices.map((index, place) => {
      const delta = this.#opened.has(index) ? {} : { role: 'assistant', content: '' };
      const finish_reason = finishWord(this.#finishes.get(index) ?? 'stop', this.#refused.has(index));
      const usage = place === last ? { usage: usageCounts(billed.usage) } : {};
      return this.#event({ choices: [{ index, delta, finish_reason }], ...usage });
    });
    return `${finishes.join('')}data: [DONE]\n\n`;
  }

  #piece(index: number, member: string, text: string): string {
    if (text === '') return '';
    const opening = this.#opened.has(index) ? {} : { role: 'assistant' };
    this.#opened.add(index);
    return this.#event({ choices: [{ index, delta: { ...opening, [member]: text }, finish_reason: null }] });
  }

  #event(rest: object): string {
    return `data: ${JSON.stringify({ ...this.#head, ...rest })}\n\n`;
  }
}

function head(id: string, object: string, { createdAt, model }: WriteContext): object {
  return { id, object, created: createdAt, model };
}

function messageOf({ parts }: AnswerChoice): object {
  let content = '';
  let thinking = '';
  for (const part of parts) {
    if (part.type === 'text' || part.type === 'refusal') content += part.text;
    else if (part.type === 'thinking') thinking += part.text;
  }
  return { role: 'assistant', content, ...(thinking !== '' && { reasoning_content: thinking }) };
}

function refusalIn({ parts }: AnswerChoice): boolean {
  return parts.some((part) => part.type === 'refusal');
}

function finishWord(reason: FinishReason, refused: boolean): string {
  return writtenFinish(reason, { calledTools: false, refused });
}
