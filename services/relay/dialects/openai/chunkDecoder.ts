import type { Emit, StreamDecoder } from '../../canonical/answer.ts';
import type { ChannelQuirks } from '../../ports.ts';
import type { Json } from '../../wire/json.ts';
import { SseEvents } from '../../wire/sseEvents.ts';
import { AnswerEvents } from './answerEvents.ts';

/** Reads a chat stream. Whether an end without `[DONE]` is whole depends on the finish reasons that were seen. */
export class ChunkDecoder implements StreamDecoder {
  readonly #answer: AnswerEvents;
  readonly #events: SseEvents;

  constructor(emit: Emit, quirks: ChannelQuirks) {
    const answer = new AnswerEvents(emit, quirks);
    this.#answer = answer;
    this.#events = new SseEvents({
      event: (name, data) => this.#take(name, data),
      done: () => answer.whole(),
      fault: (message) => answer.fail(JSON.stringify({ error: { message } })),
    });
  }

  feed(chunk: Buffer): void {
    this.#events.feed(chunk);
  }

  end(): void {
    this.#events.end();
  }

  #take(name: string | null, data: Json): void {
    if (name === 'error') this.#answer.fail(JSON.stringify({ error: data['error'] ?? data }));
    else this.#answer.take(data);
  }
}
