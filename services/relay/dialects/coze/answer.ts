import type { UpstreamRequest } from '../../call.ts';
import type { Emit, StreamDecoder } from '../../canonical/answer.ts';
import { isObject, textIn, type Json } from '../../wire/json.ts';
import { SseEvents } from '../../wire/sseEvents.ts';
import { AgentAnswer, agentUsage, statedError, tokenCount } from '../agentAnswer.ts';
import { cozeError } from './errors.ts';

/**
 * Reads the stream of a chat: the deltas of messages of type `answer`, and the whole of those that had no deltas. Where
 * a bot sends several messages, a blank line parts them. Not carried: the bot's own calls of tools, suggested questions,
 * cards and speech. A bot that wants the outputs of tools fails.
 */
export class CozeDecoder implements StreamDecoder {
  readonly #answer: AgentAnswer;
  readonly #events: SseEvents;
  /** Messages that came in pieces: their last event repeats the whole text. */
  readonly #inPieces = new Set<string>();
  #chat = '';
  #conversation = '';
  #speaking: string | null = null;
  /** It has ended by itself, so there is nothing to cancel. */
  #ended = false;

  constructor(emit: Emit) {
    this.#answer = new AgentAnswer(emit);
    this.#events = new SseEvents({
      event: (name, data) => this.#event(name, data),
      done: () => this.#answer.end(),
      fault: (message) => this.#answer.fault(message),
    });
  }

  feed(chunk: Buffer): void {
    this.#events.feed(chunk);
  }

  end(): void {
    this.#events.end();
    this.#answer.end();
  }

  stopRequest(): UpstreamRequest | null {
    if (this.#chat === '' || this.#conversation === '' || this.#ended) return null;
    return {
      method: 'POST',
      path: '/v3/chat/cancel',
      headers: { 'content-type': 'application/json' },
      body: Buffer.from(JSON.stringify({ conversation_id: this.#conversation, chat_id: this.#chat })),
    };
  }

  #event(name: string | null, data: Json): void {
    switch (name) {
      case 'conversation.chat.created':
      case 'conversation.chat.in_progress':
        this.#begin(textIn(data['id']), data);
        return;
      case 'conversation.message.delta':
        this.#piece(data);
        return;
      case 'conversation.message.completed':
        this.#message(data);
        return;
      case 'conversation.chat.completed':
        this.#completed(data);
        return;
      case 'conversation.chat.failed':
        this.#fail(cozeError(isObject(data['last_error']) ? data['last_error'] : {}));
        return;
      case 'conversation.chat.canceled':
        this.#fail(statedError('The chat was cancelled.'));
        return;
      case 'conversation.chat.requires_action':
        this.#answer.failed(WANTS_TOOL_OUTPUTS);
        return;
      case 'done':
        this.#answer.end();
        return;
      case 'error':
        this.#fail(cozeError(data));
        return;
      case null:
        if (Number(data['code'] ?? 0) !== 0) this.#fail(cozeError(data));
    }
  }

  #fail(error: string): void {
    this.#ended = true;
    this.#answer.failed(error);
  }

  #begin(chat: string, data: Json): void {
    this.#chat = chat || this.#chat;
    this.#conversation = textIn(data['conversation_id']) || this.#conversation;
    this.#answer.start(this.#chat, '');
    this.#answer.session(this.#conversation);
  }

  #piece(data: Json): void {
    this.#begin(textIn(data['chat_id']), data);
    if (data['type'] !== 'answer') return;
    this.#inPieces.add(textIn(data['id']));
    this.#say(data);
  }

  #message(data: Json): void {
    this.#begin(textIn(data['chat_id']), data);
    if (data['type'] === 'answer' && !this.#inPieces.has(textIn(data['id']))) this.#say(data);
  }

  #say(data: Json): void {
    this.#answer.thinking(textIn(data['reasoning_content']));
    const text = textIn(data['content']);
    if (text === '') return;
    const message = textIn(data['id']);
    const follows = this.#speaking !== null && this.#speaking !== message;
    this.#speaking = message;
    this.#answer.text(follows ? `\n\n${text}` : text);
  }

  #completed(data: Json): void {
    this.#begin(textIn(data['id']), data);
    this.#ended = true;
    this.#answer.finish('stop');
    const usage = isObject(data['usage']) ? data['usage'] : {};
    this.#answer.usage(
      agentUsage(tokenCount(usage['input_count']), tokenCount(usage['output_count']), tokenCount(usage['token_count'])),
    );
  }
}

const WANTS_TOOL_OUTPUTS = statedError('The bot wants the outputs of tools, which cannot be carried.', 400);
