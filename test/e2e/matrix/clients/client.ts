import { IDLE_TOOL_NAME, TOOL_NAME } from '../../../support/vendors/vendorServer.ts';
import type { Feature } from '../features.ts';

/** What a cell asks, in no dialect yet. */
export interface Wish {
  readonly model: string;
  readonly prompt: string;
  readonly streamed: boolean;
  /** Offers both tools. */
  readonly tools: boolean;
  /** The turn before: what was heard, and what every tool gave. */
  readonly turn: { readonly heard: Heard; readonly result: string } | null;
  /** Base64 of a PNG that stands beside the prompt. */
  readonly image: string | null;
  /** Asks to see the model's thinking. */
  readonly thinking: boolean;
}

export interface HeardCall {
  /** Null in dialects whose calls have none. */
  readonly id: string | null;
  readonly name: string;
  /** Parsed. */
  readonly arguments: unknown;
}

/** What a client has understood of an answer. */
export interface Heard {
  readonly text: string;
  readonly thinking: string;
  readonly calls: readonly HeardCall[];
  /** In the dialect's own word. */
  readonly finish: string | null;
  /** Tokens of both sides, reasoning included; null where the dialect told none. */
  readonly tokens: readonly [input: number, output: number] | null;
}

/** How a client has understood a failure. */
export interface Failure {
  /** The class that the SDK throws; `fetch` where there is no SDK. */
  readonly kind: string;
  /** Null inside a stream for the clients that get none there. */
  readonly status: number | null;
  /** Ours, or the dialect's word for it. */
  readonly code: string | null;
  /** Seconds. */
  readonly retryAfter: number | null;
}

export interface Target {
  readonly baseUrl: string;
  readonly key: string;
}

/** A client of one dialect, as the people who wrote that dialect made it. */
export interface DialectClient {
  readonly name: string;
  readonly finishes: { readonly stop: string; readonly tools: string; readonly length: string };
  /** The code of what an upstream cannot take. */
  readonly unsupported: string;
  /** Features that the dialect has no words for. */
  readonly lacks: ReadonlySet<Feature>;
  /** Whether the dialect has words to ask for thinking; a model may think unasked. */
  readonly asksForThinking: boolean;
  /** Whether thinking reaches the client. */
  readonly showsThinking: boolean;
  /** What is thrown: the SDK's class by status, and inside a stream. */
  readonly failures: Readonly<Record<400 | 429 | 502 | 'stream', Partial<Failure>>>;
  /** Hears the whole answer. Rejects with what the SDK throws. */
  ask(wish: Wish): Promise<Heard>;
  /** Streams, and leaves when it has heard so many pieces of text; resolves to the text. */
  leave(wish: Wish, pieces: number): Promise<string>;
  failureOf(error: unknown): Failure;
}

const TOOL_SCHEMA = {
  type: 'object',
  properties: { city: { type: 'string' }, days: { type: 'integer' }, note: { type: 'string' } },
} as const;

/** What is offered: a tool with arguments, and one without. */
export const TOOLS = [
  { name: TOOL_NAME, description: 'Tells the weather of a city', schema: TOOL_SCHEMA },
  { name: IDLE_TOOL_NAME, description: 'Tells the time', schema: { type: 'object', properties: {} } },
] as const;

/** A model that thinks needs room for it. */
export function outputLimit({ thinking }: Wish): number {
  return thinking ? 4_096 : 64;
}

/** A seconds header; null when there is none. */
export function retryAfterIn(headers: Headers | undefined): number | null {
  const stated = headers?.get('retry-after');
  return stated === undefined || stated === null ? null : Number(stated);
}

/** Takes pieces until there are enough, then leaves by `abort`; what an aborted reading throws is expected. */
export async function hearUntil(pieces: AsyncIterable<string>, enough: number, abort: () => void): Promise<string> {
  const heard: string[] = [];
  try {
    for await (const piece of pieces) {
      if (piece !== '') heard.push(piece);
      if (heard.length >= enough) break;
    }
  } finally {
    abort();
  }
  return heard.join('');
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}
