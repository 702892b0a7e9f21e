import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { filesIn, readFields, withFields } from '../../../../services/relay/operations/form/fields.ts';
import { safeFileName } from '../../../../services/relay/operations/form/fileName.ts';
import { readForm } from '../../../../services/relay/operations/form/form.ts';
import { formRequest } from '../../../../services/relay/operations/form/formRequest.ts';
import { type Fields, BOUNDARY, FORM_TYPE, formOf, refusal, REQUEST_ID } from './fixtures.ts';

const FILE = { fileName: 'speech.wav', bytes: Buffer.from([0, 255, 13, 10, 45, 45]), type: 'audio/wav' };

/** A form of one part with this head. */
function withHead(head: string, body = 'x'): Buffer {
  return Buffer.from(`--${BOUNDARY}\r\n${head}\r\n\r\n${body}\r\n--${BOUNDARY}--\r\n`);
}

describe('reading a form', () => {
  it('reads texts and files in their order, bytes and all', () => {
    expect(readForm(formOf(['model', 'whisper-1'], ['file', FILE], ['prompt', '你好\r\n--x']), FORM_TYPE)).toEqual([
      { name: 'model', value: 'whisper-1' },
      { name: 'file', fileName: 'speech.wav', mediaType: 'audio/wav', bytes: FILE.bytes },
      { name: 'prompt', value: '你好\r\n--x' },
    ]);
  });

  it('reads empty values, a quoted boundary and what follows the end', () => {
    const raw = Buffer.concat([formOf(['prompt', '']), Buffer.from('epilogue')]);
    expect(readForm(raw, `multipart/form-data; boundary="${BOUNDARY}"`)).toEqual([{ name: 'prompt', value: '' }]);
  });

  it('takes a file that only has an extended name, and one without a type', () => {
    const [part] = readForm(
      withHead(`Content-Disposition: form-data; name=file; filename*=UTF-8''a%20b.wav`),
      FORM_TYPE,
    );
    expect(part).toEqual({
      name: 'file',
      fileName: 'UTF-8_a_20b.wav',
      mediaType: 'application/octet-stream',
      bytes: Buffer.from('x'),
    });
  });

  it('never takes a name out of a file name', () => {
    const [part] = readForm(
      withHead('Content-Disposition: form-data; filename="a; name=model"; name="file"'),
      FORM_TYPE,
    );
    expect(part).toMatchObject({ name: 'file', fileName: 'a_name_model' });
  });

  it.each([
    ['no content type', formOf(['a', 'b']), undefined],
    ['no boundary', formOf(['a', 'b']), 'multipart/form-data'],
    ['another boundary', formOf(['a', 'b']), 'multipart/form-data; boundary=other'],
    ['an empty body', Buffer.alloc(0), FORM_TYPE],
    ['a body without its end', formOf(['a', 'b']).subarray(0, -30), FORM_TYPE],
    ['a part without a head', Buffer.from(`--${BOUNDARY}\r\nvalue\r\n--${BOUNDARY}--`), FORM_TYPE],
    ['a part without a name', withHead('Content-Disposition: form-data'), FORM_TYPE],
    ['a part that is no field', withHead('Content-Disposition: attachment; name="a"'), FORM_TYPE],
    ['two names', withHead('Content-Disposition: form-data; name="a"; name="b"'), FORM_TYPE],
    ['two dispositions', withHead(`${'Content-Disposition: form-data; name="a"\r\n'.repeat(2)}X: y`), FORM_TYPE],
    ['a name that breaks out of its quotes', withHead('Content-Disposition: form-data; name="a\\"b"'), FORM_TYPE],
    ['a disposition with rubbish', withHead('Content-Disposition: form-data; name="a" b'), FORM_TYPE],
    ['a head line that is none', withHead('Content-Disposition: form-data; name="a"\r\nrubbish'), FORM_TYPE],
    [
      'an encoded part',
      withHead('Content-Disposition: form-data; name="a"\r\nContent-Transfer-Encoding: base64'),
      FORM_TYPE,
    ],
    [
      'a head that never ends',
      withHead(`Content-Disposition: form-data; name="a"\r\nX: ${'y'.repeat(9_000)}`),
      FORM_TYPE,
    ],
    ['a text that is not UTF-8', Buffer.from(formOf(['a', 'ÿ']).toString(), 'latin1'), FORM_TYPE],
    ['a text without bounds', formOf(['a', 'x'.repeat(131_073)]), FORM_TYPE],
    ['text behind a boundary', Buffer.from(formOf(['a', 'b']).toString().replace('\r\n', 'x\r\n')), FORM_TYPE],
    ['too many parts', formOf(...Array.from({ length: 129 }, () => ['a', ''] as const)), FORM_TYPE],
  ])('refuses %s', async (_what, raw, type) => {
    expect((await refusal(() => readForm(raw, type))).code).toBe('invalid_request');
  });

  it('refuses a form that is cut anywhere before its end', async () => {
    const raw = formOf(['model', 'm'], ['file', FILE]);
    const end = raw.length - '--\r\n'.length;
    for (let length = 0; length < end; length += 1) {
      expect((await refusal(() => readForm(raw.subarray(0, length), FORM_TYPE))).code).toBe('invalid_request');
    }
  });
});

describe('writing a form', () => {
  it('writes what it reads', () => {
    const form = readForm(formOf(['model', '模型'], ['file', FILE]), FORM_TYPE);
    const { headers, body, path, method } = formRequest('/audio', form, REQUEST_ID, '*/*');
    expect({ path, method, accept: headers['accept'] }).toEqual({ path: '/audio', method: 'POST', accept: '*/*' });
    expect(readForm(body ?? Buffer.alloc(0), headers['content-type'])).toEqual(form);
  });

  it('changes, adds and drops fields', () => {
    const form = [
      { name: 'model', value: 'a' },
      { name: 'user', value: 'b' },
      { name: 'prompt', value: 'c' },
    ];
    expect(withFields(form, { model: 'x', user: null, stream: 'true', other: null })).toEqual([
      { name: 'model', value: 'x' },
      { name: 'stream', value: 'true' },
      { name: 'prompt', value: 'c' },
    ]);
  });
});

describe('the name of a file', () => {
  it.each([
    ['speech.mp3', 'speech.mp3'],
    ['../../etc/passwd', 'passwd'],
    ['C:\\Users\\me\\a b.wav', 'a_b.wav'],
    ['/', 'file'],
    ['..', 'file'],
    ['.env', 'env'],
    ['录音.m4a', '_.m4a'],
    ['a"\r\nX: y', 'a_X_y'],
    ['a\0b', 'a_b'],
    [`${'x'.repeat(200)}.flac`, `${'x'.repeat(95)}.flac`],
    ['x'.repeat(200), 'x'.repeat(100)],
    [`a.${'x'.repeat(200)}`, `a.${'x'.repeat(98)}`],
  ])('of %j is %j', (stated, safe) => expect(safeFileName(stated)).toBe(safe));
});

describe('the fields of a form', () => {
  const kinds = { model: 'text', n: 'whole', stream: 'flag' } as const;
  const schema = z.object({ model: z.string(), n: z.int().optional(), stream: z.boolean().optional() });
  const fieldsOf = (...fields: Fields) => readFields(readForm(formOf(...fields), FORM_TYPE), kinds, schema);

  it('reads numbers and flags, and leaves others alone', () => {
    expect(fieldsOf(['model', 'm'], ['n', '3'], ['stream', 'false'], ['other', 'x'])).toEqual({
      model: 'm',
      n: 3,
      stream: false,
    });
  });

  it.each([
    [
      'n',
      [
        ['model', 'm'],
        ['n', '1.5'],
      ] as const,
    ],
    [
      'n',
      [
        ['model', 'm'],
        ['n', '-1'],
      ] as const,
    ],
    [
      'n',
      [
        ['model', 'm'],
        ['n', ''],
      ] as const,
    ],
    [
      'stream',
      [
        ['model', 'm'],
        ['stream', 'yes'],
      ] as const,
    ],
    ['model', [['n', '1']] as const],
    [
      'model',
      [
        ['model', 'a'],
        ['model', 'b'],
      ] as const,
    ],
    [
      'model',
      [
        ['model', 'a'],
        ['Model', 'b'],
      ] as const,
    ],
    ['model', [['model[]', 'a']] as const],
    ['model', [['model', { fileName: 'm', bytes: 'a' }]] as const],
  ])('refuses a wrong %s', async (param, fields) => {
    expect(await refusal(() => fieldsOf(...fields))).toMatchObject({ code: 'invalid_request', param });
  });

  it.each([
    ['is missing', [['model', 'm']] as const],
    ['must be a file', [['file', 'text']] as const],
    ['is empty', [['file', { fileName: 'a', bytes: '' }]] as const],
    [
      'at most 1 may be given',
      [
        ['file', FILE],
        ['file[]', FILE],
      ] as const,
    ],
    [
      'must be spelled exactly so',
      [
        ['file', FILE],
        ['FILE', FILE],
      ] as const,
    ],
  ])('refuses a file that %s', async (problem, fields) => {
    const form = readForm(formOf(...fields), FORM_TYPE);
    expect(await refusal(() => filesIn(form, 'file', 1, 1))).toEqual({
      code: 'invalid_request',
      param: 'file',
      message: `file: ${problem}`,
    });
  });
});
