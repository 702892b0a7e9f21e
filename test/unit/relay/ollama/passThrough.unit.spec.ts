import { describe, expect, it } from 'vitest';
import type { AnswerReading } from '../../../../services/relay/call.ts';
import { nativePassage } from '../../../../services/relay/dialects/ollama/passThrough.ts';
import { parseOllamaChat, parseOllamaGenerate } from '../../../../services/relay/dialects/ollama/request.ts';
import {
  BILLED,
  bytes,
  channel,
  cuts,
  fed,
  JPEG,
  JSON_TYPE,
  linesOf,
  MAX_DEPTH,
  ndjson,
  NDJSON,
  PNG,
} from './ollamaFixtures.ts';

const HI = [{ role: 'user', content: 'hi' }];
const chat = (change: object | string = {}) =>
  parseOllamaChat(bytes(typeof change === 'string' ? change : { model: 'llama3', messages: HI, ...change }), MAX_DEPTH);
const generate = (change: object = {}) =>
  parseOllamaGenerate(bytes({ model: 'llama3', prompt: 'hi', ...change }), MAX_DEPTH);

function sent(
  request: ReturnType<typeof chat> | ReturnType<typeof generate>,
  upstreamModel = 'llama3',
  limit = 256,
): string {
  return nativePassage(request, channel('ollama', upstreamModel), limit).request.body?.toString() ?? '';
}

function reading(
  streamed: boolean,
  headers: Readonly<Record<string, string>> = NDJSON,
  upstreamModel = 'llama3',
): AnswerReading {
  return nativePassage(chat({ stream: streamed }), channel('ollama', upstreamModel), 256).read(headers);
}

describe('The body for an Ollama server', () => {
  it('goes to the endpoint that the client meant', () => {
    const { method, path, headers } = nativePassage(chat(), channel(), 9).request;
    expect({ method, path, headers }).toEqual({
      method: 'POST',
      path: '/api/chat',
      headers: { 'content-type': 'application/json', accept: 'application/json' },
    });
    expect(nativePassage(generate({ stream: true }), channel(), 9).request).toMatchObject({
      path: '/api/generate',
      headers: { accept: 'application/x-ndjson' },
    });
  });

  it('is the bytes of the client where nothing must change', () => {
    const raw =
      '{ "model":"llama3", "messages":[{"role":"user","content":"h\\u0069","extra":1.0}],"stream":true,"options":{"num_predict":256}}';
    expect(sent(chat(raw))).toBe(raw);
  });

  it('has the stated stream and limit behind the bytes of the client', () => {
    const raw = '{ "model":"llama3", "messages":[{"role":"user","content":"h\\u0069"}] } ';
    expect(sent(chat(raw))).toBe(`${raw.slice(0, -2)},"stream":false,"options":{"num_predict":256}}`);
    expect(sent(chat(`${raw.slice(0, -2)},"options":{"num_predict":256}}`))).toBe(
      `${raw.slice(0, -2)},"options":{"num_predict":256},"stream":false}`,
    );
  });

  it.each([
    [{ options: { num_predict: 9_999, num_ctx: 8_192 } }, { num_predict: 256, num_ctx: 8_192 }],
    [{ options: { num_predict: -1 } }, { num_predict: 256 }],
    [{ options: { num_ctx: 8_192 } }, { num_predict: 256, num_ctx: 8_192 }],
    [{ options: null }, { num_predict: 256 }],
  ])('never allows more than is held, for %j', (change, options) => {
    expect(JSON.parse(sent(chat(change)))).toEqual({ model: 'llama3', messages: HI, stream: false, options });
  });

  it('states the stream where the client says null', () => {
    expect(JSON.parse(sent(chat({ stream: null })))).toMatchObject({ stream: false });
  });

  it("names the provider's model and keeps every other member", () => {
    const more = { keep_alive: '5m', truncate: false, tools: [], think: 'low', format: 'json', logprobs: true };
    expect(JSON.parse(sent(chat(more), 'llama3:70b'))).toEqual({
      model: 'llama3:70b',
      messages: HI,
      ...more,
      stream: false,
      options: { num_predict: 256 },
    });
    const native = { raw: true, suffix: 'x', template: '{{ .Prompt }}', context: [1, 2], images: [PNG], system: 's' };
    expect(JSON.parse(sent(generate(native)))).toEqual({
      model: 'llama3',
      prompt: 'hi',
      ...native,
      stream: false,
      options: { num_predict: 256 },
    });
  });

  it('has images that stood beside the messages in the last one of a user', () => {
    expect(JSON.parse(sent(chat({ images: [JPEG] })))).toEqual({
      model: 'llama3',
      messages: [{ role: 'user', content: 'hi', images: [JPEG] }],
      stream: false,
      options: { num_predict: 256 },
    });
  });
});

const FIRST =
  '{"model":"llama3", "created_at":"2025-11-20T12:00:00.5Z","message":{"role":"assistant","content":"你"},"done":false}';
const SECOND =
  '{"model":"llama3","created_at":"2025-11-20T12:00:01Z","message":{"role":"assistant","content":"好","x":1.0},"done":false}';
const LAST = {
  model: 'llama3',
  created_at: '2025-11-20T12:00:02Z',
  message: { role: 'assistant', content: '' },
  done: true,
  done_reason: 'stop',
  total_duration: 5_191_566_416,
  prompt_eval_count: 26,
  eval_count: 298,
};
const STREAM = ndjson(FIRST, SECOND, LAST);
const SHOWN = { ...LAST, prompt_eval_count: 9, eval_count: 4 };

describe('A stream for a client that streams', () => {
  it('is forwarded as it came, its done line after settlement with what is billed, however it is cut', () => {
    for (const pieces of [[STREAM], ...cuts(STREAM)]) {
      const answer = reading(true);
      expect(fed(answer, pieces)).toBe(`${FIRST}\n${SECOND}\n`);
      expect(answer.done).toBe(true);
      expect(linesOf(answer.ending(BILLED).toString())).toEqual([SHOWN]);
    }
  });

  it('is the same with CRLF', () => {
    const crlf = Buffer.from(STREAM.toString().replaceAll('\n', '\r\n'));
    for (const pieces of [[crlf], ...cuts(crlf)]) expect(fed(reading(true), pieces)).toBe(`${FIRST}\n${SECOND}\n`);
  });

  it('has the done line as it came where its counts are billed', () => {
    const answer = reading(true);
    const last = '{ "model":"llama3","done":true,"prompt_eval_count":9,"eval_count":4,"x":1.0 }';
    fed(answer, [ndjson(FIRST, last)]);
    expect(answer.ending(BILLED)).toBe(`${last}\n`);
  });

  it('tells what was received and reported', () => {
    const answer = reading(true);
    expect([answer.contentType, answer.stopRequest, answer.received.isEmpty]).toEqual([
      'application/x-ndjson',
      null,
      true,
    ]);
    answer.feed(ndjson(FIRST, SECOND));
    expect([answer.done, answer.received.finished, answer.received.toCount().text]).toEqual([false, false, '你好']);
    answer.feed(ndjson(LAST));
    expect([answer.done, answer.failure, answer.received.finished]).toEqual([true, null, true]);
    expect(answer.reported).toEqual({ input: { uncachedInput: 26 }, output: { outputText: 298 } });
  });

  it('names the model as the client does, on every line', () => {
    const answer = reading(true, NDJSON, 'llama3:70b');
    const upstream = { ...LAST, model: 'llama3:70b' };
    const forwarded = fed(answer, [ndjson({ ...upstream, done: false }, FIRST, upstream)]);
    expect(linesOf(forwarded)).toEqual([{ ...LAST, done: false }, JSON.parse(FIRST)]);
    expect(forwarded.split('\n')[1]).toBe(FIRST);
    expect(linesOf(answer.ending(BILLED).toString())).toEqual([SHOWN]);
  });

  it('stops at an error, after what came before it', () => {
    const answer = reading(true);
    expect(answer.feed(ndjson(FIRST, { error: 'x' }, SECOND, LAST))).toBe(`${FIRST}\n`);
    expect([answer.failure, answer.done, answer.received.finished]).toEqual(['{"error":"x"}', false, false]);
    expect(answer.end()).toBe('');
  });

  it('stops at what is no JSON', () => {
    const answer = reading(true);
    expect(answer.feed(ndjson(FIRST, 'oops', SECOND))).toBe(`${FIRST}\n`);
    expect(answer.failure).toBe('{"error":"a line was not a JSON object"}');
  });

  it('that is cut is not done', () => {
    const answer = reading(true);
    expect(fed(answer, [ndjson(FIRST)])).toBe(`${FIRST}\n`);
    expect([answer.done, answer.failure, answer.received.finished]).toEqual([false, null, false]);
  });

  it('ignores what follows the done line', () => {
    const answer = reading(true);
    expect(fed(answer, [ndjson(FIRST, LAST, SECOND, { error: 'x' })])).toBe(`${FIRST}\n`);
    expect([answer.failure, linesOf(answer.ending(BILLED).toString())]).toEqual([null, [SHOWN]]);
  });

  it('counts and keeps the content of the done line', () => {
    const answer = reading(true);
    const last = { ...LAST, message: { role: 'assistant', content: '!' } };
    expect(fed(answer, [ndjson(last)])).toBe('');
    expect(answer.received.toCount().text).toBe('!');
    expect(linesOf(answer.ending(BILLED).toString())).toEqual([{ ...SHOWN, message: last.message }]);
  });

  it('may come whole, also printed on many lines', () => {
    const answer = reading(true, JSON_TYPE);
    expect(fed(answer, [Buffer.from(JSON.stringify(LAST, null, 2))])).toBe('');
    expect([answer.done, answer.contentType]).toEqual([true, 'application/x-ndjson']);
    expect(answer.ending({ ...BILLED, usage: { uncachedInput: 26, outputText: 298 } })).toBe(
      `${JSON.stringify(LAST)}\n`,
    );
  });

  it('may bear the content type of JSON', () => {
    const answer = reading(true, JSON_TYPE);
    expect(fed(answer, cuts(STREAM).at(-1) ?? [])).toBe(`${FIRST}\n${SECOND}\n`);
    expect(linesOf(answer.ending(BILLED).toString())).toEqual([SHOWN]);
  });
});

describe('An answer for a client that wants one object', () => {
  const ANSWER = { ...LAST, message: { role: 'assistant', content: '你好' } };

  it('is what came, with what is billed, however it is cut', () => {
    const whole = Buffer.from(JSON.stringify(ANSWER));
    for (const pieces of [[whole], ...cuts(whole)]) {
      const answer = reading(false, JSON_TYPE);
      expect(fed(answer, pieces)).toBe('');
      expect([answer.done, answer.failure, answer.contentType]).toEqual([
        true,
        null,
        'application/json; charset=utf-8',
      ]);
      expect(answer.received.toCount().text).toBe('你好');
      expect(answer.ending(BILLED)).toBe(JSON.stringify({ ...ANSWER, prompt_eval_count: 9, eval_count: 4 }));
    }
  });

  it('is named as the client does, and tells counts that were left out', () => {
    const answer = reading(false, JSON_TYPE, 'llama3:70b');
    const { prompt_eval_count: _missing, ...stated } = { ...ANSWER, model: 'llama3:70b' };
    fed(answer, [bytes(stated)]);
    expect(answer.reported).toEqual({ input: null, output: { outputText: 298 } });
    expect(JSON.parse(answer.ending(BILLED).toString())).toEqual({ ...ANSWER, prompt_eval_count: 9, eval_count: 4 });
  });

  it('may be streamed by the upstream, and is put together', () => {
    const call = { function: { name: 'now', arguments: {} } };
    const said = (message: object) => ({
      ...LAST,
      message: { role: 'assistant', content: '', ...message },
      done: false,
    });
    const answer = reading(false);
    expect(fed(answer, [ndjson(said({ thinking: 'hm' }), FIRST, SECOND, said({ tool_calls: [call] }), LAST)])).toBe('');
    expect(JSON.parse(answer.ending(BILLED).toString())).toEqual({
      ...SHOWN,
      message: { role: 'assistant', content: '你好', thinking: 'hm', tool_calls: [call] },
    });
  });

  it('of /generate may be streamed, and is put together', () => {
    const answer = nativePassage(generate(), channel(), 256).read(NDJSON);
    const end = { model: 'llama3', response: '!', done: true, done_reason: 'stop', context: [1, 2] };
    fed(answer, [ndjson({ response: '', thinking: 'hm' }, { response: '你' }, { response: '好' }, end)]);
    expect(answer.received.toCount().text).toBe('hm你好!');
    expect(JSON.parse(answer.ending(BILLED).toString())).toEqual({
      ...end,
      response: '你好!',
      thinking: 'hm',
      prompt_eval_count: 9,
      eval_count: 4,
    });
  });

  it.each(['{"error":"model not found"}', '<html>', ''])('that is none, %j, is a failure', (body) => {
    const answer = reading(false, JSON_TYPE);
    expect(fed(answer, [Buffer.from(body)])).toBe('');
    expect([answer.failure, answer.done, answer.ending(BILLED)]).toEqual([body, false, '']);
  });
});
