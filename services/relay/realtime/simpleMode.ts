import { inputTokens, OUTPUT_METERS, type UsageVector } from '../../../events/meters.ts';
import { isObject, objectsIn, textIn, type Json } from '../wire/json.ts';
import { reasonOf } from './endings.ts';

type Source = (event: Json, mode: SimpleMode) => readonly Json[];

/** Which events the simple form is made of, in the words of either version of the interface. */
const SOURCES: ReadonlyMap<string | null, Source> = new Map<string, Source>([
  ['session.created', (event, mode) => mode.opened(event['session'])],
  ['conversation.created', (event, mode) => mode.opened(event['conversation'])],
  ['response.output_item.added', (event, mode) => mode.itemAdded(event)],
  ['response.content_part.added', (event, mode) => mode.started(event)],
  ['response.output_text.delta', (event, mode) => mode.delta(event)],
  ['response.text.delta', (event, mode) => mode.delta(event)],
  ['response.output_audio_transcript.delta', (event, mode) => mode.delta(event)],
  ['response.audio_transcript.delta', (event, mode) => mode.delta(event)],
  ['response.content_part.done', (event, mode) => mode.stopped(event)],
]);

/** Why a response ended, in the words of OpenAI's chat completions where there are such. */
const REASONS: ReadonlyMap<unknown, string> = new Map([
  ['completed', 'stop'],
  ['max_output_tokens', 'length'],
  ['content_filter', 'content_filter'],
  ['client_cancelled', 'cancelled'],
  ['turn_detected', 'cancelled'],
]);

/** A response on its way, as clients of the simple form see it. */
interface Message {
  id: string | null;
  /** The part that is open; null between two. */
  part: string | null;
  text: string;
}

/**
 * The six events of the simple form, each `{type, message, …ids}`, made from a session of OpenAI's. Audio, tool calls and
 * every other event are dropped. What an upstream leaves out, such as the opening of a message, is added.
 */
export class SimpleMode {
  #opened = false;
  readonly #messages = new Map<string, Message>();

  /** Whether the events of this type say anything in the simple form. */
  static reads(type: string | null): boolean {
    return SOURCES.has(type);
  }

  read(event: Json): readonly Json[] {
    return SOURCES.get(textIn(event['type']))?.(event, this) ?? [];
  }

  /** `conversation.created`, once: from whichever of its two sources comes first. */
  opened(about: unknown): readonly Json[] {
    if (this.#opened) return [];
    this.#opened = true;
    return [{ type: 'conversation.created', message: isObject(about) ? textIn(about['id']) : '' }];
  }

  itemAdded(event: Json): readonly Json[] {
    const item = isObject(event['item']) ? event['item'] : {};
    return item['type'] === 'message' ? this.#named(event, textIn(item['id'])) : [];
  }

  started(event: Json): readonly Json[] {
    const message = this.#message(event);
    if (message.part !== null) return [];
    const opening = this.#named(event, textIn(event['item_id']));
    message.part = '';
    return [...opening, { type: 'content.start', message: '', ...idsOf(event, message) }];
  }

  delta(event: Json): readonly Json[] {
    const opening = this.started(event);
    const message = this.#message(event);
    const delta = textIn(event['delta']);
    message.part = (message.part ?? '') + delta;
    message.text += delta;
    return [...opening, { type: 'content.delta', message: delta, ...idsOf(event, message) }];
  }

  stopped(event: Json): readonly Json[] {
    const message = this.#message(event);
    if (message.part === null) return [];
    const part = isObject(event['part']) ? event['part'] : {};
    const text = textIn(part['text']) || textIn(part['transcript']) || message.part;
    message.part = null;
    return [{ type: 'content.stop', message: text, ...idsOf(event, message) }];
  }

  /** The end of a response; `usage` is what was billed for it. One that failed ends in an error instead. */
  completed(response: Json, usage: UsageVector): readonly Json[] {
    const event = { response_id: response['id'], item_id: null };
    const message = this.#message(event);
    const opening = this.#named(event, textIn(response['id']));
    const closing = this.stopped(event);
    this.#messages.delete(textIn(response['id']));
    if (response['status'] === 'failed') return [...closing, failure(response)];
    return [
      ...opening,
      ...closing,
      {
        type: 'message.completed',
        message: message.text,
        ...idsOf(event, message),
        usage: shownUsage(usage),
        finish_reason: finishReason(response),
      },
    ];
  }

  /** `message.created`, unless the response has its message already. */
  #named(event: Json, id: string): readonly Json[] {
    const message = this.#message(event);
    if (message.id !== null) return [];
    message.id = id === '' ? textIn(event['response_id']) : id;
    return [{ type: 'message.created', message: message.id, ...idsOf(event, message) }];
  }

  #message(event: Json): Message {
    const id = textIn(event['response_id']);
    const known = this.#messages.get(id);
    if (known) return known;
    const message: Message = { id: null, part: null, text: '' };
    this.#messages.set(id, message);
    return message;
  }
}

/** An error in the simple form. */
export function simpleError(error: unknown): Json {
  const given = isObject(error) ? error : {};
  const message = textIn(given['message']);
  const { type = 'server_error', param = null, code = null } = given;
  return { type: 'error', message, error: { message, type, param, code } };
}

function failure(response: Json): Json {
  const details = isObject(response['status_details']) ? response['status_details'] : {};
  const error = isObject(details['error']) ? details['error'] : {};
  return simpleError({ message: 'The response failed.', ...error });
}

function finishReason(response: Json): string {
  if (objectsIn(response['output']).some((item) => item['type'] === 'function_call')) return 'tool_calls';
  const stated = reasonOf(response) ?? response['status'];
  return REASONS.get(stated) ?? (textIn(stated) || 'stop');
}

function shownUsage(usage: UsageVector): Json {
  const input = inputTokens(usage);
  const output = OUTPUT_METERS.reduce((sum, meter) => sum + (usage[meter] ?? 0), 0);
  return { input_tokens: input, output_tokens: output, total_tokens: input + output };
}

function idsOf(event: Json, message: Message): Json {
  return { message_id: message.id, response_id: textIn(event['response_id']) };
}
