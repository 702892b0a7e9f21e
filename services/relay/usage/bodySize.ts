import type { PromptToCount } from '../call.ts';
import { isObject, type Json } from '../wire/json.ts';
import {
  attachedBy,
  countedBy,
  inputBoundOf,
  NOTHING_ATTACHED,
  together,
  type Attached,
  type InputBound,
} from './attachments.ts';
import { AT_MOST, TYPICALLY } from './promptOverhead.ts';

/** What of a request's body is no text of its prompt. */
export interface BodyRules {
  /** Members of the body that no template shows to a model. */
  readonly outside: ReadonlySet<string>;
  /** Members, at any depth, whose value is an image, audio, video or file. */
  readonly attached: ReadonlySet<string>;
  /** Members, at any depth, that say nothing to a model: `type`, `role`, cache marks. */
  readonly silent: ReadonlySet<string>;
}

interface Size {
  readonly texts: string[];
  objects: number;
  attached: Attached;
}

/**
 * Tokens that the prompt cannot exceed. A byte-level token is at least one byte, so the UTF-8 length of all texts
 * bounds their tokens whatever the tokenizer; the hold must never be too small.
 */
export function bodyTokenBound(body: Json, rules: BodyRules): number {
  return bodyInputBound(body, rules).inputTokens;
}

/** The same bound, with what of it is attached. */
export function bodyInputBound(body: Json, rules: BodyRules): InputBound {
  const { texts, objects, attached } = sizeOf(body, rules, attachedBy);
  let bound = AT_MOST.request + objects * AT_MOST.message;
  for (const text of texts) bound += Buffer.byteLength(text);
  return inputBoundOf(bound, attached);
}

/** The texts to count and the fixed overhead to add, when no provider reported the prompt's tokens. */
export function bodyToCount(body: Json, rules: BodyRules): PromptToCount {
  const { texts, objects, attached } = sizeOf(body, rules, countedBy);
  return {
    texts,
    overhead: TYPICALLY.request + objects * TYPICALLY.message + attached.count * TYPICALLY.attachment,
  };
}

/** Base64 data is an attachment, never text. What is not known to be an attachment counts as text. */
function sizeOf(body: Json, rules: BodyRules, measure: typeof attachedBy): Size {
  const size: Size = { texts: [], objects: 0, attached: NOTHING_ATTACHED };
  const setting = { rules, measure, size };
  for (const [member, value] of Object.entries(body)) {
    if (!rules.outside.has(member)) collect(member, value, body, setting);
  }
  return size;
}

interface Collecting {
  readonly rules: BodyRules;
  readonly measure: typeof attachedBy;
  readonly size: Size;
}

function collect(member: string, value: unknown, holder: Json, setting: Collecting): void {
  const { rules, measure, size } = setting;
  if (rules.silent.has(member)) return;
  if (rules.attached.has(member)) size.attached = together(size.attached, measure(member, value, holder));
  else if (typeof value === 'string') size.texts.push(value);
  else if (Array.isArray(value)) for (const item of value) collect('', item, holder, setting);
  else if (isObject(value)) {
    size.objects += 1;
    for (const [name, inner] of Object.entries(value)) {
      if (FREE_JSON.has(name) && isObject(inner)) size.texts.push(JSON.stringify(inner));
      else collect(name, inner, value, setting);
    }
  }
}

/** Members that hold JSON of the client's own, whose member names a model reads too. */
const FREE_JSON: ReadonlySet<string> = new Set([
  ...['parameters', 'parametersJsonSchema', 'input_schema', 'schema', 'responseSchema', 'responseJsonSchema'],
  ...['input', 'args', 'arguments', 'response', 'format'],
]);
