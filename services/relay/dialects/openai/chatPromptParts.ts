import { ApiError } from '../../../http/errors.ts';
import type { MediaSource, Part, TextPart } from '../../canonical/prompt.ts';
import { isObject, textIn, type Json } from '../../wire/json.ts';
import type { ChatMessage } from './chatRequest.ts';
import { parseDataUri } from '../../wire/dataUri.ts';

const AUDIO_TYPES: ReadonlyMap<unknown, string> = new Map([
  ['wav', 'audio/wav'],
  ['mp3', 'audio/mpeg'],
  ['flac', 'audio/flac'],
  ['ogg', 'audio/ogg'],
  ['aac', 'audio/aac'],
  ['aiff', 'audio/aiff'],
]);

/** One part of a message's content. Throws ApiError with the path of what is wrong. */
export function readPart(part: Json, param: string): Part {
  switch (part['type']) {
    case 'text':
      return textPart(part, param);
    case 'refusal':
      return { type: 'refusal', text: textIn(part['refusal']) };
    case 'image_url':
      return imagePart(part['image_url'], `${param}.image_url`);
    case 'input_audio':
      return audioPart(part['input_audio'], `${param}.input_audio`);
    case 'file':
      return filePart(part['file'], `${param}.file`);
    default: {
      const detail = 'The provider of this model cannot take a part of this type.';
      throw new ApiError('unsupported_parameter', { detail, param: `${param}.type` });
    }
  }
}

/** Content that may hold nothing but text. */
export function textParts(content: ChatMessage['content'], param: string): TextPart[] {
  if (typeof content === 'string') return content === '' ? [] : [{ type: 'text', text: content }];
  return (content ?? []).map((part, index) => {
    const path = `${param}.content.${String(index)}`;
    if (part.type !== 'text') throw invalid(`${path}.type`, 'must be text');
    return textPart(part, path);
  });
}

/** A cache mark is Anthropic's, as OpenRouter carries it. */
function textPart(part: Json, param: string): TextPart {
  const { text, cache_control: mark } = part;
  if (typeof text !== 'string') throw invalid(`${param}.text`, 'must be a text');
  if (!isObject(mark) || mark['type'] !== 'ephemeral') return { type: 'text', text };
  return { type: 'text', text, cache: mark['ttl'] === '1h' ? '1h' : '5m' };
}

/** Some clients give the address alone. */
export function imagePart(stated: unknown, param: string): Part {
  const image = isObject(stated) ? stated : { url: stated };
  const { url, detail } = image;
  const known = detail === 'low' || detail === 'high' || detail === 'auto' ? detail : null;
  return { type: 'image', source: sourceOf(url, `${param}.url`), detail: known };
}

function audioPart(stated: unknown, param: string): Part {
  const { data, format } = isObject(stated) ? stated : {};
  const mime = AUDIO_TYPES.get(format);
  if (mime === undefined) throw invalid(`${param}.format`, `must be one of ${[...AUDIO_TYPES.keys()].join(', ')}`);
  if (typeof data !== 'string' || data === '') throw invalid(`${param}.data`, 'must be base64');
  return { type: 'audio', source: { kind: 'inline', mime, data } };
}

function filePart(stated: unknown, param: string): Part {
  const { file_id: id, file_data: data, filename } = isObject(stated) ? stated : {};
  const name = textIn(filename) || null;
  if (typeof id === 'string' && id !== '') return { type: 'file', source: { kind: 'providerFile', id }, name };
  return { type: 'file', source: sourceOf(data, `${param}.file_data`), name };
}

function sourceOf(stated: unknown, param: string): MediaSource {
  const url = textIn(stated);
  const inline = parseDataUri(url);
  if (inline) return { kind: 'inline', ...inline };
  if (/^https?:\/\//i.test(url)) return { kind: 'url', url, mime: null };
  throw invalid(param, 'must be an http(s) URL or a data URI with base64 data');
}

function invalid(param: string, problem: string): ApiError {
  return new ApiError('invalid_request', { detail: `${param}: ${problem}`, param });
}
