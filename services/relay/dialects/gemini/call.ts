import { cross, type UpstreamProtocol } from '../../canonical/crossing.ts';
import type { Bounds, Passage, PassageContext, PromptToCount, RelayCall } from '../../call.ts';
import type { Channel, Protocol } from '../../ports.ts';
import { bodyInputBound, bodyToCount } from '../../usage/bodySize.ts';
import { geminiPassage } from './passThrough.ts';
import { geminiPrompt } from './prompt.ts';
import { COUNT_RULES, PROMPT_RULES } from './promptSize.ts';
import { parseGeminiRequest, type GeminiRequest, type Target } from './request.ts';
import { geminiWriter } from './writer.ts';

/** `generateContent` and `streamGenerateContent`. Throws ApiError for a body that is not one. */
export function geminiCall(
  raw: Buffer,
  maxDepth: number,
  target: Target,
  spoken: (protocol: Protocol) => UpstreamProtocol,
): RelayCall {
  return new GeminiCall(parseGeminiRequest(raw, maxDepth, target), target.method, spoken);
}

class GeminiCall implements RelayCall {
  readonly route: string;
  readonly #request: GeminiRequest;
  readonly #spoken: (protocol: Protocol) => UpstreamProtocol;

  constructor(request: GeminiRequest, method: Target['method'], spoken: (protocol: Protocol) => UpstreamProtocol) {
    this.route = `/v1beta/models/{model}:${method}`;
    this.#request = request;
    this.#spoken = spoken;
  }

  get model(): string {
    return this.#request.model;
  }

  get streamed(): boolean {
    return this.#request.framing !== 'whole';
  }

  get raw(): Buffer {
    return this.#request.raw;
  }

  bounds(maxOutputTokens: number): Bounds {
    const outputTokens = this.#outputLimit(maxOutputTokens) * this.#request.choices;
    return { ...bodyInputBound(this.#request.body, PROMPT_RULES), outputTokens, other: {} };
  }

  promptToCount(): PromptToCount {
    return bodyToCount(this.#request.body, COUNT_RULES);
  }

  passage(channel: Channel, context: PassageContext): Passage | Promise<Passage> {
    if (channel.protocol === 'gemini') {
      return geminiPassage(this.#request, channel.upstreamModel, this.#outputLimit(context.maxOutputTokens));
    }
    const prompt = geminiPrompt(this.#request);
    const writing = { ...context, model: this.model };
    return cross(prompt, this.#spoken(channel.protocol), geminiWriter(this.#request), channel, writing);
  }

  /** Tokens per candidate: what the client allows, at most what the price book allows. */
  #outputLimit(maxOutputTokens: number): number {
    return Math.min(this.#request.maxOutput ?? maxOutputTokens, maxOutputTokens);
  }
}
