import {
  attachedBy,
  countedBy,
  inputBoundOf,
  NOTHING_ATTACHED,
  together,
  type Attached,
  type InputBound,
} from '../../usage/attachments.ts';
import { AT_MOST, TYPICALLY } from '../../usage/promptOverhead.ts';
import type { ChatBody, ChatMessage } from './chatRequest.ts';

/** Members of a content part that hold an image, audio, video or file, inline or by reference. */
const ATTACHED = ['image_url', 'input_audio', 'file', 'video_url', 'audio_url', 'image', 'audio', 'video', 'source'];
const NOT_TEXT: ReadonlySet<string> = new Set([...ATTACHED, 'type', 'cache_control']);
const NOT_IN_MESSAGE: ReadonlySet<string> = new Set(['role']);
/** Members of a body that are counted one by one, or that no template shows to a model. */
const NOT_IN_PROMPT: ReadonlySet<string> = new Set([
  ...['model', 'messages', 'tools', 'response_format', 'functions'],
  ...['metadata', 'logit_bias', 'stream_options', 'usage'],
]);

interface PromptTexts {
  readonly texts: string[];
  readonly messages: number;
  readonly attached: Attached;
}

/**
 * Tokens that the prompt cannot exceed, with what of it is attached. A byte-level token is at least one byte, so the UTF-8
 * length of all texts bounds their tokens whatever the tokenizer; the hold must never be too small.
 */
export function promptInputBound(body: ChatBody): InputBound {
  const { texts, messages, attached } = promptTexts(body, attachedBy);
  // Some upstreams put further members, such as documents, into the prompt.
  collectMembers(body, NOT_IN_PROMPT, texts);
  let bound = AT_MOST.request + messages * AT_MOST.message;
  for (const text of texts) bound += Buffer.byteLength(text);
  return inputBoundOf(bound, attached);
}

/** The texts to count and the fixed overhead to add, when no provider reported the prompt's tokens. */
export function promptToCount(body: ChatBody): { texts: readonly string[]; overhead: number } {
  const { texts, messages, attached } = promptTexts(body, countedBy);
  const overhead = TYPICALLY.request + messages * TYPICALLY.message + attached.count * TYPICALLY.attachment;
  return { texts, overhead };
}

/** Base64 data is an attachment, never text. */
function promptTexts(body: ChatBody, measure: typeof attachedBy): PromptTexts {
  const texts: string[] = [];
  let attached = NOTHING_ATTACHED;
  for (const message of body.messages) attached = together(attached, collectMessage(message, texts, measure));
  if (body.tools?.length) texts.push(JSON.stringify(body.tools));
  for (const field of ['response_format', 'functions'] as const) {
    if (body[field] !== undefined && body[field] !== null) texts.push(JSON.stringify(body[field]));
  }
  return { texts, messages: body.messages.length + (body.tools?.length ?? 0), attached };
}

function collectMessage(message: ChatMessage, texts: string[], measure: typeof attachedBy): Attached {
  const { content, images, ...others } = message;
  collectMembers(others, NOT_IN_MESSAGE, texts);
  let attached = Array.isArray(images) ? measure('images', images, {}) : NOTHING_ATTACHED;
  if (typeof content === 'string') texts.push(content);
  else for (const part of content ?? []) attached = together(attached, collectPart(part, texts, measure));
  return attached;
}

/** A part may hold text beside its image; what is not known to be an attachment counts as text. */
function collectPart(part: Readonly<Record<string, unknown>>, texts: string[], measure: typeof attachedBy): Attached {
  collectMembers(part, NOT_TEXT, texts);
  return ATTACHED.map((member) => measure(member, part[member], part)).reduce(together, NOTHING_ATTACHED);
}

/** The strings among the members, and the JSON text of objects and lists. */
function collectMembers(source: Readonly<Record<string, unknown>>, except: ReadonlySet<string>, texts: string[]): void {
  for (const [member, value] of Object.entries(source)) {
    if (except.has(member)) continue;
    if (typeof value === 'string') texts.push(value);
    else if (typeof value === 'object' && value !== null) texts.push(JSON.stringify(value));
  }
}
