/** Bytes that a format begins with; `at` where a container's header stands before its own mark. */
const MARKS: readonly { readonly type: string; readonly marks: readonly { at: number; bytes: Buffer }[] }[] = [
  { type: 'image/png', marks: [mark('\x89PNG\r\n\x1a\n')] },
  { type: 'image/jpeg', marks: [mark('\xff\xd8\xff')] },
  { type: 'image/gif', marks: [mark('GIF87a')] },
  { type: 'image/gif', marks: [mark('GIF89a')] },
  { type: 'image/webp', marks: [mark('RIFF'), mark('WEBP', 8)] },
  { type: 'audio/wav', marks: [mark('RIFF'), mark('WAVE', 8)] },
  { type: 'application/pdf', marks: [mark('%PDF-')] },
  { type: 'audio/mpeg', marks: [mark('ID3')] },
];

/** The media type that a file's first bytes testify to; 12 are enough. Null where they tell nothing. */
export function markedType(bytes: Buffer): string | null {
  return MARKS.find(({ marks }) => marks.every(({ at, bytes: own }) => startsAt(bytes, at, own)))?.type ?? null;
}

function mark(latin1: string, at = 0): { at: number; bytes: Buffer } {
  return { at, bytes: Buffer.from(latin1, 'latin1') };
}

function startsAt(bytes: Buffer, at: number, own: Buffer): boolean {
  return bytes.length >= at + own.length && bytes.compare(own, 0, own.length, at, at + own.length) === 0;
}
