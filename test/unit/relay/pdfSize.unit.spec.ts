import { deflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { pdfSize } from '../../../services/relay/usage/pdfSize.ts';
import { pdfOf } from '../../support/pdf.ts';

describe('The size of a PDF', () => {
  it('is its pages, whether they lie plainly or packed', () => {
    expect(pdfSize(pdfOf({ pages: 60, lines: 40 }))?.pages).toBe(60);
    expect(pdfSize(pdfOf({ pages: 60, lines: 40, packed: true }))?.pages).toBe(60);
  });

  it('is the bytes of its text, without pictures and fonts', () => {
    const text = pdfSize(pdfOf({ pages: 3, lines: 40 }));
    expect(text?.textBytes).toBeGreaterThan(3 * 300);
    expect(text?.textBytes).toBeLessThan(3 * 3_000);
    expect(pdfSize(pdfOf({ pages: 3, lines: 40, pictureBytes: 2_000_000 }))).toEqual(text);
  });

  it('is not known of what is no PDF, has no page, breaks off, or is packed in another way', () => {
    const packed = pdfOf({ pages: 2, lines: 1, packed: true }).toString('latin1');
    const sizeOf = (text: string) => pdfSize(Buffer.from(text, 'latin1'));
    expect(sizeOf(packed)?.pages).toBe(2);
    expect(sizeOf(packed.replace('%PDF-', '%ODF-'))).toBeNull();
    expect(sizeOf('%PDF-1.7\ntrailer << >>')).toBeNull();
    expect(sizeOf(packed.slice(0, packed.lastIndexOf('endstream')))).toBeNull();
    expect(sizeOf(packed.replace('/FlateDecode', '/LZWDecode'))).toBeNull();
    expect(sizeOf(packed.replace('stream\nx', 'stream\ny'))).toBeNull();
  });

  it('is beyond what providers take, however many pages there are', () => {
    expect(pdfSize(Buffer.from(`%PDF-1.7\n${'<< /Type /Page >> '.repeat(90_000)}`))).toEqual({
      pages: 2_001,
      textBytes: 0,
    });
  });

  it('takes no time that others would notice, whatever the bytes, in one file or in many', () => {
    const objects = (bytes: number, rest: number) =>
      Buffer.concat([
        Buffer.from('%PDF-1.7\n1 0 obj\n<< /Type /ObjStm /Filter /FlateDecode >>\nstream\n'),
        deflateSync(Buffer.alloc(bytes, '/Type /None ')),
        Buffer.from('\nendstream'),
        Buffer.alloc(rest, ' '),
      ]);
    const hostile = [
      Buffer.from(`%PDF-1.7\n${'stream endstream '.repeat(400_000)}`),
      Buffer.from(`%PDF-1.7\n${'/Type '.repeat(1_200_000)}`),
      Buffer.from(`%PDF-1.7\n${`/Type${' '.repeat(50)}`.repeat(130_000)}`),
      objects(100_000_000, 0),
      objects(40_000, 5_000),
    ];
    for (const bytes of hostile) {
      const before = performance.now();
      for (let total = 0; total < 7_000_000; total += bytes.length) expect(pdfSize(bytes)).toBeNull();
      expect(performance.now() - before).toBeLessThan(3_000);
    }
  });
});
