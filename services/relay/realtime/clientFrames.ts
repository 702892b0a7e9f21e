import { ApiError } from '../../http/errors.ts';
import { isObject, parseObject, type Json } from '../wire/json.ts';
import { shapeProblem } from '../wire/jsonShape.ts';
import type { FrameLook } from './frameLook.ts';
import { wantedTranscription } from './transcriptionModel.ts';

/** A frame for the upstream. */
export interface Outgoing {
  readonly frame: Buffer | string;
  /** It asks for a response, which must have its hold before the frame goes up. */
  readonly asks: boolean;
  /** The model by which it wants what is said transcribed, null for none; that too must have its hold before. */
  readonly transcribesBy?: string | null;
}

const MAX_DEPTH = 64;
/** What clients of the simple form say in place of two events. */
const SIMPLE_MESSAGES: ReadonlySet<string | null> = new Set(['message', 'message.create']);

/**
 * What goes up for a client's frame: the frame itself, but for `session.update`, which must not change the model that is
 * billed. In the simple form a message becomes an item and the wish for a response, and a session that does not say what
 * it wants gets text, because none of its events carries audio. Throws ApiError for a frame that must not go up.
 */
export function clientFrames(
  bytes: Buffer,
  look: FrameLook,
  session: { readonly model: string; readonly simple: boolean },
): readonly Outgoing[] {
  if (look.isAmbiguous) throw new ApiError('invalid_request', { detail: 'type: must stand once', param: 'type' });
  if (session.simple && SIMPLE_MESSAGES.has(look.type)) return spoken(readFrame(bytes));
  switch (look.type ?? '') {
    case 'session.update':
      return [updating(updated(readFrame(bytes), session))];
    case 'transcription_session.update':
      throw new ApiError('unsupported_parameter', {
        detail: 'Sessions that only transcribe are not offered here.',
        param: 'type',
      });
    case 'response.create':
      return [{ frame: bytes, asks: true }];
    default:
      return [{ frame: bytes, asks: false }];
  }
}

/** The object that a client's frame holds. Throws ApiError. */
export function readFrame(bytes: Buffer): Json {
  const text = bytes.toString('utf8');
  const problem = shapeProblem(text, MAX_DEPTH);
  if (problem !== null) throw new ApiError('invalid_request', { detail: problem });
  const event = parseObject(text);
  if (!event) throw new ApiError('invalid_json', { detail: 'The event is not a JSON object.' });
  return event;
}

/** Naming the session's own model again is harmless, but its provider may know it by another name. */
function updated(event: Json, { model, simple }: { readonly model: string; readonly simple: boolean }): Json {
  if (!isObject(event['session'])) return event;
  const { model: named, ...session } = event['session'];
  if (named !== undefined && named !== model) {
    throw new ApiError('invalid_request', {
      detail: 'The model of a session cannot be changed.',
      param: 'session.model',
    });
  }
  if (!simple) return { ...event, session };
  const saysWhat = 'output_modalities' in session || 'modalities' in session;
  return { ...event, session: { type: 'realtime', ...(saysWhat ? {} : { output_modalities: ['text'] }), ...session } };
}

function updating(event: Json): Outgoing {
  const transcribesBy = isObject(event['session']) ? wantedTranscription(event['session']) : undefined;
  return { frame: JSON.stringify(event), asks: false, ...(transcribesBy !== undefined && { transcribesBy }) };
}

function spoken(event: Json): readonly Outgoing[] {
  const text = event['message'];
  if (typeof text !== 'string' || text === '') {
    throw new ApiError('invalid_request', { detail: 'message: must be a text', param: 'message' });
  }
  const item = { type: 'message', role: 'user', content: [{ type: 'input_text', text }] };
  return [
    { frame: JSON.stringify({ type: 'conversation.item.create', item }), asks: false },
    { frame: JSON.stringify({ type: 'response.create' }), asks: true },
  ];
}
