import type { Emit, StreamDecoder } from '../../canonical/answer.ts';
import type { UpstreamProtocol } from '../../canonical/crossing.ts';
import { isEventStream } from '../../wire/contentType.ts';
import { SseEvents } from '../../wire/sseEvents.ts';
import { AnswerEvents, excerptOf, parseMessage } from './answerEvents.ts';
import { askedBody } from './askedBody.ts';
import { apiErrorText } from './errorEvents.ts';
import { messagesRequest } from './headers.ts';

/** Anthropic Messages, for clients of other dialects. */
export const claudeProtocol: UpstreamProtocol = {
  ask: (prompt, channel) => messagesRequest(Buffer.from(JSON.stringify(askedBody(prompt, channel))), prompt.streamed),
  decoder: (emit) => new MessageDecoder(emit),
  streams: isEventStream,
  whole(text, emit) {
    const events = new AnswerEvents(emit);
    const message = parseMessage(text);
    if (message) events.takeWhole(message);
    else events.fail(excerptOf(text));
  },
};

/** Only `message_stop` makes an answer whole; a `[DONE]` that some relays add says nothing. */
class MessageDecoder implements StreamDecoder {
  readonly #events: SseEvents;

  constructor(emit: Emit) {
    const answer = new AnswerEvents(emit);
    this.#events = new SseEvents({
      event: (name, data) => answer.take(name, data),
      done: () => undefined,
      fault: (message, text) => answer.fail(text === undefined ? apiErrorText(message) : excerptOf(text)),
    });
  }

  feed(chunk: Buffer): void {
    this.#events.feed(chunk);
  }

  end(): void {
    this.#events.end();
  }
}
