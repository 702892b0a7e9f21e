import { describe, expect, it } from 'vitest';
import { imageEdits, imageEditsCall } from '../../../../services/relay/operations/images/call.ts';
import {
  billed,
  COST,
  eventsIn,
  FORM_TYPE,
  formOf,
  MAX_DEPTH,
  measured,
  namedEvents,
  passageOf,
  readPieces,
  refusal,
  sentForm,
  SSE_HEAD,
  spoken,
  type Fields,
} from './fixtures.ts';

const PICTURE = { fileName: '../my cat.png', bytes: 'PNG', type: 'image/png' };
const FIELDS = [
  ['model', 'gpt-image-1'],
  ['prompt', 'a hat'],
  ['image', PICTURE],
] as const;
const call = (...more: Fields) => imageEditsCall(formOf(...FIELDS, ...more), FORM_TYPE);

describe('edits of images', () => {
  it('go up as a form with the name of the channel and safe file names', async () => {
    const passage = await passageOf(call(['mask', PICTURE], ['user', 'u'], ['background', 'opaque']), {
      quirks: { stripsParams: ['background'] },
    });
    expect(passage.request.path).toBe('/images/edits');
    expect(sentForm(passage)).toEqual([
      'name="model"||model-up',
      'name="prompt"||a hat',
      'name="image"; filename="my_cat.png"|Content-Type: image/png||PNG',
      'name="mask"; filename="my_cat.png"|Content-Type: image/png||PNG',
      'name="user"||u',
    ]);
  });

  it('hold every image that goes in', () => {
    expect(call(['mask', PICTURE], ['n', '2']).bounds(100_000)).toEqual({
      inputTokens: 64 + 5 + 2 * 8_192,
      outputTokens: 2 * 8_192,
      other: { images: 2 },
    });
    expect(call().promptToCount()).toEqual({ texts: ['a hat'], overhead: 800 });
    expect(call(['size', '1024x1024'], ['quality', 'high']).variant).toBe('high:1024x1024');
  });

  it('are streamed when the form says so', async () => {
    const edit = call(['stream', 'true'], ['partial_images', '2']);
    expect(edit.streamed).toBe(true);
    const completed = { type: 'image_edit.completed', b64_json: 'AA==', usage: { input_tokens: 3, output_tokens: 4 } };
    const { reading, forwarded } = readPieces(await passageOf(edit), SSE_HEAD, [namedEvents(completed)]);
    expect([forwarded.length, reading.done]).toEqual([0, true]);
    expect(await measured(edit, reading)).toEqual({ uncachedInput: 3, imageOutput: 4, images: 1 });
    expect(eventsIn(String(reading.ending(billed({ uncachedInput: 3, imageOutput: 4 }))))).toEqual([
      { ...completed, usage: { input_tokens: 3, output_tokens: 4, total_tokens: 7, ...COST } },
    ]);
  });

  it.each([
    ['image', formOf(FIELDS[0], FIELDS[1])],
    ['image', formOf(FIELDS[0], FIELDS[1], ['image', 'text'])],
    ['image', formOf(...FIELDS, ...Array.from({ length: 16 }, () => ['image[]', PICTURE] as const))],
    ['mask', formOf(...FIELDS, ['mask', PICTURE], ['mask', PICTURE])],
    ['n', formOf(...FIELDS, ['n', '11'])],
    ['n', formOf(...FIELDS, ['n', 'NaN'])],
    ['stream', formOf(...FIELDS, ['stream', '1'])],
    ['model', formOf(...FIELDS, ['MODEL', 'dearer'])],
    ['prompt', formOf(FIELDS[0], FIELDS[2])],
  ])('refuse a wrong %s', async (param, raw) => {
    expect(await refusal(() => imageEditsCall(raw, FORM_TYPE))).toMatchObject({ code: 'invalid_request', param });
  });

  it('go to no channel of another dialect, and are a form of at most 64 MiB', async () => {
    expect((await refusal(() => passageOf(call(), { protocol: 'ollama' }))).code).toBe('unsupported_parameter');
    const operation = imageEdits({ maxDepth: MAX_DEPTH, spoken });
    expect([operation.path, operation.bodyType, operation.maxBodyBytes]).toEqual([
      '/v1/images/edits',
      'multipart',
      67_108_864,
    ]);
    const incoming = { requestId: 'r', headers: { 'content-type': FORM_TYPE }, rest: '', query: new URLSearchParams() };
    expect(await operation.read(formOf(...FIELDS), incoming, {} as never)).toMatchObject({ route: '/v1/images/edits' });
    expect((await refusal(() => operation.read(Buffer.from('x'), incoming, {} as never))).code).toBe('invalid_request');
  });
});
