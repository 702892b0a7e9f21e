import { ApiError } from '../../http/errors.ts';
import type { ChatPrompt, MediaSource, Message, Part } from './prompt.ts';

export interface FetchedMedia {
  readonly mime: string;
  /** Base64. */
  readonly data: string;
}

/** A conversation may point to so many different places; each is fetched by us, once. */
const MAX_REMOTE = 64;

/**
 * The conversation with every image, audio and file that it names by URL put inline, for upstreams that fetch nothing.
 * Files that lie with a provider stay what they are. Rejects with what `fetchMedia` rejects with, and with ApiError
 * `invalid_request` for more than 64 different URLs, before any is fetched.
 */
export async function inlineMedia<Prompt extends ChatPrompt>(
  prompt: Prompt,
  fetchMedia: (url: string) => Promise<FetchedMedia>,
): Promise<Prompt> {
  const urls = new Set(prompt.messages.flatMap(({ parts }) => parts.flatMap(urlsIn)));
  if (urls.size === 0) return prompt;
  if (urls.size > MAX_REMOTE) {
    const detail = `A conversation may name at most ${String(MAX_REMOTE)} images, audio or files by URL.`;
    throw new ApiError('invalid_request', { detail, param: 'messages' });
  }
  const fetched = await Promise.all([...urls].map(async (url) => [url, await fetchMedia(url)] as const));
  const media = new Map(fetched);
  const messages = prompt.messages.map((message): Message => ({
    ...message,
    parts: message.parts.map((part) => inlined(part, media)),
  }));
  return { ...prompt, messages };
}

function urlsIn(part: Part): readonly string[] {
  if (part.type === 'toolResult') return part.parts.flatMap(urlsIn);
  return 'source' in part && part.source.kind === 'url' ? [part.source.url] : [];
}

function inlined(part: Part, media: ReadonlyMap<string, FetchedMedia>): Part {
  if (part.type === 'toolResult') return { ...part, parts: part.parts.map((inner) => inlined(inner, media)) };
  return 'source' in part ? { ...part, source: inlineSource(part.source, media) } : part;
}

function inlineSource(source: MediaSource, media: ReadonlyMap<string, FetchedMedia>): MediaSource {
  const fetched = source.kind === 'url' ? media.get(source.url) : undefined;
  return fetched ? { kind: 'inline', mime: fetched.mime, data: fetched.data } : source;
}
