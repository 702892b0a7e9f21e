import { describe, expect, it } from 'vitest';
import { ApiError } from '../../../../services/http/errors.ts';
import type { UpstreamProtocol } from '../../../../services/relay/canonical/crossing.ts';
import { ollamaChatCall, ollamaGenerateCall } from '../../../../services/relay/dialects/ollama/call.ts';
import { OLLAMA_FACE } from '../../../../services/relay/dialects/ollama/face.ts';
import { ollamaTags } from '../../../../services/relay/dialects/ollama/tags.ts';
import { ollamaProtocol } from '../../../../services/relay/dialects/ollama/upstream.ts';
import {
  BILLED,
  bytes,
  channel,
  CONTEXT,
  CREATED_AT,
  fed,
  JSON_TYPE,
  linesOf,
  MAX_DEPTH,
  ndjson,
  NDJSON,
  noProtocol,
  PNG,
} from './ollamaFixtures.ts';

/** Another protocol that happens to be written like Ollama's: what crosses is read and written anew. */
const spoken = (): UpstreamProtocol => ollamaProtocol;
const chat = (body: object = {}, speaks: () => UpstreamProtocol = spoken) =>
  ollamaChatCall(
    bytes({ model: 'llama3', messages: [{ role: 'user', content: 'hi' }], ...body }),
    MAX_DEPTH,
    speaks,
    () => 7,
  );
const generate = (body: object = {}) =>
  ollamaGenerateCall(bytes({ model: 'llama3', prompt: 'hi', ...body }), MAX_DEPTH, spoken, () => 7);

describe('A call of an Ollama client', () => {
  it('tells its route, model, bytes and whether it streams', () => {
    const { route, model, streamed, raw } = chat({ stream: true });
    expect({ route, model, streamed }).toEqual({ route: '/api/ai-service/chat', model: 'llama3', streamed: true });
    expect(raw.toString()).toContain('"stream":true');
    expect([generate().route, generate().streamed]).toEqual(['/api/ai-service/generate', false]);
  });

  it('is refused without messages or prompt', () => {
    const refused = (make: () => unknown) => {
      try {
        make();
      } catch (error) {
        if (error instanceof ApiError) return [error.code, error.param];
      }
      return null;
    };
    expect(refused(() => chat({ messages: [] }))).toEqual(['invalid_request', 'messages']);
    expect(refused(() => generate({ prompt: '' }))).toEqual(['invalid_request', 'prompt']);
  });

  it('bounds its output by its own limit and the price book', () => {
    const limit = (options: object) => chat({ options }).bounds(4_096).outputTokens;
    expect([limit({}), limit({ num_predict: 5 }), limit({ num_predict: 9_999 }), limit({ num_predict: -1 })]).toEqual([
      4_096, 5, 4_096, 4_096,
    ]);
  });

  it('bounds its input by bytes, images and tokens of an earlier conversation', () => {
    const input = (body: object) => generate(body).bounds(1).inputTokens;
    const bare = input({});
    expect(input({ prompt: '你好' })).toBe(bare + 4);
    expect(input({ system: 'abc' })).toBe(bare + 3);
    expect(input({ context: [1, 2, 3] })).toBe(bare + 3);
    expect(input({ images: [PNG, PNG] })).toBe(bare + 12_000);
    expect(input({ options: { stop: ['abc'] }, keep_alive: '5m', think: 'low' })).toBe(bare);
    const spokenTo = (message: object) => chat({ messages: [{ role: 'user', content: 'hi', ...message }] }).bounds(1);
    expect(spokenTo({ images: [PNG] }).inputTokens).toBe(spokenTo({}).inputTokens + 6_000);
    expect(spokenTo({}).other).toEqual({});
  });

  it('tells what to count when no provider does', () => {
    const { texts, overhead } = generate({ system: 's', context: [1, 2, 3] }).promptToCount();
    expect([...texts].sort()).toEqual(['hi', 's']);
    expect(overhead).toBe(generate().promptToCount().overhead + 3);
  });

  it('goes to an Ollama server as it is', async () => {
    const call = ollamaGenerateCall(
      bytes({ model: 'llama3', prompt: 'hi', raw: true, options: { num_predict: 9_999 } }),
      MAX_DEPTH,
      noProtocol,
      () => 7,
    );
    const { request } = await call.passage(channel(), CONTEXT);
    expect(request.path).toBe('/api/generate');
    expect(JSON.parse(request.body?.toString() ?? '')).toEqual({
      model: 'llama3',
      prompt: 'hi',
      raw: true,
      options: { num_predict: 4_096 },
      stream: false,
    });
  });

  it('crosses to every other protocol, and is answered as Ollama does', async () => {
    const passage = await chat({ stream: true }).passage(channel('claude', 'vendor/m'), CONTEXT);
    expect(JSON.parse(passage.request.body?.toString() ?? '')).toMatchObject({
      model: 'vendor/m',
      options: { num_predict: 4_096 },
    });
    const answer = passage.read(NDJSON);
    const upstream = (message: object, more: object) => ({
      model: 'vendor/m',
      message: { content: '', ...message },
      ...more,
    });
    const head = { model: 'llama3', created_at: CREATED_AT };
    expect(
      linesOf(fed(answer, [ndjson(upstream({ content: 'Hi' }, {}), upstream({}, { done: true, eval_count: 1 }))])),
    ).toEqual([{ ...head, message: { role: 'assistant', content: 'Hi' }, done: false }]);
    expect([answer.done, answer.contentType]).toEqual([true, 'application/x-ndjson']);
    expect(answer.reported).toEqual({ input: null, output: { outputText: 1 } });
    expect(linesOf(answer.ending(BILLED).toString())).toMatchObject([
      { ...head, done: true, done_reason: 'stop', total_duration: 7, prompt_eval_count: 9, eval_count: 4 },
    ]);
  });

  it('crosses with a single prompt', async () => {
    const passage = await generate({ system: 's' }).passage(channel('openai', 'vendor/m'), CONTEXT);
    const answer = passage.read(JSON_TYPE);
    expect(fed(answer, [bytes({ message: { content: 'Hi' }, done: true })])).toBe('');
    expect(answer.contentType).toBe('application/json; charset=utf-8');
    expect(JSON.parse(answer.ending(BILLED).toString())).toMatchObject({ model: 'llama3', response: 'Hi', done: true });
  });

  it('does not cross with what only an Ollama server can do', () => {
    expect(() => generate({ raw: true }).passage(channel('openai'), CONTEXT)).toThrow(ApiError);
  });
});

describe('The face of an Ollama client', () => {
  it('is newline-delimited JSON, which has no comments', () => {
    const { dialect, streamType, keepAlive } = OLLAMA_FACE;
    expect([dialect, streamType, keepAlive]).toEqual(['ollama', 'application/x-ndjson', null]);
    expect(OLLAMA_FACE.errorEvent('{"error":"x","code":"AI_SERVICE_ERROR"}')).toBe(
      '{"error":"x","code":"AI_SERVICE_ERROR"}\n',
    );
  });
});

describe('The list of models', () => {
  it('has the shape of /api/tags', () => {
    expect(ollamaTags([])).toEqual({ models: [] });
    expect(ollamaTags(['llama3'])).toEqual({
      models: [
        {
          name: 'llama3',
          model: 'llama3',
          modified_at: '1970-01-01T00:00:00Z',
          size: 0,
          digest: '',
          details: {
            parent_model: '',
            format: '',
            family: '',
            families: [],
            parameter_size: '',
            quantization_level: '',
          },
        },
      ],
    });
  });
});
