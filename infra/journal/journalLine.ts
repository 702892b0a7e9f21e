import { crc32 } from 'node:zlib';
import { z } from 'zod';
import type { Append } from '../../events/eventStore.ts';

const appendText = z.object({
  stream: z.string(),
  expected: z.union([z.literal('no_stream'), z.string().regex(/^\d+$/)]),
  events: z.array(z.object({ eventId: z.string(), type: z.string(), version: z.int(), data: z.string() })).min(1),
});

const NEWLINE = 0x0a;
const CRC_LENGTH = 8;

/** One append as JSON; the same append always gives the same text. */
export function appendJson({ stream, expected, events }: Append): string {
  return JSON.stringify({
    stream,
    expected: expected === 'no_stream' ? expected : String(expected),
    events: events.map(({ eventId, type, version, data }) => ({ eventId, type, version, data })),
  });
}

/** One append as a line: CRC-32 of the JSON as eight hexadecimal digits, a space, the JSON, a line feed. */
export function encodeLine(append: Append): Buffer {
  const json = Buffer.from(appendJson(append));
  return Buffer.concat([Buffer.from(`${checksum(json)} `), json, Buffer.from('\n')]);
}

/** A piece of a journal file. */
export type Piece =
  | { readonly kind: 'append'; readonly append: Append; readonly bytes: number }
  | { readonly kind: 'damaged'; readonly raw: Buffer };

/**
 * Cuts a file into lines. Every byte is in exactly one piece; a last line without its line feed is damaged. Throws when
 * a line has its right checksum and is not an append: then another program wrote it.
 */
export function readPieces(file: Buffer): Piece[] {
  const pieces: Piece[] = [];
  let start = 0;
  while (start < file.length) {
    const newline = file.indexOf(NEWLINE, start);
    const end = newline < 0 ? file.length : newline + 1;
    const raw = file.subarray(start, end);
    const append = newline < 0 ? null : decodeLine(raw.subarray(0, -1));
    pieces.push(append ? { kind: 'append', append, bytes: raw.length } : { kind: 'damaged', raw });
    start = end;
  }
  return pieces;
}

function decodeLine(line: Buffer): Append | null {
  const json = line.subarray(CRC_LENGTH + 1);
  if (line.toString('latin1', 0, CRC_LENGTH + 1) !== `${checksum(json)} `) return null;
  const { stream, expected, events } = appendText.parse(JSON.parse(json.toString()));
  return { stream, expected: expected === 'no_stream' ? expected : BigInt(expected), events };
}

function checksum(json: Buffer): string {
  return crc32(json).toString(16).padStart(CRC_LENGTH, '0');
}
