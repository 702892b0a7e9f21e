import { describe, expect, it } from 'vitest';
import { mediaTypeOf } from '../../../services/files/mediaType.ts';

const latin1 = (text: string) => Buffer.from(text, 'latin1');

describe('What a file is', () => {
  it.each([
    ['image/png', latin1('\x89PNG\r\n\x1a\n\0\0\0\rIHDR')],
    ['image/jpeg', latin1('\xff\xd8\xff\xe0\0\x10JFIF')],
    ['image/gif', latin1('GIF89a\x01\0')],
    ['image/gif', latin1('GIF87a\x01\0')],
    ['image/webp', latin1('RIFF\x24\0\0\0WEBPVP8 ')],
    ['audio/wav', latin1('RIFF\x24\0\0\0WAVEfmt ')],
    ['application/pdf', latin1('%PDF-1.7\n%\xe2\xe3')],
    ['audio/mpeg', latin1('ID3\x04\0\0')],
    ['audio/mpeg', latin1('\xff\xfb\x90\x64\0')],
    ['text/plain', Buffer.from('Just words, also 中文 and 🙂.\n')],
    ['text/plain', Buffer.alloc(0)],
    ['application/json', Buffer.from(' {"a": [1, 2]}\n')],
    ['application/json', Buffer.from('{\n  "a": 1\n}\n')],
    ['application/json', Buffer.from('[{"a":1},\n{"b":2}]')],
    ['application/json', Buffer.from('{"only":"line"}\n')],
    ['application/jsonl', Buffer.from('{"a":1}\n{"b":2}\n')],
    ['application/jsonl', Buffer.from('\uFEFF{"a":1}\r\n{"b":2}\r\n')],
  ])('is %s by its bytes', (type, bytes) => {
    expect(mediaTypeOf(bytes)).toBe(type);
  });

  it.each([
    [
      'a page that calls itself an image',
      Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><script/></svg>'),
      'text/plain',
    ],
    ['braces that are no JSON', Buffer.from('{not json}'), 'text/plain'],
    ['a mark that is cut', latin1('\x89PNG\r\n'), 'application/octet-stream'],
    ['a RIFF of another kind', latin1('RIFF\x24\0\0\0AVI '), 'application/octet-stream'],
    ['an archive', latin1('PK\x03\x04\x14\0'), 'application/octet-stream'],
    ['a text with a NUL', Buffer.from('text\0text'), 'application/octet-stream'],
    ['UTF-16', latin1('\xff\xfet\0e\0x\0t\0'), 'application/octet-stream'],
    ['bits that no MPEG frame begins with', latin1('\xff\xff\xff\xff'), 'application/octet-stream'],
  ])('is not more than its bytes show: %s', (_what, bytes, type) => {
    expect(mediaTypeOf(bytes)).toBe(type);
  });

  it('is told without parsing a text of many megabytes', () => {
    const large = Buffer.from(`[${'1,'.repeat(1_000_000)}1]`);
    expect(mediaTypeOf(large)).toBe('text/plain');
    expect(mediaTypeOf(Buffer.concat([Buffer.from('{"a":1}\n'), large]))).toBe('application/jsonl');
  });
});
