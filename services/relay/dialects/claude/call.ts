import type { Bounds, Passage, PassageContext, PromptToCount, RelayCall } from '../../call.ts';
import { cross, type UpstreamProtocol } from '../../canonical/crossing.ts';
import type { Channel, Protocol } from '../../ports.ts';
import { claudeInputBound, claudeToCount } from './bodySize.ts';
import type { ClientHeaders } from './headers.ts';
import { claudePassage } from './passThrough.ts';
import { claudePrompt } from './prompt.ts';
import { parseClaudeRequest, type ClaudeRequest } from './request.ts';
import { claudeWriter } from './writer.ts';

type Spoken = (protocol: Protocol) => UpstreamProtocol;

/** `POST /v1/messages`. `headers`: those of the client. Throws ApiError for a body that is none. */
export function claudeMessagesCall(raw: Buffer, maxDepth: number, headers: ClientHeaders, spoken: Spoken): RelayCall {
  return new ClaudeCall(parseClaudeRequest(raw, maxDepth), headers, spoken);
}

class ClaudeCall implements RelayCall {
  readonly route = '/v1/messages';
  readonly #request: ClaudeRequest;
  readonly #headers: ClientHeaders;
  readonly #spoken: Spoken;

  constructor(request: ClaudeRequest, headers: ClientHeaders, spoken: Spoken) {
    this.#request = request;
    this.#headers = headers;
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
    const { body } = this.#request;
    const outputTokens = Math.min(body.max_tokens, maxOutputTokens);
    return { ...claudeInputBound(body), outputTokens, other: {} };
  }

  promptToCount(): PromptToCount {
    return claudeToCount(this.#request.body);
  }

  passage(channel: Channel, context: PassageContext): Passage | Promise<Passage> {
    const request = this.#request;
    if (channel.protocol === 'claude') return claudePassage(request, this.#headers, channel, context);
    const writing = { ...context, model: request.model };
    const protocol = this.#spoken(channel.protocol);
    return cross(claudePrompt(request.body), protocol, claudeWriter(request), channel, writing);
  }
}
