/** How files begin that providers know, in hexadecimal; a dot stands for any digit. */
const OPENINGS: readonly (readonly [RegExp, string])[] = [
  [/^89504e470d0a1a0a/, 'image/png'],
  [/^ffd8ff/, 'image/jpeg'],
  [/^474946383[79]61/, 'image/gif'],
  [/^52494646.{8}57454250/, 'image/webp'],
  [/^255044462d/, 'application/pdf'],
];

/** Base64 characters that hold the 12 bytes of the longest opening. */
const OPENING_CHARACTERS = 16;

/** What is often written and no provider knows. */
const MISSPELT: Readonly<Record<string, string>> = { 'image/jpg': 'image/jpeg' };

/**
 * The media type of base64 data by its bytes, which providers compare with the stated one; the stated one, without
 * parameters, where the bytes tell nothing.
 */
export function inlineMediaType({ mime, data }: { readonly mime: string; readonly data: string }): string {
  const opening = Buffer.from(data.slice(0, OPENING_CHARACTERS), 'base64').toString('hex');
  const stated = (mime.split(';')[0] ?? '').trim().toLowerCase();
  return OPENINGS.find(([pattern]) => pattern.test(opening))?.[1] ?? MISSPELT[stated] ?? stated;
}
