/** How files begin that Claude takes, in hexadecimal; a dot stands for any digit. */
const OPENINGS: readonly (readonly [RegExp, string])[] = [
  [/^89504e470d0a1a0a/, 'image/png'],
  [/^ffd8ff/, 'image/jpeg'],
  [/^474946383[79]61/, 'image/gif'],
  [/^52494646.{8}57454250/, 'image/webp'],
  [/^255044462d/, 'application/pdf'],
];

/** Base64 characters that hold the 12 bytes of the longest opening. */
const OPENING_CHARACTERS = 16;

/** The media type of base64 data by its bytes, which Claude compares with the stated one; the stated one where they tell nothing. */
export function mediaTypeOf({ mime, data }: { readonly mime: string; readonly data: string }): string {
  const opening = Buffer.from(data.slice(0, OPENING_CHARACTERS), 'base64').toString('hex');
  return OPENINGS.find(([pattern]) => pattern.test(opening))?.[1] ?? (mime.split(';')[0] ?? '').trim().toLowerCase();
}
