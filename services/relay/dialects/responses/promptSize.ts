import type { PromptToCount } from '../../call.ts';
import type { ChatPrompt, Message, Part } from '../../canonical/prompt.ts';
import type { InputBound } from '../../usage/attachments.ts';
import { bodyInputBound, bodyToCount, type BodyRules } from '../../usage/bodySize.ts';
import type { Json } from '../../wire/json.ts';

/**
 * What of a prompt in its canonical form reaches a model. The prompt is measured instead of the client's body because
 * it holds the earlier turns too, and none of the items that are dropped.
 */
const RULES: BodyRules = {
  outside: new Set(['toolChoice', 'parallelTools', 'sampling', 'reasoning', 'session']),
  attached: new Set(['source']),
  silent: new Set(['type', 'role', 'detail', 'kind', 'id', 'callId', 'signature']),
};

/** Tokens that the prompt cannot exceed. */
export function promptBound(prompt: ChatPrompt): InputBound {
  return bodyInputBound(measured(prompt), RULES);
}

export function toCount(prompt: ChatPrompt): PromptToCount {
  return bodyToCount(measured(prompt), RULES);
}

/** A text file is as long as its text, not as a page. */
function measured(prompt: ChatPrompt): Json {
  const messages = prompt.messages.map(({ role, parts }): Message => ({ role, parts: parts.map(withFileText) }));
  return { ...prompt, messages };
}

function withFileText(part: Part): Part {
  if (part.type === 'toolResult') return { ...part, parts: part.parts.map(withFileText) };
  if (part.type !== 'file' || part.source.kind !== 'inline' || !TEXT_TYPE.test(part.source.mime)) return part;
  return { type: 'text', text: Buffer.from(part.source.data, 'base64').toString() };
}

/** Every type but those of pages, pictures and sounds. */
const TEXT_TYPE = /^(?!application\/pdf$|image\/|audio\/|video\/)/;
