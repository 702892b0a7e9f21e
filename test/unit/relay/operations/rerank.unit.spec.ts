import { describe, expect, it } from 'vitest';
import { rerankCall } from '../../../../services/relay/operations/rerank.ts';
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
} from './fixtures.ts';

const BODY = { model: 'ranker', query: 'which one', documents: ['the first', { text: 'the second one' }], top_n: 1 };
const call = (change: object = {}) => rerankCall(bodyOf({ ...BODY, ...change }), MAX_DEPTH);
const RESULTS = [{ index: 1, relevance_score: 0.9 }];

describe('reranking', () => {
  it('goes up with the name of the channel', async () => {
    const passage = await passageOf(call({ return_documents: true }));
    expect(passage.request.path).toBe('/rerank');
    expect(sentJson(passage)).toEqual({ ...BODY, model: 'model-up', return_documents: true });
  });

  it('counts the tokens of a Jina answer and shows what was billed', async () => {
    const answer = { model: 'model-up', usage: { total_tokens: 15 }, results: RESULTS };
    const reading = readAnswer(await passageOf(call()), answer);
    expect(await measured(call(), reading)).toEqual({ uncachedInput: 15, requests: 1 });
    expect(endingJson(reading, { uncachedInput: 14, requests: 1 })).toEqual({
      model: 'ranker',
      results: RESULTS,
      usage: { total_tokens: 14, ...COST },
    });
  });

  it('counts the search units of a Cohere answer as requests', async () => {
    const meta = { billed_units: { search_units: 3 }, tokens: { input_tokens: 40 } };
    const reading = readAnswer(await passageOf(call()), { id: 'x', results: RESULTS, meta });
    expect(await measured(call(), reading)).toEqual({ uncachedInput: 40, requests: 3 });
    expect(endingJson(reading, { uncachedInput: 40, requests: 3 })).toEqual({
      id: 'x',
      results: RESULTS,
      meta,
      usage: { total_tokens: 40, ...COST },
    });
  });

  it.each([
    ['nothing', {}, { requests: 1 }],
    ['a negative total', { usage: { total_tokens: -1 } }, { requests: 1 }],
    ['a text', { usage: 'many' }, { requests: 1 }],
    ['a zero', { usage: { total_tokens: 0 } }, { requests: 1 }],
    ['no search unit', { meta: { billed_units: { search_units: 0 } } }, { requests: 1 }],
    ['units alone', { meta: { billed_units: { search_units: 2 } } }, { requests: 2 }],
  ])('estimates the tokens of an answer that states %s', async (_what, stated, other) => {
    const reading = readAnswer(await passageOf(call()), { results: RESULTS, ...stated });
    expect(await measured(call(), reading)).toEqual({ uncachedInput: 7 + 3 + 3, ...other });
  });

  it('reads results under the name of data, and however the bytes are cut', async () => {
    const passage = await passageOf(call());
    for (const pieces of everyCut(bodyOf({ data: RESULTS, note: '好' }))) {
      expect(readPieces(passage, JSON_HEAD, pieces).reading.done).toBe(true);
    }
  });

  it.each(['{"error":"x"}', '{"message":"invalid api token"}', '{"results":[],"error":{"message":"x"}}', '', '<html>'])(
    'sees that %j is no answer',
    async (text) => expect(readAnswer(await passageOf(call()), text).failure).toBe(text),
  );

  it('holds the query once for each document, and the search units that long ones may come to', () => {
    // 64 + 8 for one object, the query of 9 bytes and documents of 9 and 14; then the query again, as a body of its own.
    expect(call().bounds(4_096)).toEqual({
      inputTokens: 64 + 8 + 32 + (64 + 9),
      outputTokens: 0,
      other: { requests: 1 },
    });
    const many = call({ documents: Array.from({ length: 101 }, () => 'a') });
    expect(many.bounds(1).other).toEqual({ requests: 2 });
    const long = call({ documents: Array.from({ length: 10 }, () => 'x'.repeat(50_000)) });
    expect(long.bounds(1).other.requests).toBeGreaterThanOrEqual(10);
  });

  it.each([
    ['documents', { documents: [] }],
    ['documents', { documents: Array.from({ length: 2_049 }, () => 'a') }],
    ['documents', { documents: 'a' }],
    ['query', { query: '' }],
    ['query', { query: 'x'.repeat(32_769) }],
    ['top_n', { top_n: 0 }],
    ['model', { model: undefined }],
    ['query', { Query: 'other' }],
  ])('refuses wrong %s', async (param, change) => {
    expect(await refusal(() => call(change))).toMatchObject({ code: 'invalid_request', param });
  });

  it('goes to no channel of another dialect', async () => {
    expect((await refusal(() => passageOf(call(), { protocol: 'gemini' }))).code).toBe('unsupported_parameter');
  });
});
