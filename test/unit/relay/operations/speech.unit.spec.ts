import { describe, expect, it } from 'vitest';
import { speech, speechCall } from '../../../../services/relay/operations/audio/speechCall.ts';
import {
  billed,
  bodyOf,
  COST,
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
  spoken,
} from './fixtures.ts';

const MP3_HEAD = { 'content-type': 'audio/mpeg' };
const SOUND = Buffer.from([0xff, 0xfb, 0x90, 0x00, 1, 2, 3, 4, 0x0d, 0x0a, 0xff]);

/** 7 characters, though UTF-16 counts 8. */
const call = (change: object = {}) =>
  speechCall(bodyOf({ model: 'tts-1', input: 'say 你好🙂', voice: 'alloy', ...change }), MAX_DEPTH);
const sold = (change: object = {}) => call({ model: 'gpt-4o-mini-tts', input: 'say it', ...change });
const GPT = { upstreamModel: 'gpt-4o-mini-tts' };

const delta = (bytes: Buffer) => ({ type: 'speech.audio.delta', audio: bytes.toString('base64') });
const USAGE = { input_tokens: 4, output_tokens: 30, total_tokens: 34 };
const DONE = { type: 'speech.audio.done', usage: USAGE };

describe('speech as bytes', () => {
  it('is asked for with the name of the channel and forwarded but for its last piece', async () => {
    const passage = await passageOf(call());
    expect(passage.request.path).toBe('/audio/speech');
    expect(sentJson(passage)).toEqual({ model: 'model-up', input: 'say 你好🙂', voice: 'alloy' });
    for (const pieces of everyCut(SOUND)) {
      const { reading, forwarded } = readPieces(passage, MP3_HEAD, pieces);
      const last = Buffer.from(reading.ending(billed({ characters: 7 })));
      expect(last.length).toBeGreaterThan(0);
      expect(Buffer.concat([forwarded, last])).toEqual(SOUND);
      expect([reading.done, reading.contentType]).toEqual([true, 'audio/mpeg']);
      expect(await measured(call(), reading)).toEqual({ characters: 7 });
    }
  });

  it('holds its first piece back, so that fail-over stays possible', async () => {
    const reading = (await passageOf(call())).read(MP3_HEAD);
    expect(reading.feed(SOUND).length).toBe(0);
    expect(reading.feed(Buffer.from('next'))).toEqual(SOUND);
    expect(reading.done).toBe(false);
  });

  it('bills the characters of an answer that was cut, and none of one that never came', async () => {
    const reading = (await passageOf(call())).read(MP3_HEAD);
    expect([reading.received.isEmpty, reading.reported.other]).toEqual([true, {}]);
    reading.feed(SOUND);
    expect([reading.received.isEmpty, await measured(call(), reading)]).toEqual([false, { characters: 7 }]);
  });

  it.each([
    ['json', { 'content-type': 'application/json' }, '{"error":{"message":"no"}}'],
    ['html', { 'content-type': 'text/html' }, '<html>'],
    ['an empty body', MP3_HEAD, ''],
  ])('is none when it is %s', async (_what, headers, text) => {
    const reading = readAnswer(await passageOf(call()), text, headers);
    expect([reading.done, reading.failure]).toEqual([false, text || '{"error":{"message":"the answer was empty"}}']);
  });

  it.each([
    [{}, {}, 'audio/mpeg'],
    [{ response_format: 'wav' }, { 'content-type': 'application/octet-stream' }, 'application/octet-stream'],
    [{ response_format: 'pcm' }, {}, 'audio/pcm'],
    [{ response_format: 'new' }, {}, 'application/octet-stream'],
    [{ response_format: 'opus' }, { 'content-type': 'image/svg+xml' }, 'audio/opus'],
  ])('has a content type for %j and %j', async (change, headers, type) => {
    expect((await passageOf(call(change))).read(headers).contentType).toBe(type);
  });

  it('comes from events where only these state tokens', async () => {
    const passage = await passageOf(sold(), GPT);
    expect(sentJson(passage)).toMatchObject({ stream_format: 'sse' });
    const bytes = namedEvents(delta(SOUND), delta(SOUND), DONE);
    for (const pieces of everyCut(bytes)) {
      const { reading, forwarded } = readPieces(passage, SSE_HEAD, pieces);
      const last = Buffer.from(reading.ending(billed({})));
      expect(Buffer.concat([forwarded, last])).toEqual(Buffer.concat([SOUND, SOUND]));
      expect([reading.done, reading.contentType]).toEqual([true, 'audio/mpeg']);
      expect(await measured(sold(), reading)).toEqual({ uncachedInput: 4, audioOutput: 30, characters: 6 });
    }
  });

  it('is not asked for as events where the channel refuses these', async () => {
    const passage = await passageOf(sold(), { ...GPT, quirks: { stripsParams: ['stream_format'] } });
    expect(sentJson(passage)).not.toHaveProperty('stream_format');
    const { reading } = readPieces(passage, MP3_HEAD, [SOUND]);
    expect(await measured(sold(), reading)).toEqual({ uncachedInput: 2, outputText: 9, characters: 6 });
  });

  it('is cut when its events end without the last one', async () => {
    const { reading } = readPieces(await passageOf(sold(), GPT), SSE_HEAD, [namedEvents(delta(SOUND))]);
    expect([reading.done, reading.received.isEmpty]).toEqual([false, false]);
    expect(await measured(sold(), reading)).toEqual({ uncachedInput: 2, outputText: 9, characters: 6 });
  });

  it('fails on an error between its events, and on rubbish', async () => {
    const passage = await passageOf(sold(), GPT);
    const failed = readPieces(passage, SSE_HEAD, [
      Buffer.from('event: error\ndata: {"type":"error","error":{"code":"x"}}\n\n'),
    ]);
    expect(failed.reading.failure).toBe('{"error":{"code":"x"}}');
    expect(readPieces(passage, SSE_HEAD, [Buffer.from('data: ?\n\n')]).reading.failure).toBe('?');
  });

  it('takes odd events for nothing', async () => {
    const odd = namedEvents({ type: 'speech.audio.delta' }, { type: 'other' }, { ...DONE, usage: 7 });
    const { reading, forwarded } = readPieces(await passageOf(sold(), GPT), SSE_HEAD, [odd]);
    expect([forwarded.length, reading.done, reading.received.isEmpty]).toEqual([0, true, true]);
  });
});

describe('speech as events', () => {
  const asked = (change: object = {}) => sold({ stream_format: 'sse', ...change });

  it('is passed on, its last event with what was billed', async () => {
    const passage = await passageOf(asked());
    for (const pieces of everyCut(namedEvents(delta(SOUND), DONE))) {
      const { reading, forwarded } = readPieces(passage, SSE_HEAD, pieces);
      expect(eventsIn(forwarded.toString())).toEqual([delta(SOUND)]);
      expect(await measured(asked(), reading)).toEqual({ uncachedInput: 4, audioOutput: 30, characters: 6 });
      expect(eventsIn(String(reading.ending(billed({ uncachedInput: 4, audioOutput: 29 }))))).toEqual([
        { type: 'speech.audio.done', usage: { input_tokens: 4, output_tokens: 29, total_tokens: 33, ...COST } },
      ]);
    }
  });

  it('is made of bytes where the provider knows no events', async () => {
    const { reading, forwarded } = readPieces(await passageOf(asked()), MP3_HEAD, [SOUND, SOUND]);
    expect(reading.contentType).toBe('text/event-stream; charset=utf-8');
    expect(eventsIn(forwarded.toString())).toEqual([delta(SOUND)]);
    expect(eventsIn(String(reading.ending(billed({}))))).toEqual([
      delta(SOUND),
      { type: 'speech.audio.done', usage: { input_tokens: 0, output_tokens: 0, total_tokens: 0, ...COST } },
    ]);
  });
});

describe('what a call for speech may ask', () => {
  it('holds every character, and the tokens that these may become', () => {
    expect(call().bounds(100_000)).toEqual({ inputTokens: 0, outputTokens: 0, other: { characters: 7 } });
    expect(sold({ instructions: 'calm' }).bounds(100_000)).toEqual({
      inputTokens: 64 + 6 + 4,
      outputTokens: 256 + 6 * 32,
      other: { characters: 6 },
    });
    // No member of the request carries a limit, so that of the price book bounds nothing.
    expect(sold().bounds(100).outputTokens).toBe(256 + 6 * 32);
  });

  it.each([
    ['input', { input: '' }],
    ['input', { input: 'x'.repeat(32_769) }],
    ['input', { Input: 'x' }],
    ['stream_format', { stream_format: 'ws' }],
    ['model', { model: null }],
    ['instructions', { instructions: 'x'.repeat(32_769) }],
  ])('refuses a wrong %s', async (param, change) => {
    expect(await refusal(() => call(change))).toMatchObject({ code: 'invalid_request', param });
  });

  it('goes to no channel of another dialect', async () => {
    expect((await refusal(() => passageOf(call(), { protocol: 'gemini' }))).code).toBe('unsupported_parameter');
  });

  it('has no place in its bytes for comments and errors, and one in its events', async () => {
    const operation = speech({ maxDepth: MAX_DEPTH, spoken });
    const incoming = { requestId: 'r', headers: {}, rest: '', query: new URLSearchParams() };
    expect(operation.face(incoming)).toMatchObject({ streamType: null, keepAlive: null });
    expect(operation.face(incoming).errorEvent('{}')).toBeNull();
    const heard = async (change: object) => (await operation.read(sold(change).raw, incoming, {} as never)).face;
    expect((await heard({}))?.errorEvent('{}')).toBeNull();
    expect((await heard({ stream_format: 'sse' }))?.errorEvent('{}')).toBe('data: {}\n\n');
  });
});
