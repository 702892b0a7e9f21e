import type { Bounds, Passage, PassageContext, PromptToCount, RelayCall } from '../../call.ts';
import { cross, type UpstreamProtocol } from '../../canonical/crossing.ts';
import type { Channel, Protocol } from '../../ports.ts';
import { bodyToCount, bodyTokenBound, type BodyRules } from '../../usage/bodySize.ts';
import { completionsPrompt } from './prompt.ts';
import { parseCompletionsRequest, type CompletionsRequest } from './request.ts';
import { completionsWriter } from './writer.ts';

/** Only the prompt reaches a model. */
const RULES: BodyRules = { outside: new Set(), attached: new Set(), silent: new Set() };

/**
 * `POST /v1/completions`. It always goes up as a chat with one user message, to an OpenAI channel too: hardly a model
 * is left that does anything else. Throws ApiError for a body that is none or asks what a chat cannot give.
 */
export function completionsCall(
  raw: Buffer,
  maxDepth: number,
  spoken: (protocol: Protocol) => UpstreamProtocol,
): RelayCall {
  return new CompletionsCall(parseCompletionsRequest(raw, maxDepth), spoken);
}

class CompletionsCall implements RelayCall {
  readonly route = '/v1/completions';
  readonly model: string;
  readonly streamed: boolean;
  readonly raw: Buffer;
  readonly #request: CompletionsRequest;
  readonly #spoken: (protocol: Protocol) => UpstreamProtocol;

  constructor(request: CompletionsRequest, spoken: (protocol: Protocol) => UpstreamProtocol) {
    this.model = request.model;
    this.streamed = request.streamed;
    this.raw = request.raw;
    this.#request = request;
    this.#spoken = spoken;
  }

  bounds(maxOutputTokens: number): Bounds {
    const { prompt, maxOutput, choices } = this.#request;
    const outputTokens = Math.min(maxOutput, maxOutputTokens) * choices;
    return { inputTokens: bodyTokenBound({ prompt }, RULES), outputTokens, other: {} };
  }

  promptToCount(): PromptToCount {
    return bodyToCount({ prompt: this.#request.prompt }, RULES);
  }

  passage(channel: Channel, context: PassageContext): Promise<Passage> {
    const writing = { ...context, model: this.model };
    const prompt = completionsPrompt(this.#request);
    return cross(prompt, this.#spoken(channel.protocol), completionsWriter(this.#request), channel, writing);
  }
}
