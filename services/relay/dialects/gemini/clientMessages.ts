import { ApiError } from '../../../http/errors.ts';
import type { MediaSource, Message, Part, ToolCallPart, ToolResultPart } from '../../canonical/prompt.ts';
import type { GeminiContent, GeminiPart } from './request.ts';

type Media = Pick<GeminiPart, 'inlineData' | 'fileData'>;

/** Where files lie that only Google can read: its Files API, Cloud Storage and videos. */
const GOOGLE_HOSTS = /(?:^|\.)(?:googleapis\.com|youtube\.com|youtu\.be)$/i;

/** Of turns that are not the model's; Google's own clients put responses of functions under the last two. */
const USER_ROLES: ReadonlySet<string> = new Set(['', 'user', 'function', 'tool']);

/**
 * The contents as messages. A role that is missing is the user's. Throws ApiError `unsupported_parameter` for files in
 * Google's stores and parts that other providers do not know, `invalid_request` for a role that nobody knows and for a
 * function response without its call.
 *
 * Dropped: thought signatures of anything but calls, clips and frame rates of videos.
 */
export function clientMessages(contents: readonly GeminiContent[]): Message[] {
  const calls = new OpenCalls();
  return contents.flatMap(({ role, parts }, index) => {
    if (role === 'model')
      return message(
        'assistant',
        (parts ?? []).flatMap((part) => modelPart(part, calls)),
      );
    if (!USER_ROLES.has(role ?? '')) {
      throw new ApiError('invalid_request', {
        detail: `The role "${String(role)}" is not known.`,
        param: `contents.${String(index)}.role`,
      });
    }
    const stated = parts ?? [];
    const results = stated.flatMap((part) => (part.functionResponse ? [result(part.functionResponse, calls)] : []));
    const others = stated.filter(({ functionResponse }) => !functionResponse).flatMap(userPart);
    return [...message('tool', results), ...message('user', others)];
  });
}

function message(role: Message['role'], parts: readonly Part[]): Message[] {
  return parts.length === 0 ? [] : [{ role, parts }];
}

function modelPart(part: GeminiPart, calls: OpenCalls): Part[] {
  const { functionCall, thoughtSignature, thought, text } = part;
  if (functionCall) return [calls.open(functionCall, thoughtSignature)];
  if (part.functionResponse) throw refusedPart('A function response must stand in a turn of the user.');
  if (thought === true) return text ? [{ type: 'thinking', text, signature: null }] : [];
  return userPart(part);
}

/** A part that is nothing but a text may have an empty one, and a part may be nothing but a signature. */
function userPart(part: GeminiPart): Part[] {
  if (part.functionCall) throw refusedPart('A function call must stand in a turn of the model.');
  if (part.inlineData || part.fileData) return [mediaPart(part)];
  if (typeof part.text === 'string') return part.text === '' ? [] : [{ type: 'text', text: part.text }];
  if (typeof part.thoughtSignature === 'string') return [];
  const kind = Object.keys(part).find((member) => part[member] !== null && member !== 'videoMetadata') ?? 'part';
  throw refusedPart(`This model cannot take a part with ${kind}.`);
}

function mediaPart({ inlineData, fileData }: Media): Part {
  if (inlineData) {
    const mime = inlineData.mimeType.toLowerCase();
    return typedMedia(mime, { kind: 'inline', mime, data: inlineData.data }, inlineData.displayName ?? null);
  }
  const mime = fileData?.mimeType?.toLowerCase() ?? null;
  return typedMedia(mime ?? '', { kind: 'url', url: publicUrl(fileData?.fileUri ?? ''), mime }, null);
}

function typedMedia(mime: string, source: MediaSource, name: string | null): Part {
  if (mime.startsWith('image/')) return { type: 'image', source, detail: null };
  if (mime.startsWith('audio/')) return { type: 'audio', source };
  return { type: 'file', source, name };
}

function publicUrl(uri: string): string {
  const url = URL.parse(uri);
  if (url && /^https?:$/.test(url.protocol) && !GOOGLE_HOSTS.test(url.hostname)) return uri;
  throw refusedPart('A file that lies with one provider cannot be read by the provider of this model.');
}

function result(stated: NonNullable<GeminiPart['functionResponse']>, calls: OpenCalls): ToolResultPart {
  const { name, response, parts } = stated;
  const call = calls.take(stated.id ?? null, name);
  if (!call) {
    const detail = `The function response for "${name}" follows no call of that function.`;
    throw new ApiError('invalid_request', { detail, param: 'contents' });
  }
  const media = (parts ?? []).filter(({ inlineData, fileData }) => inlineData ?? fileData).map(mediaPart);
  return {
    type: 'toolResult',
    callId: call.id,
    name,
    parts: [{ type: 'text', text: JSON.stringify(response ?? {}) }, ...media],
    isError: Object.keys(response ?? {}).join() === 'error',
  };
}

/** Calls whose responses have not come. Responses without an id answer the calls of their function in order. */
class OpenCalls {
  #count = 0;
  #open: ToolCallPart[] = [];

  open(stated: NonNullable<GeminiPart['functionCall']>, signature: string | null | undefined): ToolCallPart {
    const { id, name, args } = stated;
    const call: ToolCallPart = {
      type: 'toolCall',
      id: id || `call_${name}_${String(this.#count)}`,
      name,
      arguments: JSON.stringify(args ?? {}),
      ...(signature && { signature }),
    };
    this.#count += 1;
    this.#open.push(call);
    return call;
  }

  take(id: string | null, name: string): ToolCallPart | null {
    const call = this.#open.find((open) => open.id === id) ?? this.#open.find((open) => open.name === name);
    if (!call) return null;
    this.#open = this.#open.filter((open) => open !== call);
    return call;
  }
}

function refusedPart(detail: string): ApiError {
  return new ApiError('unsupported_parameter', { detail, param: 'contents' });
}
