import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import OpenAI from 'openai';
import { describe, expect, it } from 'vitest';
import { errorOf, post, simulatedClient } from './simulatedClient.ts';

const SMALL = 'text-embedding-3-small';

function lengthOf(vector: readonly number[]): number {
  return Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0));
}

describe('simulated embeddings', () => {
  it('have the shape of a list, with usage by the tokenizer', async () => {
    const { simulated } = await simulatedClient();
    const response = await post(simulated, '/embeddings', { model: SMALL, input: ['Hello', '世界'], dimensions: 3 });
    expect(response.headers.get('content-type')).toBe('application/json');
    const tokens = countTokens('Hello') + countTokens('世界');
    const vector = [expect.any(Number), expect.any(Number), expect.any(Number)];
    expect(await response.json()).toEqual({
      object: 'list',
      data: [
        { object: 'embedding', index: 0, embedding: vector },
        { object: 'embedding', index: 1, embedding: vector },
      ],
      model: SMALL,
      usage: { prompt_tokens: tokens, total_tokens: tokens },
    });
  });

  it('are unit vectors that depend on the model and the input alone', async () => {
    const { client } = await simulatedClient();
    const ask = async (model: string, input: string) =>
      (await client.embeddings.create({ model, input, encoding_format: 'float' })).data[0]?.embedding ?? [];
    const first = await ask(SMALL, 'a');
    expect(lengthOf(first)).toBeCloseTo(1, 5);
    expect(await ask(SMALL, 'a')).toEqual(first);
    expect(await ask(SMALL, 'b')).not.toEqual(first);
    expect(await ask('text-embedding-ada-002', 'a')).not.toEqual(first);
  });

  it.each([
    [SMALL, undefined, 1_536],
    ['text-embedding-ada-002', undefined, 1_536],
    ['text-embedding-3-large', undefined, 3_072],
    ['text-embedding-3-large', 256, 256],
  ])('of %s with dimensions %s have %i numbers, the same in base64', async (model, dimensions, expected) => {
    const { client } = await simulatedClient();
    const asked = { model, input: 'x', ...(dimensions !== undefined && { dimensions }) };
    const decoded = (await client.embeddings.create(asked)).data[0]?.embedding ?? [];
    const plain = (await client.embeddings.create({ ...asked, encoding_format: 'float' })).data[0]?.embedding ?? [];
    expect(plain).toHaveLength(expected);
    expect(decoded).toEqual(plain.map(Math.fround));
  });

  it('take tokens in place of texts, and count them', async () => {
    const { client } = await simulatedClient();
    const one = await client.embeddings.create({ model: SMALL, input: [5, 6, 7], dimensions: 2 });
    expect(one.data).toHaveLength(1);
    expect(one.usage).toEqual({ prompt_tokens: 3, total_tokens: 3 });
    const two = await client.embeddings.create({ model: SMALL, input: [[5, 6, 7], [8]], dimensions: 2 });
    expect(two.data).toHaveLength(2);
    expect(two.usage).toEqual({ prompt_tokens: 4, total_tokens: 4 });
    expect(two.data[0]?.embedding).toEqual(one.data[0]?.embedding);
  });

  it('of the largest batch come in base64, and are refused where each number is written out', async () => {
    const { simulated, client } = await simulatedClient();
    const input = Array.from({ length: 2_048 }, (_, index) => `text ${String(index)}`);
    expect((await client.embeddings.create({ model: SMALL, input })).data).toHaveLength(2_048);
    expect(await errorOf(await post(simulated, '/embeddings', { model: SMALL, input }))).toEqual({
      status: 400,
      error: {
        message: 'input: the simulated upstream gives at most 1048576 numbers at once',
        type: 'invalid_request_error',
        param: null,
        code: null,
      },
    });
  });

  it.each([
    ['exact', { prompt_tokens: 9, total_tokens: 9 }],
    ['none', undefined],
    ['zero', { prompt_tokens: 0, total_tokens: 0 }],
    ['absurd', { prompt_tokens: 1e18, total_tokens: 1e18 }],
    ['negative', { prompt_tokens: -5, total_tokens: -5 }],
  ])('report %s usage when told to', async (usage, expected) => {
    const { simulated } = await simulatedClient();
    const input = usage === 'exact' ? '1 2 3 4 5' : `x [[sim usage=${usage}]]`;
    const response = await post(simulated, '/embeddings', { model: SMALL, input, dimensions: 1 });
    expect(((await response.json()) as { usage?: unknown }).usage).toEqual(expected);
  });
});

describe('simulated moderations', () => {
  it('object to the word "violence" and to nothing else', async () => {
    const { client } = await simulatedClient();
    const { id, model, results } = await client.moderations.create({ input: ['Peace', 'No Violence!', 'violences'] });
    expect(id).toMatch(/^modr-sim-[0-9a-f]{24}$/);
    expect(model).toBe('omni-moderation-latest');
    expect(results.map(({ flagged }) => flagged)).toEqual([false, true, false]);
    expect(results[1]?.categories.violence).toBe(true);
    expect(results[1]?.category_scores).toMatchObject({ violence: 0.99, hate: 0.01, 'violence/graphic': 0.01 });
    expect(Object.values(results[0]?.categories ?? {})).toEqual(Array.from({ length: 13 }, () => false));
    expect(results[0]?.category_applied_input_types.violence).toEqual(['text']);
  });

  it('judge the parts of an input together', async () => {
    const { client } = await simulatedClient();
    const { model, results } = await client.moderations.create({
      model: 'omni-moderation-2024-09-26',
      input: [
        { type: 'text', text: 'violence' },
        { type: 'image_url', image_url: { url: 'data:image/png;base64,AA==' } },
      ],
    });
    expect(model).toBe('omni-moderation-2024-09-26');
    expect(results).toHaveLength(1);
    expect(results[0]?.flagged).toBe(true);
    expect(results[0]?.category_applied_input_types).toMatchObject({ violence: ['text', 'image'], hate: ['text'] });
  });
});

describe('simulated reranking', () => {
  const documents = ['cats and dogs', 'The capital of France is Paris', 'France'];

  it('orders documents by the words they share with the query', async () => {
    const { simulated } = await simulatedClient();
    const query = 'capital of France';
    const response = await post(simulated, '/rerank', { model: 'rerank-v3.5', query, documents });
    const tokens = documents.reduce((sum, text) => sum + countTokens(text) + countTokens(query), 0);
    expect(await response.json()).toEqual({
      id: expect.stringMatching(/^rerank-sim-[0-9a-f]{24}$/) as string,
      object: 'list',
      model: 'rerank-v3.5',
      results: [
        { index: 1, relevance_score: 0.6667 },
        { index: 2, relevance_score: 0.5 },
        { index: 0, relevance_score: 0 },
      ],
      meta: { billed_units: { search_units: 1 } },
      usage: { prompt_tokens: tokens, total_tokens: tokens },
    });
  });

  it('gives as many results as wanted, with their documents when asked, and keeps the order of equals', async () => {
    const { simulated } = await simulatedClient();
    const body = { model: 'm', query: '猫', documents: [{ text: '狗' }, { text: '猫狗' }, '猫狗'], top_n: 2 };
    const response = await post(simulated, '/rerank', { ...body, return_documents: true });
    expect(((await response.json()) as { results: unknown }).results).toEqual([
      { index: 1, relevance_score: 0.6667, document: { text: '猫狗' } },
      { index: 2, relevance_score: 0.6667, document: { text: '猫狗' } },
    ]);
  });

  it('counts a search unit for each hundred documents begun', async () => {
    const { simulated } = await simulatedClient();
    const response = await post(simulated, '/rerank', {
      model: 'm',
      query: 'x',
      documents: Array.from({ length: 101 }, () => 'y'),
    });
    expect(await response.json()).toMatchObject({ meta: { billed_units: { search_units: 2 } } });
  });
});

describe('directives in other texts than those of chats', () => {
  const bodies: [path: string, body: (text: string) => object][] = [
    ['/embeddings', (input) => ({ model: SMALL, input: ['a', input] })],
    ['/moderations', (text) => ({ input: [{ type: 'text', text }] })],
    ['/rerank', (query) => ({ model: 'm', query, documents: ['a'] })],
    ['/images/generations', (prompt) => ({ model: 'gpt-image-1', prompt })],
    ['/audio/speech', (input) => ({ model: 'tts-1', input, voice: 'alloy' })],
  ];

  it.each(bodies)('set the status of %s', async (path, body) => {
    const { simulated } = await simulatedClient();
    const response = await post(simulated, path, body('[[sim status=429 retry_after=3]]'));
    expect(response.headers.get('retry-after')).toBe('3');
    expect(await errorOf(response)).toEqual({
      status: 429,
      error: {
        message: 'Simulated failure with status 429.',
        type: 'rate_limit_error',
        param: null,
        code: 'rate_limit_exceeded',
      },
    });
  });

  it.each(bodies)('slow %s down', async (path, body) => {
    const { simulated } = await simulatedClient();
    const startedAt = performance.now();
    expect((await post(simulated, path, body('x [[sim latency_ms=80]]'))).status).toBe(200);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(78);
  });

  it.each(bodies)('that mean nothing are refused by %s', async (path, body) => {
    const { simulated } = await simulatedClient();
    const response = await post(simulated, path, body('[[sim nonsense=1]]'));
    expect(await errorOf(response)).toMatchObject({ status: 400, error: { type: 'invalid_request_error' } });
  });

  it.each(bodies)('cut %s in the middle, which is counted', async (path, body) => {
    const { simulated } = await simulatedClient();
    const response = await post(simulated, path, body('x [[sim cut_after=0]]'));
    expect(response.status).toBe(200);
    await expect(response.arrayBuffer()).rejects.toThrow();
    expect(simulated.stats).toMatchObject({ started: 1, cut: 1 });
  });
});

describe('bodies that are none', () => {
  it.each([
    ['/embeddings', {}, 'model'],
    ['/embeddings', { model: 'm', input: [] }, 'input: must be a text or tokens'],
    ['/embeddings', { model: 'm', input: 'x', dimensions: 0 }, 'dimensions'],
    ['/embeddings', { model: 'm', input: 'x', encoding_format: 'hex' }, 'encoding_format'],
    ['/moderations', {}, 'input'],
    ['/moderations', { input: [{ type: 'sound' }] }, 'input'],
    ['/rerank', { model: 'm', query: 'x' }, 'documents'],
    ['/rerank', { model: 'm', query: '', documents: ['a'] }, 'query'],
    ['/rerank', { model: 'm', query: 'x', documents: [7] }, 'documents.0'],
    ['/images/generations', { model: 'gpt-image-1' }, 'prompt'],
    ['/audio/speech', { model: 'tts-1', input: 'x' }, 'voice'],
  ])('are refused by %s: %j', async (path, body, expected) => {
    const { simulated } = await simulatedClient();
    expect(await errorOf(await post(simulated, path, body))).toEqual({
      status: 400,
      error: {
        message: expect.stringContaining(expected) as string,
        type: 'invalid_request_error',
        param: null,
        code: null,
      },
    });
  });

  it('become the official client’s own errors', async () => {
    const { client } = await simulatedClient();
    await expect(client.embeddings.create({ model: SMALL, input: '' })).rejects.toBeInstanceOf(OpenAI.BadRequestError);
    await expect(client.moderations.create({ input: '[[sim status=503]]' })).rejects.toBeInstanceOf(
      OpenAI.InternalServerError,
    );
  });
});
