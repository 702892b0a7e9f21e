import { describe, expect, it } from 'vitest';
import { base64Of, vectorOf } from '../../../../services/relay/operations/embeddings/base64.ts';
import { embeddings, embeddingsCall } from '../../../../services/relay/operations/embeddings/openaiCall.ts';
import {
  bodyOf,
  COST,
  endingJson,
  everyCut,
  JSON_HEAD,
  MAX_DEPTH,
  measured,
  passageOf,
  readAnswer,
  readPieces,
  refusal,
  sentJson,
  billed,
  spoken,
} from './fixtures.ts';

const call = (change: object = {}) =>
  embeddingsCall(bodyOf({ model: 'embed', input: 'some words here', ...change }), MAX_DEPTH);
const ANSWER = {
  object: 'list',
  data: [{ object: 'embedding', index: 0, embedding: [0.5, -1] }],
  model: 'model-up',
  usage: { prompt_tokens: 3, total_tokens: 3 },
};

describe('embeddings from a channel of the same dialect', () => {
  it('sends the bytes of the client when the name of the model is the same', async () => {
    const raw = Buffer.from('{ "input":"x","user":"u", "model":"embed" }');
    const { request } = await passageOf(embeddingsCall(raw, MAX_DEPTH), { upstreamModel: 'embed' });
    expect(request).toEqual({
      method: 'POST',
      path: '/embeddings',
      headers: { 'content-type': 'application/json', accept: 'application/json' },
      body: raw,
    });
  });

  it('renames the model and drops what the channel refuses', async () => {
    const passage = await passageOf(call({ user: 'u', dimensions: 8 }), { quirks: { stripsParams: ['dimensions'] } });
    expect(sentJson(passage)).toEqual({ model: 'model-up', input: 'some words here', user: 'u' });
  });

  it('shows the name of the client, the billed tokens and their cost', async () => {
    const reading = readAnswer(await passageOf(call()), {
      ...ANSWER,
      usage: { ...ANSWER.usage, cost: 9, is_byok: true },
    });
    expect(reading.done).toBe(true);
    expect(await measured(call(), reading)).toEqual({ uncachedInput: 3 });
    expect(endingJson(reading, { uncachedInput: 2 })).toEqual({
      ...ANSWER,
      model: 'embed',
      usage: { prompt_tokens: 2, total_tokens: 2, ...COST },
    });
  });

  it('keeps every other byte of an answer', async () => {
    const text = '\uFEFF\n {"data":[ {"embedding":[1.0] } ],"usage":{"prompt_tokens":1},"model":"embed"}\n';
    const reading = readAnswer(await passageOf(call()), text);
    expect(reading.ending(billed({ uncachedInput: 1 }))).toBe(
      '{"data":[ {"embedding":[1.0] } ],"usage":{"prompt_tokens":1,"total_tokens":1,"cost":0.0015,"cost_currency":"USD"},"model":"embed"}',
    );
  });

  it('gives base64 when it was asked for and the provider knows floats only', async () => {
    const reading = readAnswer(await passageOf(call({ encoding_format: 'base64' })), ANSWER);
    expect(endingJson(reading, { uncachedInput: 3 })).toMatchObject({
      data: [{ object: 'embedding', index: 0, embedding: 'AAAAPwAAgL8=' }],
    });
  });

  it('leaves base64 of the provider alone', async () => {
    const data = [{ index: 0, embedding: 'AAAAPwAAgL8=' }];
    const reading = readAnswer(await passageOf(call({ encoding_format: 'base64' })), { ...ANSWER, data });
    expect(endingJson(reading, { uncachedInput: 3 })).toMatchObject({ data });
  });

  it.each([
    ['no usage', undefined, 3],
    ['a zero', { prompt_tokens: 0, total_tokens: 0 }, 3],
    ['a negative count', { prompt_tokens: -4 }, 3],
    ['a fraction', { prompt_tokens: 1.5 }, 3],
    ['a text', { prompt_tokens: '12' }, 3],
    ['a list', [4], 3],
    ['the total alone', { total_tokens: 7 }, 7],
    ['cached tokens', { prompt_tokens: 5, prompt_tokens_details: { cached_tokens: 9 } }, 5],
  ])('counts the input when the usage has %s', async (_what, usage, tokens) => {
    const reading = readAnswer(await passageOf(call()), { ...ANSWER, usage });
    const used = await measured(call(), reading);
    expect((used.uncachedInput ?? 0) + (used.cacheRead ?? 0)).toBe(tokens);
    expect(used.outputText).toBeUndefined();
  });

  it('reads usage where the channel has it', async () => {
    const passage = await passageOf(call(), { quirks: { usagePath: 'meta.usage' } });
    const reading = readAnswer(passage, { ...ANSWER, usage: undefined, meta: { usage: { prompt_tokens: 8 } } });
    expect(await measured(call(), reading)).toEqual({ uncachedInput: 8 });
  });

  it.each([
    '{"error":{"message":"no"}}',
    '{"data":[],"error":"no"}',
    '{"data":{}}',
    '[]',
    'null',
    '',
    '<html>502</html>',
    '{"data":[',
  ])('sees that %j is no answer', async (text) => {
    const reading = readAnswer(await passageOf(call()), text);
    expect([reading.done, reading.failure]).toEqual([false, text]);
  });

  it('reads the same however the bytes are cut', async () => {
    const passage = await passageOf(call());
    const bytes = bodyOf({ ...ANSWER, note: '你好' });
    const whole = readAnswer(passage, bytes.toString()).ending(billed({ uncachedInput: 3 }));
    for (const pieces of everyCut(bytes)) {
      const { reading, forwarded } = readPieces(passage, JSON_HEAD, pieces);
      expect(forwarded.length).toBe(0);
      expect(reading.ending(billed({ uncachedInput: 3 }))).toBe(whole);
    }
  });
});

describe('embeddings from a Gemini channel', () => {
  it('asks for all texts in one batch', async () => {
    const passage = await passageOf(call({ input: ['a', 'b'], dimensions: 8, user: 'u' }), { protocol: 'gemini' });
    expect(passage.request.path).toBe('/models/model-up:batchEmbedContents');
    expect(sentJson(passage)).toEqual({
      requests: ['a', 'b'].map((text) => ({
        model: 'models/model-up',
        content: { parts: [{ text }] },
        outputDimensionality: 8,
      })),
    });
  });

  it('answers in the shape of the client and counts the input itself', async () => {
    const asked = call({ input: ['one two', 'three'], encoding_format: 'base64' });
    const reading = readAnswer(await passageOf(asked, { protocol: 'gemini' }), {
      embeddings: [{ values: [0.5] }, { values: [-1] }],
    });
    expect(await measured(asked, reading)).toEqual({ uncachedInput: 3 });
    expect(endingJson(reading, { uncachedInput: 3 })).toEqual({
      object: 'list',
      data: [
        { object: 'embedding', index: 0, embedding: 'AAAAPw==' },
        { object: 'embedding', index: 1, embedding: 'AACAvw==' },
      ],
      model: 'embed',
      usage: { prompt_tokens: 3, total_tokens: 3, ...COST },
    });
  });

  it.each([
    [{ error: { code: 400, message: 'no' } }],
    [{ embeddings: [{ values: [1] }, { values: [1] }] }],
    [{ embeddings: [] }],
    [{ embeddings: [{ values: ['1'] }] }],
    [{ embeddings: [null] }],
    [{}],
  ])('sees that %j is no answer', async (answer) => {
    expect(readAnswer(await passageOf(call(), { protocol: 'gemini' }), answer).failure).toBe(JSON.stringify(answer));
  });
});

describe('embeddings from an Ollama channel', () => {
  it('asks not to cut texts, and reads its counter', async () => {
    const passage = await passageOf(call({ dimensions: 4 }), { protocol: 'ollama' });
    expect(passage.request.path).toBe('/api/embed');
    expect(sentJson(passage)).toEqual({
      model: 'model-up',
      input: ['some words here'],
      truncate: false,
      dimensions: 4,
    });
    const reading = readAnswer(passage, { model: 'model-up', embeddings: [[1, 2]], prompt_eval_count: 11 });
    expect(await measured(call(), reading)).toEqual({ uncachedInput: 11 });
    expect(endingJson(reading, { uncachedInput: 11 })).toMatchObject({ data: [{ index: 0, embedding: [1, 2] }] });
  });

  it('estimates where the counter is left out', async () => {
    const reading = readAnswer(await passageOf(call(), { protocol: 'ollama' }), { embeddings: [[1]] });
    expect(await measured(call(), reading)).toEqual({ uncachedInput: 3 });
  });

  it('sees an error under its 200', async () => {
    const reading = readAnswer(await passageOf(call(), { protocol: 'ollama' }), { error: 'model not loaded' });
    expect(reading.failure).toBe('{"error":"model not loaded"}');
  });
});

describe('what an embeddings call may ask', () => {
  it('holds the bytes of texts and the number of tokens, and no output', () => {
    expect(call({ input: ['你好', 'a'] }).bounds(1_000)).toEqual({
      inputTokens: 7 + 2 * 32,
      outputTokens: 0,
      other: {},
    });
    expect(call({ input: [1, 2, 3] }).bounds(1_000).inputTokens).toBe(3 + 32);
    expect(call({ input: [[1, 2], [3]] }).bounds(1_000).inputTokens).toBe(3 + 2 * 32);
    expect(call({ input: [[1, 2], [3]] }).promptToCount()).toEqual({ texts: [], overhead: 3 });
  });

  it.each(['gemini', 'ollama'] as const)('refuses tokens for %s', async (protocol) => {
    expect(await refusal(() => passageOf(call({ input: [1, 2] }), { protocol }))).toMatchObject({
      code: 'unsupported_parameter',
      param: 'input',
    });
  });

  it.each(['claude', 'fastgpt', 'dify', 'coze'] as const)('refuses %s, which embeds nothing', async (protocol) => {
    expect(await refusal(() => passageOf(call(), { protocol }))).toEqual({
      code: 'unsupported_parameter',
      param: 'model',
      message: 'The provider of this model offers no embeddings.',
    });
  });

  it.each([
    ['input', { input: '' }],
    ['input', { input: [] }],
    ['input', { input: ['a', 1] }],
    ['input.0', { input: [-1] }],
    ['input', { input: [1.5] }],
    ['input', { input: Array.from({ length: 2_049 }, () => 'a') }],
    ['input', { input: undefined }],
    ['model', { model: '' }],
    ['model', { Model: 'other' }],
    ['dimensions', { dimensions: 0 }],
    ['dimensions', { dimensions: 1e9 }],
    ['encoding_format', { encoding_format: 'int8' }],
  ])('refuses a wrong %s', async (param, change) => {
    expect(await refusal(() => call(change))).toMatchObject({ code: 'invalid_request', param });
  });

  it('is an operation without a stream', async () => {
    const operation = embeddings({ maxDepth: MAX_DEPTH, spoken });
    const incoming = { requestId: 'r', headers: {}, rest: '', query: new URLSearchParams() };
    expect([operation.path, operation.face(incoming).streamType]).toEqual(['/v1/embeddings', null]);
    expect(await refusal(() => operation.read(Buffer.from('{'), incoming, {} as never))).toMatchObject({
      code: 'invalid_json',
    });
  });
});

describe('base64 of an embedding', () => {
  it('has little-endian floats of 32 bits', () => {
    expect(base64Of([1, 0])).toBe('AACAPwAAAAA=');
    expect(vectorOf('AACAPwAAAAA=')).toEqual([1, 0]);
  });

  it('is none where bytes are missing', () => {
    expect([vectorOf('AACA'), vectorOf(''), vectorOf('!')]).toEqual([null, null, null]);
  });
});
