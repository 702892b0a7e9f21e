import { cross, type UpstreamProtocol } from '../../canonical/crossing.ts';
import type { Bounds, Passage, PassageContext, PromptToCount, RelayCall, ResponseHeaders } from '../../call.ts';
import type { Channel, Protocol } from '../../ports.ts';
import { isEventStream } from '../../wire/contentType.ts';
import { chatPrompt } from './chatPrompt.ts';
import { asStreamed } from './asStreamed.ts';
import { StreamedChat, WholeChat } from './chatReading.ts';
import { parseChatRequest, type ChatRequest } from './chatRequest.ts';
import { chatWriter } from './chatWriter.ts';
import { promptInputBound, promptToCount } from './promptSize.ts';
import { hasRefusedStreamOptions } from './streamOptions.ts';
import { upstreamBody } from './upstreamBody.ts';

/** `POST /v1/chat/completions`. Throws ApiError for a body that is not one. */
export function chatCall(raw: Buffer, maxDepth: number, spoken: (protocol: Protocol) => UpstreamProtocol): RelayCall {
  return new ChatCall(parseChatRequest(raw, maxDepth), spoken);
}

/** `POST /v1/chat/stream`: streams whatever the body says of it. Throws ApiError for a body that is none. */
export function chatStreamCall(
  raw: Buffer,
  maxDepth: number,
  spoken: (protocol: Protocol) => UpstreamProtocol,
): RelayCall {
  return new ChatCall(asStreamed(parseChatRequest(raw, maxDepth)), spoken, '/v1/chat/stream');
}

export class ChatCall implements RelayCall {
  readonly route: string;
  readonly #request: ChatRequest;
  readonly #spoken: (protocol: Protocol) => UpstreamProtocol;

  constructor(request: ChatRequest, spoken: (protocol: Protocol) => UpstreamProtocol, route = '/v1/chat/completions') {
    this.route = route;
    this.#request = request;
    this.#spoken = spoken;
  }

  get model(): string {
    return this.#request.model;
  }

  get streamed(): boolean {
    return this.#request.streamed;
  }

  get raw(): Buffer {
    return this.#request.raw;
  }

  bounds(maxOutputTokens: number): Bounds {
    const outputTokens = this.#outputLimit(maxOutputTokens) * this.#request.choices;
    return { ...promptInputBound(this.#request.body), outputTokens, other: {} };
  }

  promptToCount(): PromptToCount {
    return promptToCount(this.#request.body);
  }

  passage(channel: Channel, context: PassageContext): Passage | Promise<Passage> {
    if (channel.protocol === 'openai') return this.#passThrough(channel, context);
    const prompt = chatPrompt(this.#request.body);
    const writing = { ...context, model: this.model };
    return cross(prompt, this.#spoken(channel.protocol), chatWriter(this.#request), channel, writing);
  }

  #passThrough(channel: Channel, { maxOutputTokens, isPriced }: PassageContext): Passage {
    const { upstreamModel, quirks } = channel;
    const request = this.#request;
    const renameTo = upstreamModel === request.model ? null : request.model;
    return {
      request: {
        method: 'POST',
        path: '/chat/completions',
        headers: {
          'content-type': 'application/json',
          accept: request.streamed ? 'text/event-stream' : 'application/json',
        },
        body: upstreamBody(request, upstreamModel, quirks, this.#outputLimit(maxOutputTokens), isPriced),
      },
      read: (headers: ResponseHeaders) =>
        request.streamed && isEventStream(headers)
          ? new StreamedChat(request, quirks, renameTo)
          : new WholeChat(request, quirks),
      learnsFrom: (status, text) => request.streamed && hasRefusedStreamOptions(quirks, status, text),
    };
  }

  /** Completion tokens per choice: what the client allows, at most what the price book allows. */
  #outputLimit(maxOutputTokens: number): number {
    return Math.min(this.#request.maxOutput ?? maxOutputTokens, maxOutputTokens);
  }
}
