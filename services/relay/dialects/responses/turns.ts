import { z } from 'zod';
import type { Message, Part, TextPart } from '../../canonical/prompt.ts';
import { parseObject } from '../../wire/json.ts';
import { checked, notCarried, notValid } from './checked.ts';
import { readFile, readImage, readMadeImage } from './media.ts';

/** A conversation so far. `system` are messages of that role; the instructions of a request are not part of it. */
export interface Turns {
  readonly system: readonly TextPart[];
  readonly messages: readonly Message[];
}

export const NO_TURNS: Turns = { system: [], messages: [] };

const text = z.string();
const part = z.looseObject({ type: z.string().max(64) });
const content = z.union([text, z.array(part).max(1_000)]);
const messageItem = z.looseObject({ role: z.enum(['user', 'assistant', 'system', 'developer']), content });
const callItem = z.looseObject({ call_id: text.min(1).max(200), name: text.min(1).max(200), arguments: text });
const outputItem = z.looseObject({ call_id: text.min(1).max(200), output: content });
const imageItem = z.looseObject({ result: text.min(1), output_format: z.enum(['png', 'webp', 'jpeg']).nullish() });
const textPart = z.looseObject({ text });
const refusalPart = z.looseObject({ refusal: text });

/**
 * The conversation that goes on with the items of an `input`. Reasoning items are dropped: only the provider that made
 * one can read it, and the next channel may be another. Throws ApiError `invalid_request` for an item that is not
 * valid, `unsupported_parameter` for one that only OpenAI's own tools or storage know.
 */
export function continued(earlier: Turns, input: string | readonly unknown[]): Turns {
  const conversation = new Conversation(earlier);
  if (typeof input === 'string') conversation.say('user', [{ type: 'text', text: input }]);
  else input.forEach((item, index) => conversation.add(item, `input.${String(index)}`));
  return conversation;
}

/** The conversation with an answer at its end. */
export function answered(turns: Turns, parts: readonly Part[]): Turns {
  const conversation = new Conversation(turns);
  if (parts.length > 0) conversation.say('assistant', parts);
  return conversation;
}

interface Draft {
  readonly role: Message['role'];
  readonly parts: Part[];
}

class Conversation implements Turns {
  readonly system: TextPart[];
  readonly messages: Draft[];
  /** Names of the functions that were called, by the id of the call. */
  readonly #called = new Map<string, string>();

  constructor(earlier: Turns) {
    this.system = [...earlier.system];
    this.messages = earlier.messages.map(({ role, parts }) => ({ role, parts: [...parts] }));
    for (const { parts } of this.messages) {
      for (const made of parts) if (made.type === 'toolCall') this.#called.set(made.id, made.name);
    }
  }

  add(item: unknown, place: string): void {
    const { type, role, id } = item as { readonly type?: unknown; readonly role?: unknown; readonly id?: unknown };
    switch (type ?? (role === undefined && id !== undefined ? 'item_reference' : 'message')) {
      case 'message':
        this.#addMessage(item, place);
        return;
      case 'function_call':
        this.#addCall(item, place);
        return;
      case 'function_call_output':
        this.#addOutput(item, place);
        return;
      case 'image_generation_call': {
        const { result, output_format: format } = checked(item, imageItem, place);
        this.say('assistant', [readMadeImage(result, format ?? 'png')]);
        return;
      }
      case 'reasoning':
        return;
      case 'item_reference':
        throw notCarried(place, 'items are not stored one by one; send the item itself');
      default:
        throw notCarried(`${place}.type`, 'items of this type cannot be carried to other providers');
    }
  }

  /** What an assistant says and calls in a row is one turn: providers want all results of a turn before the next one. */
  say(role: Message['role'], parts: readonly Part[]): void {
    const last = this.messages.at(-1);
    if (role === 'assistant' && last?.role === 'assistant') for (const said of parts) last.parts.push(said);
    else this.messages.push({ role, parts: [...parts] });
  }

  #addMessage(item: unknown, place: string): void {
    const { role, content: said } = checked(item, messageItem, place);
    if (role === 'user') this.say(role, readParts(said, place, readUserPart));
    else if (role === 'assistant') this.say(role, readParts(said, place, readAssistantPart));
    else this.system.push(...readParts(said, place, readText));
  }

  #addCall(item: unknown, place: string): void {
    const { call_id: id, name, arguments: json } = checked(item, callItem, place);
    const stated = json.trim() === '' ? '{}' : json;
    if (!parseObject(stated)) throw notValid(`${place}.arguments`, 'must be the JSON text of an object');
    this.#called.set(id, name);
    this.say('assistant', [{ type: 'toolCall', id, name, arguments: stated }]);
  }

  #addOutput(item: unknown, place: string): void {
    const { call_id: callId, output } = checked(item, outputItem, place);
    const name = this.#called.get(callId);
    if (name === undefined) throw notValid(`${place}.call_id`, 'no function call before it has this id');
    const parts = readParts(output, place, readUserPart, 'output');
    this.say('tool', [{ type: 'toolResult', callId, name, parts, isError: false }]);
  }
}

type RawPart = z.infer<typeof part>;

function readParts<Read extends Part>(
  said: string | readonly RawPart[],
  place: string,
  read: (value: RawPart, place: string) => Read,
  member = 'content',
): (Read | TextPart)[] {
  if (typeof said === 'string') return [{ type: 'text', text: said }];
  return said.map((value, index) => read(value, `${place}.${member}.${String(index)}`));
}

function readUserPart(value: RawPart, place: string): Part {
  switch (value.type) {
    case 'input_image':
      return readImage(value, place);
    case 'input_file':
      return readFile(value, place);
    default:
      return readText(value, place);
  }
}

function readAssistantPart(value: RawPart, place: string): Part {
  if (value.type !== 'refusal') return readText(value, place);
  return { type: 'refusal', text: checked(value, refusalPart, place).refusal };
}

/** Annotations and log probabilities of a text that comes back are dropped. */
function readText(value: RawPart, place: string): TextPart {
  if (value.type !== 'input_text' && value.type !== 'output_text' && value.type !== 'text') {
    throw notCarried(`${place}.type`, `a part of type ${value.type} cannot stand here`);
  }
  return { type: 'text', text: checked(value, textPart, place).text };
}
