import type { ChatBody, ChatMessage } from './chatRequest.ts';

/** Tokens that a provider's template adds: 3 per message and 3 of priming by the tokenizer's rules, doubled to be safe. */
const TOKENS_PER_MESSAGE = 8;
const TOKENS_PER_REQUEST = 64;
/** More than the largest tile count of an image, a minute of audio or a page of a file that providers state. */
const TOKENS_PER_ATTACHMENT = 6_000;
/** An estimate for an image of unknown size. */
const TYPICAL_ATTACHMENT = 800;
const TYPICAL_PER_MESSAGE = 3;
const TYPICAL_PER_REQUEST = 3;

interface PromptTexts {
  readonly texts: readonly string[];
  readonly messages: number;
  readonly attachments: number;
}

/**
 * Tokens that the prompt cannot exceed. A byte-level token is at least one byte, so the UTF-8 length of all texts
 * bounds their tokens whatever the tokenizer; the hold must never be too small.
 */
export function promptTokenBound(body: ChatBody): number {
  const { texts, messages, attachments } = promptTexts(body);
  let bound = TOKENS_PER_REQUEST + messages * TOKENS_PER_MESSAGE + attachments * TOKENS_PER_ATTACHMENT;
  for (const text of texts) bound += Buffer.byteLength(text);
  return bound;
}

/** The texts to count and the fixed overhead to add, when no provider reported the prompt's tokens. */
export function promptToCount(body: ChatBody): { texts: readonly string[]; overhead: number } {
  const { texts, messages, attachments } = promptTexts(body);
  return { texts, overhead: TYPICAL_PER_REQUEST + messages * TYPICAL_PER_MESSAGE + attachments * TYPICAL_ATTACHMENT };
}

/** Base64 data is an attachment, never text. */
function promptTexts(body: ChatBody): PromptTexts {
  const texts: string[] = [];
  let attachments = 0;
  for (const message of body.messages) attachments += collectMessage(message, texts);
  if (body.tools?.length) texts.push(JSON.stringify(body.tools));
  for (const field of ['response_format', 'functions'] as const) {
    if (body[field] !== undefined && body[field] !== null) texts.push(JSON.stringify(body[field]));
  }
  return { texts, messages: body.messages.length + (body.tools?.length ?? 0), attachments };
}

function collectMessage(message: ChatMessage, texts: string[]): number {
  let attachments = 0;
  for (const field of ['name', 'refusal', 'reasoning_content', 'tool_call_id'] as const) {
    if (typeof message[field] === 'string') texts.push(message[field]);
  }
  if (message['tool_calls'] !== undefined) texts.push(JSON.stringify(message['tool_calls']));
  if (message['function_call'] !== undefined) texts.push(JSON.stringify(message['function_call']));
  if (typeof message.content === 'string') texts.push(message.content);
  else {
    for (const part of message.content ?? []) {
      if (typeof part['text'] === 'string') texts.push(part['text']);
      else if (typeof part['refusal'] === 'string') texts.push(part['refusal']);
      else attachments += 1;
    }
  }
  return attachments;
}
