import { describe, expect, it } from 'vitest';
import { imageGenerations, imageGenerationsCall } from '../../../../services/relay/operations/images/call.ts';
import { imageVariant } from '../../../../services/relay/operations/images/variant.ts';
import { variantLabel } from '../../../../events/pricebook/pricebook.events.ts';
import {
  billed,
  bodyOf,
  COST,
  endingJson,
  eventsIn,
  everyCut,
  MAX_DEPTH,
  measured,
  namedEvents,
  passageOf,
  readAnswer,
  readPieces,
  refusal,
  sentJson,
  SSE_HEAD,
} from './fixtures.ts';

const call = (change: object = {}) =>
  imageGenerationsCall(bodyOf({ model: 'gpt-image-1', prompt: 'a red cat', ...change }), MAX_DEPTH);
const USAGE = {
  total_tokens: 1_066,
  input_tokens: 10,
  output_tokens: 1_056,
  input_tokens_details: { text_tokens: 6, image_tokens: 4 },
};
const DELIVERED = { uncachedInput: 6, imageInput: 4, imageOutput: 1_056, images: 1 };

describe('a whole answer of images', () => {
  it('is asked for with the bytes of the client and the name of the channel', async () => {
    const passage = await passageOf(call({ n: 2, user: 'u' }));
    expect(passage.request.path).toBe('/images/generations');
    expect(sentJson(passage)).toEqual({ model: 'model-up', prompt: 'a red cat', n: 2, user: 'u' });
    const same = call();
    expect((await passageOf(same, { upstreamModel: 'gpt-image-1' })).request.body).toBe(same.raw);
  });

  it('counts tokens by kind and every image, and shows what was billed', async () => {
    const answer = { created: 1, data: [{ b64_json: 'AAAA' }], size: '1024x1024', quality: 'high', usage: USAGE };
    const reading = readAnswer(await passageOf(call()), answer);
    expect(await measured(call(), reading)).toEqual(DELIVERED);
    expect(reading.variant).toBe('high:1024x1024');
    expect(endingJson(reading, DELIVERED)).toEqual({ ...answer, usage: { ...USAGE, ...COST } });
  });

  it('counts only images of what is sold by the image', async () => {
    const dallE = call({ model: 'dall-e-3', quality: 'hd', size: '1024x1792' });
    const reading = readAnswer(await passageOf(dallE), {
      created: 1,
      data: [{ url: 'https://x', revised_prompt: 'y' }],
    });
    expect(await measured(dallE, reading)).toEqual({ images: 1 });
    expect([dallE.variant, reading.variant]).toEqual(['hd:1024x1792', 'hd:1024x1792']);
    expect(endingJson(reading, { images: 1 })).toEqual({
      created: 1,
      data: [{ url: 'https://x', revised_prompt: 'y' }],
      usage: { input_tokens: 0, output_tokens: 0, total_tokens: 0, ...COST },
    });
  });

  it('estimates the tokens that a provider does not report', async () => {
    const reading = readAnswer(await passageOf(call({ n: 2 })), { data: [{ b64_json: 'A' }, { b64_json: 'B' }] });
    expect(await measured(call(), reading)).toEqual({ uncachedInput: 3, outputText: 2_112, images: 2 });
  });

  it.each([
    ['negative', { input_tokens: -5, output_tokens: -5 }],
    ['fractional', { input_tokens: 1.5, output_tokens: 0.1 }],
    ['textual', { input_tokens: '5', output_tokens: '1e9' }],
    ['huge', { input_tokens: 1e300, output_tokens: 1e300 }],
    ['of another type', [1]],
  ])('takes counts that are %s for none', async (_what, usage) => {
    const reading = readAnswer(await passageOf(call()), { data: [{ b64_json: 'A' }], usage });
    expect(await measured(call(), reading)).toEqual({ uncachedInput: 3, outputText: 1_056, images: 1 });
  });

  it('cuts details that are larger than their whole', async () => {
    const usage = {
      input_tokens: 5,
      output_tokens: 7,
      input_tokens_details: { image_tokens: 99 },
      output_tokens_details: { text_tokens: 3 },
    };
    const reading = readAnswer(await passageOf(call()), { data: [{}], usage });
    expect(await measured(call(), reading)).toEqual({ imageInput: 5, imageOutput: 4, outputText: 3, images: 1 });
  });

  it('counts what was delivered, not what was asked for', async () => {
    const reading = readAnswer(await passageOf(call({ n: 4 })), { data: [{ b64_json: 'A' }, null, 'x'], usage: USAGE });
    expect((await measured(call(), reading)).images).toBe(1);
  });

  it.each(['{"error":{"code":"moderation_blocked"}}', '{"created":1}', '<html>', '', '{"data":{"b64_json":"A"}}'])(
    'sees that %j is no answer',
    async (text) => {
      const reading = readAnswer(await passageOf(call()), text);
      expect([reading.done, reading.failure, reading.reported.other]).toEqual([false, text, undefined]);
    },
  );
});

const PARTIAL = { type: 'image_generation.partial_image', b64_json: 'UEFS', partial_image_index: 0 };
const COMPLETED = {
  type: 'image_generation.completed',
  b64_json: 'RE9ORQ==',
  size: '1024x1024',
  quality: 'low',
  note: '完',
  usage: USAGE,
};

describe('a stream of images', () => {
  const streamed = (change: object = {}) => call({ stream: true, partial_images: 1, ...change });

  it('forwards partial images and keeps the last event until the settlement', async () => {
    const bytes = namedEvents(PARTIAL, COMPLETED);
    const passage = await passageOf(streamed());
    expect(passage.request.headers['accept']).toBe('text/event-stream');
    for (const ends of [bytes, Buffer.from(bytes.toString().replaceAll('\n', '\r\n'))]) {
      for (const pieces of everyCut(ends)) {
        const { reading, forwarded } = readPieces(passage, SSE_HEAD, pieces);
        expect(eventsIn(forwarded.toString())).toEqual([PARTIAL]);
        expect([reading.done, reading.failure, reading.contentType]).toEqual([true, null, SSE_HEAD['content-type']]);
        expect(reading.reported).toEqual({
          input: { uncachedInput: 6, imageInput: 4 },
          output: { imageOutput: 1_056 },
          other: { images: 1 },
        });
        expect(reading.variant).toBe('low:1024x1024');
        const last = String(reading.ending(billed(DELIVERED)));
        expect(eventsIn(last)).toEqual([{ ...COMPLETED, usage: { ...USAGE, ...COST } }]);
      }
    }
  });

  it('states usage on the last of several images only', async () => {
    const passage = await passageOf(streamed({ n: 2 }));
    const { reading, forwarded } = readPieces(passage, SSE_HEAD, [
      namedEvents(COMPLETED, { ...COMPLETED, b64_json: 'Mg==' }),
    ]);
    const { usage: _usage, ...first } = COMPLETED;
    expect(eventsIn(forwarded.toString())).toEqual([first]);
    expect([reading.done, reading.reported.other]).toEqual([true, { images: 2 }]);
    expect(String(reading.ending(billed(DELIVERED)))).toContain('"Mg=="');
  });

  it('is whole when the stream ends after fewer images than were asked for', async () => {
    const passage = await passageOf(streamed({ n: 2 }));
    expect(readPieces(passage, SSE_HEAD, [namedEvents(COMPLETED)]).reading.done).toBe(true);
    expect(readPieces(passage, SSE_HEAD, [namedEvents(COMPLETED), Buffer.from('data: [DONE]\n\n')]).reading.done).toBe(
      true,
    );
  });

  it('is cut without its last event, and what was seen is not free', async () => {
    const { reading } = readPieces(await passageOf(streamed()), SSE_HEAD, [namedEvents(PARTIAL)]);
    expect([reading.done, reading.received.isEmpty]).toEqual([false, false]);
    expect(await measured(streamed(), reading)).toEqual({ uncachedInput: 3, outputText: 100 });
  });

  it.each([
    [
      'an error event',
      'event: error\ndata: {"type":"error","error":{"message":"no"}}\n\n',
      '{"error":{"message":"no"}}',
    ],
    ['an error without a type', 'data: {"error":{"message":"no"}}\n\n', '{"error":{"message":"no"}}'],
    ['an error that is its own object', 'event: error\ndata: {"message":"no"}\n\n', '{"error":{"message":"no"}}'],
    ['rubbish', 'data: <html>\n\n', '<html>'],
  ])('fails on %s', async (_what, text, failure) => {
    const { reading, forwarded } = readPieces(await passageOf(streamed()), SSE_HEAD, [Buffer.from(text)]);
    expect([reading.failure, forwarded.length, reading.done]).toEqual([failure, 0, false]);
  });

  it('forwards events that nobody knows, without a name and with line breaks in their JSON', async () => {
    const { forwarded } = readPieces(await passageOf(streamed()), SSE_HEAD, [
      Buffer.from('data: {"type":"new",\ndata: "a":1}\n\n'),
    ]);
    expect(forwarded.toString()).toBe('data: {"type":"new", "a":1}\n\n');
  });

  it('is made of a whole answer where the provider streams nothing', async () => {
    const reading = readAnswer(await passageOf(streamed()), {
      created: 5,
      size: '1024x1024',
      data: [{ b64_json: 'A' }, { b64_json: 'B' }],
      usage: USAGE,
    });
    expect(reading.contentType).toBe('text/event-stream; charset=utf-8');
    const event = { type: 'image_generation.completed', created_at: 5, size: '1024x1024' };
    expect(eventsIn(String(reading.ending(billed(DELIVERED))))).toEqual([
      { ...event, b64_json: 'A' },
      { ...event, b64_json: 'B', usage: { ...USAGE, ...COST } },
    ]);
  });
});

describe('what a call for images may ask', () => {
  it('holds the dearest images, the partial ones and the prompt', () => {
    expect(call({ n: 3, partial_images: 2 }).bounds(100_000)).toEqual({
      inputTokens: 64 + 9,
      outputTokens: 3 * (8_192 + 200),
      other: { images: 3 },
    });
    // No member of the request carries a limit, so that of the price book bounds nothing.
    expect(call().bounds(2_000).outputTokens).toBe(8_192);
  });

  it('holds no tokens of what is sold by the image', () => {
    expect(call({ model: 'dall-e-2', n: 10 }).bounds(4_096)).toEqual({
      inputTokens: 0,
      outputTokens: 0,
      other: { images: 10 },
    });
  });

  it('goes to no channel of another dialect', async () => {
    expect(await refusal(() => passageOf(call(), { protocol: 'gemini' }))).toMatchObject({
      code: 'unsupported_parameter',
      param: 'model',
    });
  });

  it.each([
    ['n', { n: 0 }],
    ['n', { n: 11 }],
    ['n', { n: 1e9 }],
    ['prompt', { prompt: '' }],
    ['prompt', { prompt: 'x'.repeat(32_001) }],
    ['partial_images', { partial_images: 4 }],
    ['stream', { stream: 'true' }],
    ['size', { size: 'x'.repeat(33) }],
    ['model', { model: 7 }],
    ['n', { N: 10 }],
  ])('refuses a wrong %s', async (param, change) => {
    expect(await refusal(() => call(change))).toMatchObject({ code: 'invalid_request', param });
  });

  it('takes other limits of an operator', () => {
    const limits = { outputTokensPerImage: 10, tokensPerPartialImage: 1, inputTokensPerImage: 5 };
    const operation = imageGenerations({
      maxDepth: MAX_DEPTH,
      spoken: () => {
        throw new Error('unused');
      },
      limits,
    });
    const read = operation.read(call({ partial_images: 2 }).raw, {} as never, {} as never);
    expect('bounds' in read && read.bounds(4_096).outputTokens).toBe(12);
  });
});

describe('the variant of images', () => {
  it.each([
    [{ quality: 'hd', size: '1024x1792' }, 'hd:1024x1792'],
    [{ quality: 'HIGH', size: '1024X1024' }, 'high:1024x1024'],
    [{ model: 'dall-e-3' }, 'standard:1024x1024'],
    [{ model: 'dall-e-2', size: '256x256' }, 'standard:256x256'],
    [{ model: 'gpt-image-1', size: '1024x1024' }, null],
    [{ quality: 'auto', size: 'auto' }, null],
    [{ quality: 'high', size: '16:9' }, 'high:16:9'],
    [{ quality: 'high', size: 'a/b' }, null],
    [{ quality: 'high', size: 'x'.repeat(80) }, null],
    [{ quality: 7, size: null }, null],
  ])('of %j is %j', (source, variant) => {
    expect(imageVariant(source)).toBe(variant);
    if (variant !== null) expect(variantLabel.safeParse(variant).success).toBe(true);
  });
});
