import type { ReportedUsage } from '../usage/reported.ts';
import type { Billed, UpstreamRequest } from '../call.ts';

export type FinishReason = 'stop' | 'length' | 'tool_calls' | 'content_filter' | 'refusal' | 'pause' | 'error';

/**
 * An answer as it arrives, in the order of the stream. Every upstream reader makes these, every client writer takes
 * them. `choice` counts from 0; only upstreams that give several answers use others. Of one choice, the events of one
 * tool call are not mixed with those of another one.
 */
export type AnswerEvent =
  /** At most once, first. Null where the upstream does not say. */
  | { readonly type: 'start'; readonly id: string | null; readonly model: string | null }
  /** The platform's name for the conversation that this answer belongs to; agent platforms only. */
  | { readonly type: 'session'; readonly platformId: string }
  | { readonly type: 'text'; readonly choice: number; readonly text: string }
  | { readonly type: 'refusal'; readonly choice: number; readonly text: string }
  | { readonly type: 'thinking'; readonly choice: number; readonly text: string }
  /** Proves the thinking before it. */
  | { readonly type: 'signature'; readonly choice: number; readonly signature: string }
  | { readonly type: 'redactedThinking'; readonly choice: number; readonly data: string }
  /** `call` counts the tool calls of the choice from 0. `id` is null where the upstream has none. */
  | {
      readonly type: 'toolStart';
      readonly choice: number;
      readonly call: number;
      readonly id: string | null;
      readonly name: string;
      /** Gemini's thought signature. */
      readonly signature?: string;
    }
  /** A piece of the JSON text of the arguments; a call without any has none. */
  | { readonly type: 'toolArguments'; readonly choice: number; readonly call: number; readonly json: string }
  | { readonly type: 'toolEnd'; readonly choice: number; readonly call: number }
  /** An image that the model made; base64. */
  | { readonly type: 'image'; readonly choice: number; readonly mime: string; readonly data: string }
  /** Cumulative: the last one holds. */
  | { readonly type: 'usage'; readonly usage: ReportedUsage }
  /** `stopSequence`: the one that was met, where the upstream names it. */
  | {
      readonly type: 'finish';
      readonly choice: number;
      readonly reason: FinishReason;
      readonly stopSequence: string | null;
    }
  /** The upstream stated an error under its 2xx: its JSON text. Nothing follows. */
  | { readonly type: 'failed'; readonly error: string }
  /** The upstream said that the answer is whole. Nothing but usage may follow. */
  | { readonly type: 'end' };

export type Emit = (event: AnswerEvent) => void;

/** Reads the stream of one answer, however its bytes are cut. */
export interface StreamDecoder {
  feed(chunk: Buffer): void;
  /** The upstream has closed: what is left without its end still counts. */
  end(): void;
  /** What tells the platform to stop an answer that nobody reads any more; null when closing the connection is enough. */
  stopRequest?(): UpstreamRequest | null;
}

/** Writes the stream of one answer for a client. */
export interface StreamEncoder {
  /** What the client gets for this event; empty for nothing yet. A `start` alone gives nothing, so that fail-over stays possible. */
  write(event: AnswerEvent): string;
  /** What remains: finish, usage and terminator. Called once. */
  ending(billed: Billed): string;
}

/** A whole answer. */
export interface ChatAnswer {
  readonly id: string | null;
  readonly model: string | null;
  /** In the order of their numbers; at least one. */
  readonly choices: readonly AnswerChoice[];
}

export interface AnswerChoice {
  readonly parts: readonly AnswerPart[];
  readonly finish: FinishReason;
  readonly stopSequence: string | null;
}

/** Texts that follow each other are one part. */
export type AnswerPart =
  | { readonly type: 'text'; readonly text: string }
  | { readonly type: 'refusal'; readonly text: string }
  | { readonly type: 'thinking'; readonly text: string; readonly signature: string | null }
  | { readonly type: 'redactedThinking'; readonly data: string }
  | {
      readonly type: 'toolCall';
      readonly id: string | null;
      readonly name: string;
      /** JSON text; `{}` for none. */
      readonly arguments: string;
      readonly signature: string | null;
    }
  | { readonly type: 'image'; readonly mime: string; readonly data: string };
