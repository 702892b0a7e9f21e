import type { Bounds } from '../call.ts';
import { parseDataUri } from '../wire/dataUri.ts';
import { durationOf } from '../operations/audio/duration.ts';
import { isObject, textIn, type Json } from '../wire/json.ts';
import { pdfSize } from './pdfSize.ts';

/**
 * Tokens that one attachment cannot exceed: what holds allow. What lies in the body is bounded by its size, what a
 * provider fetches or keeps by what a prompt can take. The figures are those that providers document.
 */
export const ATTACHED_AT_MOST = {
  /** Claude has 1 600, its newest models 4 800; Gemini 258 for each tile, here 23. A page of a PDF is one, beside its text. */
  image: 6_000,
  /** OpenAI: 2 833, and 5 667 for each of at most 8 tiles: 48 169. They are billed, though they fill no context window. */
  imageOfMini: 48_200,
  /** Gemini 32, OpenAI 10. */
  soundPerSecond: 32,
  /** Gemini has 263 a second with its time marks; one frame a second unless the client says otherwise. */
  videoPerFrame: 280,
  /** What the largest context windows take. Below it a byte is a token, of a PDF only one of its text. */
  document: 1_000_000,
  /** Gemini's context window: an hour of video is 947 000 tokens. */
  recording: 1_048_576,
  /** A document that the provider fetches or keeps: the usual context window. */
  unseenDocument: 200_000,
  /** Of anything. */
  least: 6_000,
} as const;

/** 48 kbit/s; films and screens that hardly move have twice that. */
const FEWEST_VIDEO_BYTES_PER_SECOND = 6_000;

/** What rate limits count for any attachment: a bound is meant for money, and would stop every PDF for a minute. */
const RATED = 6_000;

/** What of a prompt's bound its attachments are. */
export interface Attached {
  readonly count: number;
  readonly tokens: number;
  /** Those that a model sees as an image: images, and pages of PDFs. */
  readonly images: number;
}

/** The bound of a call's input, and what of it is attached; without `attached`, nothing is. */
export interface InputBound {
  readonly inputTokens: number;
  readonly attached?: Attached;
}
export type SizedBounds = Bounds & InputBound;

export const NOTHING_ATTACHED: Attached = { count: 0, tokens: 0, images: 0 };

/** The bound of an input of so many tokens beside its attachments. */
export function inputBoundOf(tokens: number, attached: Attached): InputBound {
  return { inputTokens: tokens + attached.tokens, ...(attached.count > 0 && { attached }) };
}

/** Models that count images like gpt-4o-mini: its dated names, its fine-tuned ones, and those of resellers. */
const MINI = /gpt-4o-mini/i;

/** The bounds of a call that may go to one of these models of providers. */
export function boundsAt(bounds: SizedBounds, upstreamModels: readonly string[]): SizedBounds {
  const { attached, inputTokens } = bounds;
  if (!attached || !upstreamModels.some((model) => MINI.test(model))) return bounds;
  const { image, imageOfMini } = ATTACHED_AT_MOST;
  const more = attached.images * (imageOfMini - image);
  return {
    ...bounds,
    inputTokens: inputTokens + more,
    attached: { ...attached, tokens: attached.tokens + more },
  };
}

/** Tokens of a call as limits per minute count them. */
export function ratedTokens({ inputTokens, outputTokens, attached = NOTHING_ATTACHED }: SizedBounds): number {
  return inputTokens + outputTokens - attached.tokens + attached.count * RATED;
}

/**
 * What the value of a member that attaches something attaches: `source`, `inlineData`, `image_url`. A list attaches each
 * of its items. `holder` is the object that has the member, for its `type`.
 */
export function attachedBy(member: string, value: unknown, holder: Json): Attached {
  if (value === null || value === undefined) return NOTHING_ATTACHED;
  if (Array.isArray(value)) {
    return value.map((item) => attachedBy(member, item, holder)).reduce(together, NOTHING_ATTACHED);
  }
  const stated = isObject(value) ? value : { url: value };
  const frames = framesPerSecond(holder);
  const sizes = carriersIn(stated).map((carried) => boundOf(kindOf(member, stated, holder, carried), carried, frames));
  return { count: 1, ...sizes.reduce(dearer) };
}

/** How many are attached, and not how large they are: all that an estimate asks, and a PDF need not be read for it. */
export function countedBy(_member: string, value: unknown): Attached {
  const items: readonly unknown[] = Array.isArray(value) ? value : [value];
  return { ...NOTHING_ATTACHED, count: items.filter((item) => item !== null && item !== undefined).length };
}

export function together(one: Attached, other: Attached): Attached {
  return {
    count: one.count + other.count,
    tokens: one.tokens + other.tokens,
    images: one.images + other.images,
  };
}

type Kind = 'image' | 'sound' | 'video' | 'text' | 'document';
type Size = Pick<Attached, 'tokens' | 'images'>;

/** One way in which a body states an attachment: base64, and its type where it is stated. */
interface Carried {
  readonly mime: string;
  /** Null for what lies elsewhere. */
  readonly data: string | null;
}

function boundOf(kind: Kind, { data }: Carried, frames: number): Size {
  const { image, document, recording, unseenDocument, soundPerSecond, videoPerFrame } = ATTACHED_AT_MOST;
  if (kind === 'image') return { tokens: image, images: 1 };
  const isRecording = kind === 'sound' || kind === 'video';
  if (data === null) return { tokens: isRecording ? recording : unseenDocument, images: 0 };
  const length = Buffer.byteLength(data, 'base64');
  switch (kind) {
    case 'sound': {
      const seconds = durationOf(Buffer.from(data, 'base64')).atMost;
      return { tokens: between(seconds * soundPerSecond, recording), images: 0 };
    }
    case 'video': {
      const seconds = Math.ceil(length / FEWEST_VIDEO_BYTES_PER_SECOND);
      return { tokens: between(seconds * (frames * videoPerFrame + soundPerSecond), recording), images: 0 };
    }
    case 'text':
      return { tokens: between(length, Infinity), images: 0 };
    case 'document': {
      const pdf = pdfSize(Buffer.from(data, 'base64'));
      if (!pdf) return { tokens: between(length, document), images: 0 };
      return { tokens: between(pdf.textBytes + pdf.pages * image, document), images: pdf.pages };
    }
  }
}

function between(tokens: number, most: number): number {
  return Math.min(Math.max(Math.ceil(tokens), ATTACHED_AT_MOST.least), most);
}

const MIME_MEMBERS = ['mimeType', 'mime_type', 'media_type', 'mime'];
/** Members that hold an address, a data URI, or a provider's id. */
const PLACE_MEMBERS = ['url', 'file_data', 'file_url', 'fileUri', 'file_uri', 'file_id'];

/** Several at once are not for us to choose from: a provider may take any, so the dearest holds. */
function carriersIn(stated: Json): readonly [Carried, ...Carried[]] {
  const mime = mimeOf(MIME_MEMBERS.map((member) => textIn(stated[member])).find((text) => text !== '') ?? '');
  const { data } = stated;
  const places = PLACE_MEMBERS.filter((member) => textIn(stated[member]) !== '').map((member): Carried => {
    const place = textIn(stated[member]);
    // Some providers take a file as bare base64.
    return parseDataUri(place) ?? { mime, data: member === 'file_data' && !/^https?:/i.test(place) ? place : null };
  });
  const [first = { mime, data: null }, ...others] = typeof data === 'string' ? [{ mime, data }, ...places] : places;
  return [first, ...others];
}

function dearer(one: Size, other: Size): Size {
  return { tokens: Math.max(one.tokens, other.tokens), images: Math.max(one.images, other.images) };
}

/** Without parameters: `audio/L16;rate=16000` is `audio/l16`. */
function mimeOf(stated: string): string {
  return (stated.split(';', 1)[0] ?? '').trim().toLowerCase();
}

/** The stated type decides, then the names of what holds it. Google knows the kind of a file that it fetches; we do not. */
function kindOf(member: string, stated: Json, holder: Json, { mime }: Carried): Kind {
  const isGoogles = member === 'fileData' || member === 'file_data';
  const isStated = mime !== '' && mime !== 'application/octet-stream';
  if (isGoogles && (!isStated || YOUTUBE.test(textIn(stated['fileUri'] ?? stated['file_uri'])))) return 'video';
  if (isStated) return kindOfMime(mime);
  const names = `${member} ${textIn(holder['type'])} ${textIn(stated['type'])}`;
  if (names.includes('image')) return 'image';
  // A platform that is given a file reads it, and writes down what it hears.
  if (/file|document/.test(names)) return 'document';
  if (names.includes('audio')) return 'sound';
  return names.includes('video') ? 'video' : 'document';
}

const YOUTUBE = /\byoutu(\.be|be(-nocookie)?\.com)\b/i;

function kindOfMime(mime: string): Kind {
  if (mime.startsWith('image/')) return 'image';
  if (mime.startsWith('audio/')) return 'sound';
  if (mime.startsWith('video/')) return 'video';
  return TEXT.test(mime) ? 'text' : 'document';
}

const TEXT = /^text\/|^application\/(json|xml|yaml|x-yaml|javascript|x-javascript|x-python|rtf)$|\+(json|xml)$/;

function framesPerSecond(holder: Json): number {
  const metadata = holder['videoMetadata'] ?? holder['video_metadata'];
  const stated = isObject(metadata) ? metadata['fps'] : null;
  return typeof stated === 'number' && stated > 1 ? stated : 1;
}
