import { describe, expect, it } from 'vitest';
import { geminiEmbedCall } from '../../../../services/relay/operations/embeddings/geminiEmbedCall.ts';
import {
  bodyOf,
  endingJson,
  MAX_DEPTH,
  measured,
  passageOf,
  readAnswer,
  refusal,
  sentJson,
  spoken,
} from './fixtures.ts';

const CONTENT = { parts: [{ text: 'two words' }] };
const single = (change: object = {}) =>
  geminiEmbedCall(bodyOf({ content: CONTENT, ...change }), MAX_DEPTH, {
    model: 'embed',
    method: 'embedContent',
    spoken,
  });
const batch = (requests: unknown) =>
  geminiEmbedCall(bodyOf({ requests }), MAX_DEPTH, { model: 'embed', method: 'batchEmbedContents', spoken });
const GEMINI = { protocol: 'gemini' } as const;

describe('Gemini embeddings from a Gemini channel', () => {
  it('passes the bytes through when no other model is named', async () => {
    const call = single({ taskType: 'RETRIEVAL_QUERY' });
    const { request } = await passageOf(call, GEMINI);
    expect([request.path, request.body]).toEqual(['/models/model-up:embedContent', call.raw]);
    expect([call.model, call.route, call.streamed]).toEqual(['embed', '/v1beta/models/{model}:embedContent', false]);
  });

  it('names the model of the channel, whatever the body names', async () => {
    expect(sentJson(await passageOf(single({ model: 'models/dearer' }), GEMINI))).toEqual({
      model: 'models/model-up',
      content: CONTENT,
    });
    const passage = await passageOf(batch([{ model: 'models/embed', content: CONTENT }, { content: CONTENT }]), GEMINI);
    expect(passage.request.path).toBe('/models/model-up:batchEmbedContents');
    expect(sentJson(passage)).toEqual({
      requests: [
        { model: 'models/model-up', content: CONTENT },
        { model: 'models/model-up', content: CONTENT },
      ],
    });
  });

  it('escapes a model in the path', async () => {
    const { request } = await passageOf(single(), { ...GEMINI, upstreamModel: 'a/../b?c' });
    expect(request.path).toBe('/models/a%2F..%2Fb%3Fc:embedContent');
  });

  it('passes the answer through and estimates what it does not state', async () => {
    const answer = { embedding: { values: [0.5], shape: [1] } };
    const reading = readAnswer(await passageOf(single(), GEMINI), answer);
    expect(endingJson(reading, {})).toEqual(answer);
    expect(await measured(single(), reading)).toEqual({ uncachedInput: 2 });
  });

  it('reads the usage that newer models state', async () => {
    const reading = readAnswer(await passageOf(batch([{ content: CONTENT }]), GEMINI), {
      embeddings: [{ values: [1] }],
      usageMetadata: { promptTokenCount: 9 },
    });
    expect(await measured(single(), reading)).toEqual({ uncachedInput: 9 });
  });

  it.each([{ error: { code: 400 } }, { embeddings: [] }, { embedding: null }, {}])(
    'sees that %j is no single answer',
    async (answer) => {
      expect(readAnswer(await passageOf(single(), GEMINI), answer).failure).toBe(JSON.stringify(answer));
    },
  );
});

describe('Gemini embeddings from channels of other dialects', () => {
  it('asks an OpenAI channel for floats and answers in the shape of the client', async () => {
    const call = batch([
      {
        content: { parts: [{ text: 'a' }, { text: 'b' }] },
        output_dimensionality: 4,
        taskType: 'CLUSTERING',
        title: 't',
      },
      { content: 'c', outputDimensionality: 4 },
    ]);
    const passage = await passageOf(call);
    expect(passage.request.path).toBe('/embeddings');
    expect(sentJson(passage)).toEqual({
      model: 'model-up',
      input: ['a\nb', 'c'],
      encoding_format: 'float',
      dimensions: 4,
    });
    const reading = readAnswer(passage, {
      data: [
        { index: 1, embedding: 'AACAvw==' },
        { index: 0, embedding: [0.5] },
      ],
      usage: { prompt_tokens: 6 },
    });
    expect(await measured(call, reading)).toEqual({ uncachedInput: 6 });
    expect(endingJson(reading, {})).toEqual({ embeddings: [{ values: [0.5] }, { values: [-1] }] });
  });

  it('asks an Ollama channel for one', async () => {
    const passage = await passageOf(single(), { protocol: 'ollama' });
    expect(sentJson(passage)).toEqual({ model: 'model-up', input: ['two words'], truncate: false });
    const reading = readAnswer(passage, { embeddings: [[1, 2]] });
    expect(endingJson(reading, {})).toEqual({ embedding: { values: [1, 2] } });
    expect(await measured(single(), reading)).toEqual({ uncachedInput: 2 });
  });

  it.each([
    ['content', { content: { parts: [{ inlineData: { mimeType: 'image/png', data: 'AA==' } }] } }],
    ['content', { content: { parts: { text: 4 } } }],
  ])('refuses a %s that is no text', async (param, change) => {
    expect(await refusal(() => passageOf(single(change)))).toMatchObject({ code: 'unsupported_parameter', param });
  });

  it('refuses sizes that differ, empty texts, and channels that embed nothing', async () => {
    const differing = batch([{ content: CONTENT, outputDimensionality: 4 }, { content: CONTENT }]);
    expect((await refusal(() => passageOf(differing))).param).toBe('outputDimensionality');
    expect((await refusal(() => passageOf(single({ content: '' })))).code).toBe('invalid_request');
    expect((await refusal(() => passageOf(single(), { protocol: 'claude' }))).param).toBe('model');
  });
});

describe('what a Gemini embeddings call may ask', () => {
  it('holds the bytes of every text and title, and never counts what is encoded as text', () => {
    // 64 for the request, 8 for each object, 32 for each input.
    expect(single({ title: '你' }).bounds(9)).toEqual({
      inputTokens: 64 + 2 * 8 + 9 + 3 + 32,
      outputTokens: 0,
      other: {},
    });
    expect(batch([{ model: 'models/embed', content: 'a' }, { content: 'b' }]).bounds(9).inputTokens).toBe(
      64 + 16 + 2 + 64,
    );
    const picture = { mimeType: 'image/png', data: 'A'.repeat(1_000_000) };
    for (const part of [{ inlineData: picture }, { inline_data: picture }]) {
      const call = single({ content: { parts: [part] } });
      expect(call.bounds(9).inputTokens).toBe(64 + 2 * 8 + 6_000 + 32);
      expect(call.promptToCount()).toEqual({ texts: [], overhead: 258 });
    }
  });

  it.each([
    ['content', () => single({ content: undefined })],
    ['content', () => single({ content: { parts: [] } })],
    ['outputDimensionality', () => single({ outputDimensionality: -1 })],
    ['requests', () => batch([])],
    ['requests', () => batch('x')],
    ['requests', () => batch(Array.from({ length: 2_049 }, () => ({ content: 'a' })))],
  ])('refuses wrong %s', async (param, run) => {
    const told = await refusal(run);
    expect([told.code, told.param?.split('.')[0]]).toEqual(['invalid_request', param]);
  });
});
