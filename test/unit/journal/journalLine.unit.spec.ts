import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Append } from '../../../events/eventStore.ts';
import { encodeLine, readPieces } from '../../../infra/journal/journalLine.ts';
import { exampleCall } from '../settlement/calls.ts';

const appends: readonly Append[] = ['a', 'b', 'c'].flatMap((name) => {
  const { acceptance, settlement } = exampleCall(name);
  return [acceptance, settlement];
});
const lines = appends.map(encodeLine);
const file = Buffer.concat(lines);

describe('a line of the journal', () => {
  it('is the checksum of its JSON, a space, the JSON and a line feed', () => {
    const append: Append = {
      stream: 'request-1',
      expected: 41n,
      events: [{ eventId: 'e', type: 'T', version: 1, data: '{"text":"ü\\n"}' }],
    };
    expect(encodeLine(append).toString()).toBe(
      '121e61c1 {"stream":"request-1","expected":"41","events":[{"eventId":"e","type":"T","version":1,"data":"{\\"text\\":\\"ü\\\\n\\"}"}]}\n',
    );
  });

  it('gives back the append', () => {
    expect(readPieces(file)).toEqual(appends.map((append, i) => ({ kind: 'append', append, bytes: lines[i]?.length })));
    expect(readPieces(Buffer.alloc(0))).toEqual([]);
  });

  it('is damaged when it is cut at any byte, and those before it are not', () => {
    const last = lines.at(-1) ?? file;
    for (let kept = 1; kept < last.length; kept += 1) {
      const cut = file.subarray(0, file.length - last.length + kept);
      const pieces = readPieces(cut);
      expect(pieces).toHaveLength(appends.length);
      expect(pieces.at(-1)).toEqual({ kind: 'damaged', raw: last.subarray(0, kept) });
      expect(pieces.filter((piece) => piece.kind === 'append')).toHaveLength(appends.length - 1);
    }
  });

  it('is damaged by any one flipped bit, and no byte of the file is lost sight of', () => {
    const bit = fc.tuple(fc.nat(file.length - 1), fc.nat(7));
    fc.assert(
      fc.property(bit, ([at, shift]) => {
        const flipped = Buffer.from(file);
        flipped.writeUInt8(flipped.readUInt8(at) ^ (1 << shift), at);
        const pieces = readPieces(flipped);
        expect(pieces.some((piece) => piece.kind === 'damaged')).toBe(true);
        expect(pieces.filter((piece) => piece.kind === 'append').length).toBeGreaterThanOrEqual(appends.length - 2);
        const bytes = pieces.map((piece) => (piece.kind === 'append' ? piece.bytes : piece.raw.length));
        expect(bytes.reduce((sum, size) => sum + size, 0)).toBe(file.length);
      }),
    );
  });

  it('is damaged when it is anything else', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), (bytes) => {
        expect(readPieces(Buffer.from(bytes)).every((piece) => piece.kind === 'damaged')).toBe(true);
      }),
    );
  });
});
