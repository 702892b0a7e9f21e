import { ApiError } from '../../../http/errors.ts';
import type { MediaSource, Part, TextPart, ToolCallPart, ToolResultPart } from '../../canonical/prompt.ts';
import { parseObject, type Json } from '../../wire/json.ts';
import { inlineMediaType } from '../../canonical/inlineMediaType.ts';
import { legalToolId } from './ids.ts';

const PDF = 'application/pdf';
const IMAGES: ReadonlySet<string> = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp']);

/** Claude refuses a text without a visible character, so such texts are dropped. */
export function textBlocks(parts: readonly TextPart[]): Json[] {
  return parts.filter(({ text }) => text.trim() !== '').map(textBlock);
}

/** What a user says. */
export function userBlocks(parts: readonly Part[]): Json[] {
  return parts.flatMap((part) => userBlock(part));
}

/** What a model said. Dropped: thinking that nothing proves, for Claude would refuse it. */
export function assistantBlocks(parts: readonly Part[]): Json[] {
  return parts.flatMap((part) => assistantBlock(part));
}

/** What tools answered. */
export function resultBlocks(parts: readonly Part[]): Json[] {
  return parts.flatMap((part) => (part.type === 'toolResult' ? [resultBlock(part)] : userBlock(part)));
}

function userBlock(part: Part): Json[] {
  switch (part.type) {
    case 'text':
      return textBlocks([part]);
    case 'refusal':
      return textBlocks([{ type: 'text', text: part.text }]);
    case 'image':
      return [imageBlock(part.source)];
    case 'file':
      return [fileBlock(part.source, part.name)];
    case 'audio':
      throw cannot('Claude cannot hear audio.');
    case 'thinking':
    case 'redactedThinking':
      return [];
    case 'toolCall':
    case 'toolResult':
      throw cannot('Only a model calls tools, and only tools give results.');
  }
}

function assistantBlock(part: Part): Json[] {
  switch (part.type) {
    case 'text':
      return textBlocks([part]);
    case 'refusal':
      return textBlocks([{ type: 'text', text: part.text }]);
    case 'thinking':
      return part.signature === null ? [] : [{ type: 'thinking', thinking: part.text, signature: part.signature }];
    case 'redactedThinking':
      return [{ type: 'redacted_thinking', data: part.data }];
    case 'toolCall':
      return [callBlock(part)];
    case 'image':
    case 'audio':
    case 'file':
      throw cannot('Claude takes no media in the turns of the assistant.');
    case 'toolResult':
      throw cannot('Only a model calls tools, and only tools give results.');
  }
}

function callBlock({ id, name, arguments: json }: ToolCallPart): Json {
  const input = parseObject(json.trim() || '{}');
  if (!input) {
    const detail = `messages: the arguments of the call of "${name}" are not a JSON object`;
    throw new ApiError('invalid_request', { detail, param: 'messages' });
  }
  return { type: 'tool_use', id: legalToolId(id), name, input };
}

function resultBlock({ callId, parts, isError }: ToolResultPart): Json {
  const content = userBlocks(parts);
  return {
    type: 'tool_result',
    tool_use_id: legalToolId(callId),
    ...(content.length > 0 && { content }),
    ...(isError && { is_error: true }),
  };
}

function textBlock({ text, cache }: TextPart): Json {
  if (cache === undefined) return { type: 'text', text };
  return { type: 'text', text, cache_control: { type: 'ephemeral', ...(cache === '1h' && { ttl: cache }) } };
}

function imageBlock(source: MediaSource): Json {
  switch (source.kind) {
    case 'url':
      return { type: 'image', source: { type: 'url', url: source.url } };
    case 'inline': {
      const mime = inlineMediaType(source);
      if (!IMAGES.has(mime)) throw cannot('Claude takes images as PNG, JPEG, GIF or WebP only.');
      return { type: 'image', source: { type: 'base64', media_type: mime, data: source.data } };
    }
    case 'providerFile':
      throw strangeFile();
  }
}

function fileBlock(source: MediaSource, name: string | null): Json {
  const title = name === null ? {} : { title: name };
  switch (source.kind) {
    case 'url':
      if (source.mime !== null && source.mime !== PDF) return imageBlock(source);
      return { type: 'document', source: { type: 'url', url: source.url }, ...title };
    case 'inline': {
      const mime = inlineMediaType(source);
      if (IMAGES.has(mime)) return imageBlock(source);
      if (mime === PDF)
        return { type: 'document', source: { type: 'base64', media_type: PDF, data: source.data }, ...title };
      if (!mime.startsWith('text/')) throw cannot('Claude takes files that are PDF or text only.');
      const data = Buffer.from(source.data, 'base64').toString('utf8');
      return { type: 'document', source: { type: 'text', media_type: 'text/plain', data }, ...title };
    }
    case 'providerFile':
      throw strangeFile();
  }
}

function strangeFile(): ApiError {
  return cannot('A file that lies with another provider cannot be read by Claude.');
}

function cannot(detail: string): ApiError {
  return new ApiError('unsupported_parameter', { detail, param: 'messages' });
}
