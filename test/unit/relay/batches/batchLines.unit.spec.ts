import { describe, expect, it } from 'vitest';
import { rawLines, readLine } from '../../../../services/relay/batches/batchLines.ts';

const lineOf = (change: object = {}) =>
  JSON.stringify({ custom_id: 'a', method: 'POST', url: '/v1/embeddings', body: { input: 'é中🙂' }, ...change });

async function* cut(bytes: Buffer, ...places: readonly number[]): AsyncGenerator<Uint8Array> {
  let from = 0;
  for (const at of [...places, bytes.length]) {
    yield await Promise.resolve(bytes.subarray(from, at));
    from = at;
  }
}

async function textsOf(bytes: AsyncIterable<Uint8Array>, most = 1_000): Promise<string[]> {
  const texts: string[] = [];
  for await (const { line, bytes: own } of rawLines(bytes, most)) {
    expect(line).toBe(texts.length);
    texts.push(own.toString());
  }
  return texts;
}

describe('The lines of an input file', () => {
  const golden = Buffer.from(`\uFEFF${lineOf()}\n\n  \r\n${lineOf({ custom_id: 'b' })}\r\nlast 中`);
  const expected = [`\uFEFF${lineOf()}`, `${lineOf({ custom_id: 'b' })}\r`, 'last 中'];

  it('are the same wherever its bytes are cut', async () => {
    for (let at = 0; at <= golden.length; at += 1) expect(await textsOf(cut(golden, at))).toEqual(expected);
  });

  it('are the same byte by byte, and in pieces of seven', async () => {
    for (const size of [1, 7]) {
      const places = Array.from({ length: Math.floor(golden.length / size) }, (_, index) => index * size);
      expect(await textsOf(cut(golden, ...places))).toEqual(expected);
    }
  });

  it('are none in an empty file, or in one of blank lines', async () => {
    expect(await textsOf(cut(Buffer.alloc(0)))).toEqual([]);
    expect(await textsOf(cut(Buffer.from('\n \n\r\n\t')))).toEqual([]);
  });

  it('may be as long as is allowed, and no longer, however they come', async () => {
    const bytes = Buffer.from(`short\n${'x'.repeat(10)}\n`);
    expect(await textsOf(cut(bytes, 8), 10)).toEqual(['short', 'x'.repeat(10)]);
    await expect(textsOf(cut(bytes, 8, 12), 9)).rejects.toThrow('Line 2 of the input file is longer than 9 bytes');
    // A file without line feeds is not kept to its end.
    await expect(textsOf(endless(), 1_000)).rejects.toThrow('Line 1 of the input file is longer');
  });
});

async function* endless(): AsyncGenerator<Uint8Array> {
  for (;;) yield await Promise.resolve(Buffer.alloc(100, 'x'));
}

describe('A line', () => {
  const read = (text: string, line = 0, maxDepth = 8) => readLine({ line, bytes: Buffer.from(text) }, maxDepth);

  it('is a call of its own', () => {
    const { customId, url, body } = read(`\uFEFF${lineOf()}\r`);
    expect({ customId, url, body: body.toString() }).toEqual({
      customId: 'a',
      url: '/v1/embeddings',
      body: '{"input":"é中🙂"}',
    });
  });

  it('may have more than is asked for', () => {
    expect(read(lineOf({ note: 'x' })).customId).toBe('a');
  });

  it.each([
    [lineOf({ custom_id: '' }), 'custom_id'],
    [lineOf({ custom_id: 7 }), 'custom_id'],
    [lineOf({ custom_id: 'x'.repeat(513) }), 'custom_id'],
    [lineOf({ method: 'post' }), 'method'],
    [lineOf({ url: null }), 'url'],
    [lineOf({ body: null }), 'body: must be an object'],
    [lineOf({ body: [1] }), 'body: must be an object'],
    ['[]', 'body'],
    ['{', 'not valid JSON'],
    [lineOf().replace('"url"', '"URL":"x","url"'), 'url: must stand once'],
    [lineOf().replace('{', '{"__proto__":{},'), '__proto__'],
    [lineOf({ body: { deep: JSON.parse('[[[[[[[[[]]]]]]]]]') as unknown } }), 'Line 3'],
  ])('%s is refused, by its number', (text, problem) => {
    expect(() => read(text, 2)).toThrow(problem);
    expect(() => read(text, 2)).toThrow(/^Line 3 of the input file: /);
    expect(() => read(text, 2)).toThrow(expect.objectContaining({ code: 'invalid_request', param: 'input_file_id' }));
  });

  it('that is not UTF-8 is refused', () => {
    const bytes = Buffer.concat([Buffer.from(lineOf()), Buffer.from([0xff])]);
    expect(() => readLine({ line: 0, bytes }, 8)).toThrow('Line 1 of the input file: The body is not valid UTF-8.');
  });
});
