import { markedType } from '../wire/markedType.ts';

/** Base64 characters that hold the 12 bytes by which files are told apart. */
const OPENING_CHARACTERS = 16;

/** What is often written and no provider knows. */
const MISSPELT: Readonly<Record<string, string>> = { 'image/jpg': 'image/jpeg' };

/**
 * The media type of base64 data: of images and PDF by its bytes, which providers compare with the stated one; otherwise
 * the stated one, without parameters.
 */
export function inlineMediaType({ mime, data }: { readonly mime: string; readonly data: string }): string {
  const marked = markedType(Buffer.from(data.slice(0, OPENING_CHARACTERS), 'base64'));
  // Sounds have several names for one format, and each provider knows some.
  if (marked !== null && !marked.startsWith('audio/')) return marked;
  const stated = (mime.split(';')[0] ?? '').trim().toLowerCase();
  return MISSPELT[stated] ?? stated;
}
