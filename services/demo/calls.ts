import OpenAI from 'openai';
import { z } from 'zod';
import { currency } from '../../events/envelope.ts';
import { parsePicos, type Currency, type Picos } from '../../events/money.ts';
import { expectFound, Unmet } from './expectation.ts';
import type { World } from './world.ts';

const costMembers = z.object({ cost: z.number(), cost_currency: currency, total_tokens: z.int() });

/** What a call told its client. */
export interface Told {
  readonly requestId: string;
  readonly tokens: number;
  readonly cost: Picos;
  readonly currency: Currency;
}

export interface Wish {
  readonly model: string;
  readonly content: string;
  readonly maxTokens: number;
}

/** Calls through the official OpenAI package, which knows nothing of Tallystick but its address. */
export class Caller {
  readonly #client: OpenAI;

  constructor({ baseUrl }: World, apiKey: string) {
    this.#client = new OpenAI({ baseURL: `${baseUrl}/v1`, apiKey });
  }

  /** One answer as a whole. */
  async ask(wish: Wish): Promise<Told & { readonly text: string }> {
    const { data, request_id: requestId } = await this.#client.chat.completions.create(bodyOf(wish)).withResponse();
    const text = data.choices[0]?.message.content ?? '';
    return { text, ...told(requestId, data.usage) };
  }

  /** One answer as a stream that is read to its end. */
  async stream(wish: Wish): Promise<Told & { readonly chunks: number }> {
    const { data, request_id: requestId } = await this.#client.chat.completions
      .create({ ...bodyOf(wish), stream: true, stream_options: { include_usage: true } })
      .withResponse();
    let chunks = 0;
    let usage: unknown = null;
    for await (const chunk of data) {
      if (chunk.choices[0]?.delta.content) chunks += 1;
      usage = chunk.usage ?? usage;
    }
    return { chunks, ...told(requestId, usage) };
  }

  /** Leaves in the middle of a stream, after so many pieces. */
  async leaveAfter(pieces: number, wish: Wish): Promise<{ readonly requestId: string; readonly text: string }> {
    const { data, request_id: requestId } = await this.#client.chat.completions
      .create({ ...bodyOf(wish), stream: true })
      .withResponse();
    let text = '';
    let seen = 0;
    for await (const chunk of data) {
      const piece = chunk.choices[0]?.delta.content ?? '';
      text += piece;
      if (piece !== '') seen += 1;
      if (seen === pieces) data.controller.abort();
    }
    return { requestId: expectFound('the id of a streamed call', requestId), text };
  }

  /** The refusal of a call. Throws Unmet when it is served. */
  async refusalOf(wish: Wish): Promise<{ readonly status: number; readonly code: string; readonly message: string }> {
    try {
      await this.ask(wish);
    } catch (error) {
      if (!(error instanceof OpenAI.APIError)) throw error;
      return { status: Number(error.status), code: String(error.code), message: error.message };
    }
    throw new Unmet(`a call of ${wish.model}`, 'a refusal', 'an answer');
  }
}

function bodyOf({ model, content, maxTokens }: Wish) {
  return { model, max_tokens: maxTokens, messages: [{ role: 'user' as const, content }] };
}

/** A cost has at most 12 decimal places, and 12 of them are what a double of this size surely holds. */
function told(requestId: string | null, usage: unknown): Told {
  const parsed = costMembers.safeParse(usage);
  if (!parsed.success) throw new Unmet('usage.cost', 'a cost and its currency', JSON.stringify(usage));
  const { cost, cost_currency, total_tokens } = parsed.data;
  return {
    requestId: expectFound('the id of a call', requestId),
    tokens: total_tokens,
    cost: parsePicos(cost.toFixed(12)),
    currency: cost_currency,
  };
}
