import { cross, type UpstreamProtocol } from '../../canonical/crossing.ts';
import type { Bounds, Passage, PassageContext, PromptToCount, RelayCall } from '../../call.ts';
import type { Channel, Protocol } from '../../ports.ts';
import { bodyInputBound, bodyToCount, type BodyRules } from '../../usage/bodySize.ts';
import { nativePassage } from './passThrough.ts';
import { chatPrompt, generatePrompt } from './prompt.ts';
import { parseOllamaChat, parseOllamaGenerate, type OllamaRequest } from './request.ts';
import { ollamaWriter } from './writer.ts';

type Spoken = (protocol: Protocol) => UpstreamProtocol;

/**
 * `POST /api/ai-service/chat`. Throws ApiError for a body that is not one. `elapsedNs`: whole nanoseconds since the call
 * arrived, for the durations of an answer.
 */
export function ollamaChatCall(raw: Buffer, maxDepth: number, spoken: Spoken, elapsedNs: () => number): RelayCall {
  return new OllamaCall('/api/ai-service/chat', parseOllamaChat(raw, maxDepth), spoken, elapsedNs);
}

/** `POST /api/ai-service/generate`; see `ollamaChatCall`. */
export function ollamaGenerateCall(raw: Buffer, maxDepth: number, spoken: Spoken, elapsedNs: () => number): RelayCall {
  return new OllamaCall('/api/ai-service/generate', parseOllamaGenerate(raw, maxDepth), spoken, elapsedNs);
}

const SIZE_RULES: BodyRules = {
  outside: new Set(['model', 'stream', 'options', 'think', 'keep_alive', 'context']),
  attached: new Set(['images']),
  silent: new Set(['role', 'type']),
};

class OllamaCall implements RelayCall {
  readonly route: string;
  readonly #request: OllamaRequest;
  readonly #spoken: Spoken;
  readonly #elapsedNs: () => number;

  constructor(route: string, request: OllamaRequest, spoken: Spoken, elapsedNs: () => number) {
    this.route = route;
    this.#request = request;
    this.#spoken = spoken;
    this.#elapsedNs = elapsedNs;
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
    const bound = bodyInputBound(this.#request.body, SIZE_RULES);
    const inputTokens = bound.inputTokens + this.#contextTokens;
    return { ...bound, inputTokens, outputTokens: this.#outputLimit(maxOutputTokens), other: {} };
  }

  promptToCount(): PromptToCount {
    const { texts, overhead } = bodyToCount(this.#request.body, SIZE_RULES);
    return { texts, overhead: overhead + this.#contextTokens };
  }

  passage(channel: Channel, context: PassageContext): Passage | Promise<Passage> {
    const request = this.#request;
    if (channel.protocol === 'ollama')
      return nativePassage(request, channel, this.#outputLimit(context.maxOutputTokens));
    const prompt = request.kind === 'chat' ? chatPrompt(request) : generatePrompt(request);
    const writer = ollamaWriter(request, this.#elapsedNs);
    return cross(prompt, this.#spoken(channel.protocol), writer, channel, { ...context, model: this.model });
  }

  /** An earlier conversation that `/generate` goes on with is a list of its tokens. */
  get #contextTokens(): number {
    return this.#request.kind === 'generate' ? (this.#request.body.context?.length ?? 0) : 0;
  }

  /** Output tokens: what the client allows, at most what the price book allows. */
  #outputLimit(maxOutputTokens: number): number {
    return Math.min(this.#request.maxOutput ?? maxOutputTokens, maxOutputTokens);
  }
}
