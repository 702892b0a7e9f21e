import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import { toFile } from 'openai';
import { describe, expect, it } from 'vitest';
import { plainPng } from '../../../infra/upstreams/simulated/png.ts';
import { errorOf, eventsIn, formOf, post, simulatedClient } from './simulatedClient.ts';

const PROMPT = 'A calm sea';
const TEXT = countTokens(PROMPT);
const base64 = expect.stringMatching(/^iVBORw0KGgo[\w+/]+=*$/) as string;

/** Width and height as a PNG states them. */
function sidesOf(encoded: string | undefined): [number, number] {
  const bytes = Buffer.from(encoded ?? '', 'base64');
  return [bytes.readUInt32BE(16), bytes.readUInt32BE(20)];
}

function usage(image: number, output: number) {
  return {
    input_tokens: TEXT + image,
    output_tokens: output,
    total_tokens: TEXT + image + output,
    input_tokens_details: { text_tokens: TEXT, image_tokens: image },
  };
}

describe('simulated images', () => {
  it('of gpt-image are bytes, described, with their usage', async () => {
    const { simulated } = await simulatedClient();
    const body = { model: 'gpt-image-1', prompt: PROMPT, n: 2, size: '1024x1536', quality: 'low' };
    expect(await (await post(simulated, '/images/generations', body)).json()).toEqual({
      created: 1_700_000_000,
      background: 'opaque',
      output_format: 'png',
      quality: 'low',
      size: '1024x1536',
      data: [{ b64_json: base64 }, { b64_json: base64 }],
      usage: usage(0, 2 * 408),
    });
  });

  it.each([
    ['auto', 'auto', 1_056],
    ['1536x1024', 'high', 6_208],
    ['512x512', 'max', 4_160],
  ] as const)('of size %s and quality %s take %i tokens', async (size, quality, expected) => {
    const { client } = await simulatedClient();
    const answer = await client.images.generate({ model: 'gpt-image-1', prompt: PROMPT, size, quality });
    expect(answer.usage).toEqual(usage(0, expected));
    expect(sidesOf(answer.data?.[0]?.b64_json)).toEqual(size === 'auto' ? [1_024, 1_024] : size.split('x').map(Number));
  });

  it('of DALL·E are addresses without usage, or bytes when asked', async () => {
    const { simulated } = await simulatedClient();
    const body = { model: 'dall-e-3', prompt: `${PROMPT}[[sim latency_ms=0]]` };
    const address = await (await post(simulated, '/images/generations', body)).json();
    expect(address).toEqual({
      created: 1_700_000_000,
      data: [{ revised_prompt: PROMPT, url: expect.stringMatching(/^data:image\/png;base64,iVBOR/) as string }],
    });
    const bytes = await post(simulated, '/images/generations', {
      ...body,
      model: 'dall-e-2',
      response_format: 'b64_json',
    });
    expect(await bytes.json()).toEqual({ created: 1_700_000_000, data: [{ b64_json: base64 }] });
  });

  it('are the same for the same request, and differ by prompt and place', async () => {
    const { client } = await simulatedClient();
    const ask = async (prompt: string) =>
      (await client.images.generate({ model: 'gpt-image-1', prompt, n: 2 })).data?.map((image) => image.b64_json);
    const first = await ask('a');
    expect(await ask('a')).toEqual(first);
    expect(new Set([...(first ?? []), ...((await ask('b')) ?? [])]).size).toBe(4);
  });

  it('are streamed to the official client, partial ones first', async () => {
    const { client } = await simulatedClient();
    const stream = await client.images.generate({
      model: 'gpt-image-1',
      prompt: PROMPT,
      size: '1024x1024',
      quality: 'low',
      stream: true,
      partial_images: 2,
    });
    const events = [];
    for await (const event of stream) events.push(event);
    const shared = { background: 'opaque', output_format: 'png', quality: 'low', size: '1024x1024' };
    const described = { created_at: 1_700_000_000, ...shared, b64_json: base64 };
    expect(events).toEqual([
      { type: 'image_generation.partial_image', partial_image_index: 0, ...described },
      { type: 'image_generation.partial_image', partial_image_index: 1, ...described },
      { type: 'image_generation.completed', ...described, usage: usage(0, 272 + 200) },
    ]);
  });

  it('of a stream state the usage of all so far, and none when told so', async () => {
    const { simulated } = await simulatedClient();
    const body = { model: 'gpt-image-1', prompt: PROMPT, n: 2, quality: 'low', stream: true };
    const response = await post(simulated, '/images/generations', body);
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    const events = eventsIn(await response.text());
    expect(events.map(({ name }) => name)).toEqual(['image_generation.completed', 'image_generation.completed']);
    expect(events.map(({ data }) => data['usage'])).toEqual([usage(0, 272), usage(0, 544)]);

    const silent = await post(simulated, '/images/generations', { ...body, prompt: 'x [[sim usage=none]]' });
    expect(eventsIn(await silent.text()).every(({ data }) => !('usage' in data))).toBe(true);
  });

  it('break inside a stream when told to', async () => {
    const { simulated } = await simulatedClient();
    const prompt = 'x [[sim error_after=1]]';
    const body = { model: 'gpt-image-1', prompt, stream: true, partial_images: 3 };
    const text = await (await post(simulated, '/images/generations', body)).text();
    expect(text.match(/partial_image_index/g)).toHaveLength(1);
    expect(text).toMatch(/data: \{"error":\{"message":"Simulated failure in the stream\.".*\}\n\n$/);
  });

  it.each([
    [{ size: '0x10' }, 'size'],
    [{ size: '4097x10' }, 'size'],
    [{ size: 'wide' }, 'size'],
    [{ n: 11 }, 'n'],
    [{ n: '2' }, 'n'],
    [{ response_format: 'jpeg' }, 'response_format'],
    [{ partial_images: 4 }, 'partial_images'],
  ])('are refused where %j is asked', async (rest, expected) => {
    const { simulated } = await simulatedClient();
    const response = await post(simulated, '/images/generations', { model: 'gpt-image-1', prompt: PROMPT, ...rest });
    expect(await errorOf(response)).toMatchObject({
      status: 400,
      error: { message: expect.stringMatching(`^${expected}: `) as string, type: 'invalid_request_error' },
    });
  });
});

describe('simulated edits of images', () => {
  const picture = () => toFile(plainPng(8, 8, [1, 2, 3]), 'a.png', { type: 'image/png' });

  it('count what came in, for the official client', async () => {
    const { client } = await simulatedClient();
    const answer = await client.images.edit({
      model: 'gpt-image-1',
      prompt: PROMPT,
      image: [await picture(), await picture()],
      mask: await picture(),
      n: 2,
      size: '1024x1024',
      quality: 'low',
    });
    expect(answer.usage).toEqual(usage(3 * 323, 2 * 272));
    expect(answer.data?.map((image) => sidesOf(image.b64_json))).toEqual([
      [1_024, 1_024],
      [1_024, 1_024],
    ]);
  });

  it('are streamed under their own names', async () => {
    const { client } = await simulatedClient();
    const image = await picture();
    const stream = await client.images.edit({
      ...{ model: 'gpt-image-1', prompt: PROMPT, image, quality: 'low' },
      ...{ stream: true, partial_images: 1 },
    });
    const types = [];
    for await (const event of stream) types.push(event.type);
    expect(types).toEqual(['image_edit.partial_image', 'image_edit.completed']);
  });

  it('take directives in their prompt, and a prompt that looks like a number as a text', async () => {
    const { simulated } = await simulatedClient();
    const image = await picture();
    const edit = (prompt: string) => post(simulated, '/images/edits', formOf({ model: 'gpt-image-1', image, prompt }));
    expect((await edit('[[sim status=500]]')).status).toBe(500);
    expect((await edit('42')).status).toBe(200);
  });

  it('are refused without an image, with an empty one, or with a text in its place', async () => {
    const { simulated } = await simulatedClient();
    const edit = async (fields: Parameters<typeof formOf>[0]) =>
      errorOf(await post(simulated, '/images/edits', formOf({ model: 'gpt-image-1', prompt: 'x', ...fields })));
    const refusal = { status: 400, error: { message: expect.stringMatching(/^image/) as string } };
    expect(await edit({})).toMatchObject(refusal);
    expect(await edit({ image: 'a.png' })).toMatchObject(refusal);
    expect(await edit({ image: new File([], 'a.png') })).toMatchObject(refusal);
  });

  it('are refused where the body is no form', async () => {
    const { simulated } = await simulatedClient();
    expect(await errorOf(await post(simulated, '/images/edits', { model: 'gpt-image-1', prompt: 'x' }))).toEqual({
      status: 400,
      error: { message: 'The form has no boundary.', type: 'invalid_request_error', param: null, code: null },
    });
  });
});
