import { ApiError } from '../../http/errors.ts';
import type { ChatPrompt, Message, Part } from './prompt.ts';

export interface FetchedMedia {
  readonly mime: string;
  /** Base64. */
  readonly data: string;
}

/** A conversation may point to so many different places; each is fetched by us, once, and so many at a time. */
const MAX_REMOTE = 64;
const FETCHED_AT_ONCE = 4;
/** Base64 of all of them; some 24 MB of files. A call must not take more memory than a large body does. */
const MAX_CHARACTERS = 32 * 1_048_576;

/**
 * The conversation with every image, audio and file that it names by URL put inline, for upstreams that fetch nothing.
 * Files that lie with a provider stay what they are. Rejects with what `fetchMedia` rejects with, and with ApiError
 * `invalid_request` for more than 64 different URLs, before any is fetched, for more than 32 Mi characters of base64, and
 * for an image or audio that turns out to be something else: its hold was taken for what the client called it.
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
  const media = await fetchAll([...urls], fetchMedia);
  const messages = prompt.messages.map((message): Message => ({
    ...message,
    parts: message.parts.map((part) => inlined(part, media)),
  }));
  return { ...prompt, messages };
}

async function fetchAll(
  urls: readonly string[],
  fetchMedia: (url: string) => Promise<FetchedMedia>,
): Promise<ReadonlyMap<string, FetchedMedia>> {
  const media = new Map<string, FetchedMedia>();
  let characters = 0;
  for (let from = 0; from < urls.length; from += FETCHED_AT_ONCE) {
    const batch = urls.slice(from, from + FETCHED_AT_ONCE);
    const fetched = await Promise.all(batch.map(async (url) => [url, await fetchMedia(url)] as const));
    for (const [url, file] of fetched) {
      media.set(url, file);
      characters += file.data.length;
    }
    if (characters > MAX_CHARACTERS) {
      const detail = 'The images, audio and files that this conversation names by URL are too large together.';
      throw new ApiError('invalid_request', { detail, param: 'messages' });
    }
  }
  return media;
}

function urlsIn(part: Part): readonly string[] {
  if (part.type === 'toolResult') return part.parts.flatMap(urlsIn);
  return 'source' in part && part.source.kind === 'url' ? [part.source.url] : [];
}

function inlined(part: Part, media: ReadonlyMap<string, FetchedMedia>): Part {
  if (part.type === 'toolResult') return { ...part, parts: part.parts.map((inner) => inlined(inner, media)) };
  if (!('source' in part) || part.source.kind !== 'url') return part;
  const fetched = media.get(part.source.url);
  if (!fetched) return part;
  if (part.type !== 'file' && !fetched.mime.startsWith(`${part.type}/`)) {
    const detail = `A URL of this request leads to no ${part.type}.`;
    throw new ApiError('invalid_request', { detail, param: 'messages' });
  }
  return { ...part, source: { kind: 'inline', mime: fetched.mime, data: fetched.data } };
}
