import { deflateSync } from 'node:zlib';

export interface PdfPages {
  readonly pages: number;
  /** Lines of words on each of them. */
  readonly lines: number;
  /** Page objects lie in an object stream, as word processors and TeX write them. */
  readonly packed?: boolean;
  /** Bytes of a photograph and of a font beside the text. */
  readonly pictureBytes?: number;
}

const WORDS = 'the quota of an account is held before its call and posted after what was used has been counted'.split(
  ' ',
);

/** A PDF as programs write them: deflated text, one page object for each page. No two lines are alike. */
export function pdfOf({ pages, lines, packed = false, pictureBytes = 0 }: PdfPages): Buffer {
  const pieces: Buffer[] = [Buffer.from('%PDF-1.7\n')];
  const pageObjects = Array.from(
    { length: pages },
    (_, page) => `<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents ${String(100 + page)} 0 R >>`,
  );
  const tree = `<< /Type /Pages /Count ${String(pages)} /Kids [3 0 R] >>`;
  const objects = [`<< /Type /Catalog /Pages 2 0 R >>`, tree, ...pageObjects];
  if (packed) pieces.push(stream('/Type /ObjStm /N 9 /First 40', deflateSync(objects.join('\n'))));
  else
    for (const [number, object] of objects.entries())
      pieces.push(Buffer.from(`${String(number)} 0 obj\n${object}\nendobj\n`));
  for (let page = 0; page < pages; page += 1) pieces.push(stream('', deflateSync(textOf(page, lines))));
  if (pictureBytes > 0) {
    pieces.push(stream('/Type /XObject /Subtype /Image /Filter /DCTDecode', Buffer.alloc(pictureBytes, 0xa5)));
    pieces.push(stream('/Length1 90000', Buffer.alloc(pictureBytes, 0x5a)));
  }
  return Buffer.concat([...pieces, Buffer.from('trailer << /Root 1 0 R >>\n%%EOF\n')]);
}

function stream(dictionary: string, content: Buffer): Buffer {
  const head = `9 0 obj\n<< ${dictionary} /Length ${String(content.length)} /Filter /FlateDecode >>\nstream\n`;
  return Buffer.concat([Buffer.from(head), content, Buffer.from('\nendstream\nendobj\n')]);
}

function textOf(page: number, lines: number): string {
  return Array.from({ length: lines }, (_, line) => {
    const words = Array.from(
      { length: 12 },
      (_each, word) => WORDS[(page * 7 + line * 5 + word * (1 + (line % 4))) % WORDS.length],
    );
    return `BT /F1 11 Tf 72 ${String(720 - line * 13)} Td (${words.join(' ')} ${String(page * lines + line)}) Tj ET`;
  }).join('\n');
}
