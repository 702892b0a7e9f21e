import type { ClientWriter } from '../../canonical/crossing.ts';
import { asksFunctions } from './chatPrompt.ts';
import { ChatChunks } from './chatChunks.ts';
import type { ChatBody } from './chatRequest.ts';
import { OPENAI_FACE } from './face.ts';
import { wholeChat } from './wholeChat.ts';

export interface ChatWriting {
  readonly streamed: boolean;
  /** The client asked to see usage at the end of the stream. */
  readonly usageWanted: boolean;
  /** The client's name for the model. */
  readonly model: string;
  /** Tells a client of the functions that came before tools; without it there are only tools. */
  readonly body?: ChatBody;
}

/**
 * Writes answers of other dialects as chat completions. Dropped: signatures and redacted thinking, which this dialect
 * has no place for, and the name of a stop sequence that was met.
 */
export function chatWriter({ streamed, usageWanted, model, body }: ChatWriting): ClientWriter {
  const functions = body !== undefined && asksFunctions(body);
  return {
    face: OPENAI_FACE,
    streamed,
    encoder: (context) => new ChatChunks({ usageWanted, functions }, { ...context, model }),
    whole: (answer, billed, context) => wholeChat(answer, billed, { ...context, model }, functions),
  };
}
