import type { Emit, StreamDecoder } from '../../canonical/answer.ts';
import type { UpstreamProtocol } from '../../canonical/crossing.ts';
import type { UpstreamRequest } from '../../call.ts';
import { isEventStream } from '../../wire/contentType.ts';
import { AnswerFragments } from './answerFragments.ts';
import { GeminiEvents, objectsOf } from './geminiEvents.ts';
import { promptBody } from './promptBody.ts';

/** How much of an answer that is none is kept to be judged. */
export const EXCERPT_CHARACTERS = 65_536;

/** Google's Gemini API; a channel's base URL ends in `/v1beta`. */
export const geminiProtocol: UpstreamProtocol = {
  ask: (prompt, { upstreamModel }) =>
    geminiRequest(upstreamModel, prompt.streamed, Buffer.from(JSON.stringify(promptBody(prompt, upstreamModel)))),
  decoder: (emit) => new GeminiDecoder(emit),
  streams: isEventStream,
  whole: readWhole,
};

/** Streams are always asked for as server-sent events, whatever framing the client gets. */
export function geminiRequest(upstreamModel: string, streamed: boolean, body: Buffer): UpstreamRequest {
  const name = upstreamModel.split('/').map(encodeURIComponent).join('/');
  const resource = /^(?:models|tunedModels)\//.test(name) ? name : `models/${name}`;
  return {
    method: 'POST',
    path: `/${resource}:${streamed ? 'streamGenerateContent?alt=sse' : 'generateContent'}`,
    headers: {
      'content-type': 'application/json',
      accept: streamed ? 'text/event-stream' : 'application/json',
    },
    body,
  };
}

/** A stream has no terminator: its end is whole when every candidate has its finish reason. */
class GeminiDecoder implements StreamDecoder {
  readonly #fragments: AnswerFragments;
  readonly #events: GeminiEvents;

  constructor(emit: Emit) {
    const fragments = new AnswerFragments(emit, { native: false });
    this.#fragments = fragments;
    this.#events = new GeminiEvents({
      fragment: (json) => fragments.take(json),
      fault: (error) => fragments.fail(error),
    });
  }

  feed(chunk: Buffer): void {
    this.#events.feed(chunk);
  }

  end(): void {
    this.#events.end();
    this.#fragments.end({ whole: false });
  }
}

/** One object, or the array of fragments that a stream without server-sent events is. */
function readWhole(text: string, emit: Emit): void {
  const fragments = new AnswerFragments(emit, { native: false });
  for (const fragment of objectsOf(text) ?? []) fragments.take(fragment);
  if (fragments.isEmpty) fragments.fail(text.slice(0, EXCERPT_CHARACTERS));
  fragments.end({ whole: true });
}
