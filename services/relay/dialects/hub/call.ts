import type { Bounds, Passage, PassageContext, PromptToCount, RelayCall } from '../../call.ts';
import type { UpstreamProtocol } from '../../canonical/crossing.ts';
import type { Channel, Protocol } from '../../ports.ts';
import { ChatCall } from '../openai/chatCall.ts';
import { parseChatRequest } from '../openai/chatRequest.ts';
import { HubReading } from './hubReading.ts';
import { asStreamed } from '../openai/asStreamed.ts';

type HubRoute = '/api/v1/chat/completions' | '/api/v1/chat/stream';
type Spoken = (protocol: Protocol) => UpstreamProtocol;

/** `POST /api/v1/chat/completions`. Throws ApiError for a body that is none. */
export function hubChatCall(raw: Buffer, maxDepth: number, spoken: Spoken): RelayCall {
  return hubCall(new ChatCall(parseChatRequest(raw, maxDepth), spoken), '/api/v1/chat/completions');
}

/** `POST /api/v1/chat/stream`: streams whatever the body says of it. Throws ApiError for a body that is none. */
export function hubStreamCall(raw: Buffer, maxDepth: number, spoken: Spoken): RelayCall {
  return hubCall(new ChatCall(asStreamed(parseChatRequest(raw, maxDepth)), spoken), '/api/v1/chat/stream');
}

/** A chat call whose answers look as AI Hub's do. */
export function hubCall(inner: RelayCall, route: HubRoute): RelayCall {
  return new HubCall(inner, route);
}

class HubCall implements RelayCall {
  readonly route: HubRoute;
  readonly model: string;
  readonly streamed: boolean;
  readonly raw: Buffer;
  readonly #inner: RelayCall;

  constructor(inner: RelayCall, route: HubRoute) {
    this.route = route;
    this.model = inner.model;
    this.streamed = inner.streamed;
    this.raw = inner.raw;
    this.#inner = inner;
  }

  bounds(maxOutputTokens: number): Bounds {
    return this.#inner.bounds(maxOutputTokens);
  }

  promptToCount(): PromptToCount {
    return this.#inner.promptToCount();
  }

  async passage(channel: Channel, context: PassageContext): Promise<Passage> {
    const passage = await this.#inner.passage(channel, context);
    return { ...passage, read: (headers) => new HubReading(passage.read(headers), this.streamed) };
  }
}
