import { ApiError } from '../../../http/errors.ts';
import type { MediaSource, Part, TextPart } from '../../canonical/prompt.ts';
import { isObject, type Json } from '../../wire/json.ts';
import type { ClaudeBlock } from './request.ts';

/** A block of a user, or of a tool's result. `at` is its place in the body. */
export function userParts(block: ClaudeBlock, at: string): Part[] {
  switch (block.type) {
    case 'text':
      return [textPart(block, at)];
    case 'image':
      return [{ type: 'image', source: media(sourceOf(block, at), null, at), detail: null }];
    case 'document':
      return documentParts(block, at);
    default:
      throw refusedBlock(block.type, at);
  }
}

export function assistantPart(block: ClaudeBlock, at: string): Part {
  switch (block.type) {
    case 'text':
      return textPart(block, at);
    case 'thinking': {
      const { signature } = block;
      const proof = typeof signature === 'string' && signature !== '' ? signature : null;
      return { type: 'thinking', text: stringOf(block, 'thinking', at), signature: proof };
    }
    case 'redacted_thinking':
      return { type: 'redactedThinking', data: stringOf(block, 'data', at) };
    case 'tool_use': {
      const input = block['input'] ?? {};
      if (!isObject(input)) throw invalid(`${at}.input`, 'must be an object');
      const id = stringOf(block, 'id', at);
      return { type: 'toolCall', id, name: stringOf(block, 'name', at), arguments: JSON.stringify(input) };
    }
    default:
      throw refusedBlock(block.type, at);
  }
}

export function textPart(block: ClaudeBlock, at: string): TextPart {
  const text = stringOf(block, 'text', at);
  const mark = block['cache_control'];
  if (!isObject(mark) || mark['type'] !== 'ephemeral') return { type: 'text', text };
  return { type: 'text', text, cache: mark['ttl'] === '1h' ? '1h' : '5m' };
}

/** A text document is a text under its title and what is said of it; one made of blocks is those blocks. */
function documentParts(block: ClaudeBlock, at: string): Part[] {
  const source = sourceOf(block, at);
  const title = typeof block['title'] === 'string' ? block['title'] : null;
  const { context } = block;
  const about: Part[] = typeof context === 'string' && context !== '' ? [{ type: 'text', text: context }] : [];
  const heading: Part[] = title === null ? about : [{ type: 'text', text: title }, ...about];
  if (source['type'] === 'text') return [...heading, { type: 'text', text: stringOf(source, 'data', `${at}.source`) }];
  if (source['type'] === 'content') return [...heading, ...contentParts(source['content'], `${at}.source.content`)];
  return [...about, { type: 'file', source: media(source, 'application/pdf', at), name: title }];
}

function contentParts(content: unknown, at: string): Part[] {
  if (typeof content === 'string') return [{ type: 'text', text: content }];
  if (!Array.isArray(content)) throw invalid(at, 'must be a string or a list of blocks');
  return content.flatMap((block: unknown, index) => {
    const place = `${at}.${String(index)}`;
    if (!isObject(block)) throw invalid(place, 'must be a block');
    const { type } = block;
    // A document has no documents inside, so this ends.
    if (type !== 'text' && type !== 'image') throw refusedBlock(String(type), place);
    return userParts({ ...block, type }, place);
  });
}

/** `urlMime`: what lies behind a URL, where the block tells. */
function media(source: Json, urlMime: string | null, at: string): MediaSource {
  switch (source['type']) {
    case 'base64':
      return {
        kind: 'inline',
        mime: stringOf(source, 'media_type', `${at}.source`),
        data: stringOf(source, 'data', `${at}.source`),
      };
    case 'url':
      return { kind: 'url', url: stringOf(source, 'url', `${at}.source`), mime: urlMime };
    case 'file':
      return { kind: 'providerFile', id: stringOf(source, 'file_id', `${at}.source`) };
    default:
      throw invalid(`${at}.source.type`, 'is not known');
  }
}

function sourceOf(block: ClaudeBlock, at: string): Json {
  const { source } = block;
  if (!isObject(source)) throw invalid(`${at}.source`, 'must be an object');
  return source;
}

function stringOf(holder: Readonly<Record<string, unknown>>, member: string, at: string): string {
  const value = holder[member];
  if (typeof value !== 'string') throw invalid(`${at}.${member}`, 'must be a string');
  return value;
}

export function refusedBlock(type: string, at: string): ApiError {
  const detail = `The provider of this model cannot take a block of the type ${type.slice(0, 64)} here.`;
  return new ApiError('unsupported_parameter', { detail, param: `${at}.type` });
}

export function invalid(param: string, what: string): ApiError {
  return new ApiError('invalid_request', { detail: `${param}: ${what}`, param });
}
