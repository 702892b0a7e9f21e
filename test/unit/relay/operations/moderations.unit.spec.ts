import { describe, expect, it } from 'vitest';
import { moderationsCall } from '../../../../services/relay/operations/moderations.ts';
import {
  billed,
  bodyOf,
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

const call = (change: object = {}) => moderationsCall(bodyOf({ model: 'moderator', input: 'x', ...change }), MAX_DEPTH);
const ANSWER = { id: 'modr-1', model: 'model-up', results: [{ flagged: false, categories: {} }] };

describe('moderations', () => {
  it('go up with the name of the channel and count as one request', async () => {
    const passage = await passageOf(call());
    expect(passage.request.path).toBe('/moderations');
    expect(sentJson(passage)).toEqual({ model: 'model-up', input: 'x' });
    const reading = readAnswer(passage, ANSWER);
    expect(await measured(call(), reading)).toEqual({ requests: 1 });
    expect(reading.ending(billed({ requests: 1 }))).toBe(JSON.stringify({ ...ANSWER, model: 'moderator' }));
    expect(call().bounds(4_096)).toEqual({ inputTokens: 0, outputTokens: 0, other: { requests: 1 } });
  });

  it('keep the bytes of an answer that has the same name', async () => {
    const text = '{ "model":"moderator", "results": [] }';
    expect(readAnswer(await passageOf(call()), text).ending(billed({}))).toBe(text);
  });

  it('ask for the usual model when the body names none', async () => {
    const unnamed = call({ model: undefined });
    expect(unnamed.model).toBe('omni-moderation-latest');
    expect(sentJson(await passageOf(unnamed))).toEqual({ input: 'x', model: 'model-up' });
  });

  it('are read however the bytes are cut', async () => {
    const passage = await passageOf(call());
    for (const pieces of everyCut(bodyOf({ ...ANSWER, note: '好' }))) {
      expect(readPieces(passage, JSON_HEAD, pieces).reading.done).toBe(true);
    }
  });

  it.each(['{"error":{}}', '{"results":{}}', '{"results":[],"error":"x"}', 'null', ''])(
    'see that %j is none',
    async (text) => {
      expect(readAnswer(await passageOf(call()), text).failure).toBe(text);
    },
  );

  it.each([
    ['input', { input: [] }],
    ['input', { input: undefined }],
    ['input', { input: 4 }],
    ['input', { input: Array.from({ length: 2_049 }, () => 'a') }],
    ['model', { model: '' }],
    ['input', { INPUT: 'y' }],
  ])('refuse a wrong %s', async (param, change) => {
    expect(await refusal(() => call(change))).toMatchObject({ code: 'invalid_request', param });
  });

  it('take texts and images, and refuse other dialects', async () => {
    expect(call({ input: ['a', 'b'] }).model).toBe('moderator');
    expect(call({ input: [{ type: 'image_url', image_url: { url: 'https://x' } }] }).model).toBe('moderator');
    expect((await refusal(() => passageOf(call(), { protocol: 'claude' }))).code).toBe('unsupported_parameter');
  });
});
