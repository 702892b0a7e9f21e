import { describe, expect, it } from 'vitest';
import {
  transcriptionCall,
  transcriptions,
  translations,
} from '../../../../services/relay/operations/audio/transcriptionCall.ts';
import {
  billed,
  bodyOf,
  COST,
  endingJson,
  eventsIn,
  everyCut,
  FORM_TYPE,
  formOf,
  JSON_HEAD,
  measured,
  namedEvents,
  passageOf,
  readAnswer,
  readPieces,
  refusal,
  sentForm,
  SSE_HEAD,
  wavOf,
  type Fields,
} from './fixtures.ts';

const FILE = ['file', { fileName: 'my speech.wav', bytes: wavOf(20_000) }] as const;
const TEXT_HEAD = { 'content-type': 'text/plain' };

const called = (model: string, ...more: Fields) =>
  transcriptionCall(formOf(['model', model], FILE, ...more), FORM_TYPE, 'transcriptions');
const whisper = (...more: Fields) => called('whisper-1', ...more);
const sold = (...more: Fields) => called('gpt-4o-transcribe', ...more);
const WHISPER = { upstreamModel: 'whisper-large-v3' };

const VERBOSE = {
  task: 'transcribe',
  text: 'one two',
  duration: 2.41,
  segments: [{ id: 0, start: 0, end: 2.4, text: ' one two' }],
};

describe('a transcript of seconds', () => {
  it('goes up as a form with the name of the channel and a safe file name', async () => {
    const passage = await passageOf(whisper(['language', 'en'], ['stream', 'false']));
    expect(passage.request.path).toBe('/audio/transcriptions');
    const [model, file, language, ...more] = sentForm(passage);
    expect([model, language, more]).toEqual(['name="model"||model-up', 'name="language"||en', []]);
    expect(file).toMatch(/^name="file"; filename="my_speech\.wav"\|Content-Type: audio\/wav\|\|RIFF/);
  });

  it.each([
    ['its usage', { text: 'x', duration: 7, usage: { type: 'duration', seconds: 3 } }, 3],
    ['its duration', { text: 'x', duration: 3.2 }, 4],
    ['the file', { text: 'x' }, 3],
    ['the file for a negative one', { text: 'x', duration: -1, usage: { seconds: -2 } }, 3],
    ['the file for a text', { text: 'x', usage: 'duration' }, 3],
  ])('counts them by %s', async (_where, answer, seconds) => {
    const reading = readAnswer(await passageOf(whisper()), answer);
    expect(await measured(whisper(), reading)).toEqual({ seconds });
    expect(endingJson(reading, { seconds })).toEqual({ ...answer, usage: { type: 'duration', seconds, ...COST } });
  });

  it.each(['{"error":{"message":"no"}}', '{"task":"transcribe"}', '{"text":null}', '<html>', ''])(
    'is none when it is %j',
    async (text) => {
      const reading = readAnswer(await passageOf(whisper()), text);
      expect([reading.done, reading.failure]).toEqual([false, text]);
    },
  );
});

describe('a transcript of tokens', () => {
  const usage = {
    type: 'tokens',
    input_tokens: 14,
    output_tokens: 5,
    total_tokens: 19,
    input_token_details: { text_tokens: 4, audio_tokens: 10 },
  };

  it('counts them, and the seconds of the file too', async () => {
    const reading = readAnswer(await passageOf(sold()), { text: 'one two', usage });
    const used = { uncachedInput: 4, audioInput: 10, outputText: 5, seconds: 3 };
    expect(await measured(sold(), reading)).toEqual(used);
    expect(endingJson(reading, used)).toEqual({ text: 'one two', usage: { ...usage, ...COST } });
  });

  it('estimates them where they are not reported', async () => {
    const reading = readAnswer(await passageOf(sold(['prompt', 'a b c'])), { text: 'one two' });
    expect(await measured(sold(['prompt', 'a b c']), reading)).toEqual({
      uncachedInput: 33,
      outputText: 2,
      seconds: 3,
    });
  });

  const delta = (text: string) => ({ type: 'transcript.text.delta', delta: text });
  const done = { type: 'transcript.text.done', text: '一二', usage };

  it('is streamed, its last event held back', async () => {
    const call = sold(['stream', 'true']);
    const passage = await passageOf(call);
    expect(call.streamed).toBe(true);
    expect(passage.request.headers['accept']).toBe('text/event-stream');
    expect(sentForm(passage)).toContain('name="stream"||true');
    for (const pieces of everyCut(namedEvents(delta('一'), delta('二'), done))) {
      const { reading, forwarded } = readPieces(passage, SSE_HEAD, pieces);
      expect(eventsIn(forwarded.toString())).toEqual([delta('一'), delta('二')]);
      expect(reading.reported).toEqual({
        input: { uncachedInput: 4, audioInput: 10 },
        output: { outputText: 5 },
        other: { seconds: 3 },
      });
      expect(eventsIn(String(reading.ending(billed({ uncachedInput: 14, outputText: 5 }))))).toEqual([
        { ...done, usage: { ...usage, ...COST } },
      ]);
    }
  });

  it('that was cut is billed by what arrived', async () => {
    const call = sold(['stream', 'true']);
    const { reading } = readPieces(await passageOf(call), SSE_HEAD, [namedEvents(delta('one '), delta('two'))]);
    expect(reading.done).toBe(false);
    expect(await measured(call, reading)).toEqual({ uncachedInput: 30, outputText: 2, seconds: 3 });
  });

  it('costs nothing before anything has arrived', async () => {
    const reading = (await passageOf(sold(['stream', 'true']))).read(SSE_HEAD);
    expect([reading.received.isEmpty, reading.reported.other]).toEqual([true, {}]);
  });

  it('is made into events where the provider streams nothing', async () => {
    const { reading, forwarded } = readPieces(await passageOf(whisper(['stream', 'true'])), JSON_HEAD, [
      bodyOf({ text: 'x' }),
    ]);
    expect([forwarded.length, reading.contentType]).toEqual([0, 'text/event-stream; charset=utf-8']);
    expect(eventsIn(String(reading.ending(billed({ seconds: 3 }))))).toEqual([
      delta('x'),
      { type: 'transcript.text.done', text: 'x', usage: { type: 'duration', seconds: 3, ...COST } },
    ]);
  });

  it('fails on an error in its stream', async () => {
    const error = Buffer.from('data: {"type":"error","error":{"message":"no"}}\n\n');
    const { reading } = readPieces(await passageOf(sold(['stream', 'true'])), SSE_HEAD, [error]);
    expect(reading.failure).toBe('{"error":{"message":"no"}}');
  });
});

describe('a transcript in a format of text', () => {
  it.each([
    ['text', 'one two\n', 'text/plain; charset=utf-8'],
    ['srt', '1\n00:00:00,000 --> 00:00:02,400\none two\n\n', 'text/plain; charset=utf-8'],
    ['vtt', 'WEBVTT\n\n00:00:00.000 --> 00:00:02.400\none two\n\n', 'text/vtt; charset=utf-8'],
  ])('is written by us as %s where Whisper would not say its length', async (format, text, type) => {
    const call = whisper(['response_format', format], ['timestamp_granularities[]', 'word'], ['stream', 'true']);
    const passage = await passageOf(call, WHISPER);
    const fields = sentForm(passage).filter((field) => !field.startsWith('name="file"'));
    expect(fields).toEqual(['name="response_format"||verbose_json', 'name="model"||whisper-large-v3']);
    expect(call.streamed).toBe(false);
    const reading = readAnswer(passage, VERBOSE);
    expect([reading.contentType, String(reading.ending(billed({ seconds: 3 })))]).toEqual([type, text]);
    expect(await measured(call, reading)).toEqual({ seconds: 3 });
  });

  it('is passed through where another model writes it, and counted by the file', async () => {
    const call = called('scribe', ['response_format', 'srt']);
    const passage = await passageOf(call);
    expect(sentForm(passage)).toContain('name="response_format"||srt');
    const { reading } = readPieces(passage, TEXT_HEAD, [Buffer.from('1\n00:00 --> 00:01\n你好\n\n')]);
    expect(String(reading.ending(billed({})))).toBe('1\n00:00 --> 00:01\n你好\n');
    expect(await measured(call, reading)).toEqual({ seconds: 3 });
  });

  it('is whole though silent', async () => {
    const { reading } = readPieces(await passageOf(called('scribe', ['response_format', 'text'])), TEXT_HEAD, []);
    expect([reading.done, String(reading.ending(billed({})))]).toEqual([true, '\n']);
    const silent = readAnswer(await passageOf(whisper(['response_format', 'srt']), WHISPER), {
      text: '',
      segments: [],
    });
    expect([silent.done, silent.ending(billed({}))]).toEqual([true, '']);
  });

  it.each(['{"error":{"message":"no"}}', '<!DOCTYPE html><html>', '<html>'])('is none when it is %j', async (text) => {
    const call = called('scribe', ['response_format', 'text']);
    expect(readAnswer(await passageOf(call), text, TEXT_HEAD).failure).toBe(text);
    expect(readAnswer(await passageOf(whisper(['response_format', 'text']), WHISPER), text).failure).toBe(text);
  });

  it('is none without the segments that it needs', async () => {
    const reading = readAnswer(await passageOf(whisper(['response_format', 'vtt']), WHISPER), {
      text: 'x',
      duration: 1,
    });
    expect(reading.done).toBe(false);
  });
});

describe('what a call for a transcript may ask', () => {
  it('holds all seconds that the file can have, and their tokens', () => {
    expect(whisper().bounds(4_096)).toEqual({ inputTokens: 0, outputTokens: 0, other: { seconds: 3 } });
    expect(sold(['prompt', 'abc']).bounds(4_096)).toEqual({
      inputTokens: 256 + 3 + 3 * 50,
      outputTokens: 256 + 3 * 25,
      other: { seconds: 3 },
    });
    // No member of the request carries a limit, so that of the price book bounds nothing.
    expect(sold().bounds(16).outputTokens).toBe(256 + 3 * 25);
    const mp3 = formOf(['model', 'whisper-1'], ['file', { fileName: 'a.mp3', bytes: Buffer.alloc(7_500) }]);
    expect(transcriptionCall(mp3, FORM_TYPE, 'transcriptions').bounds(1).other).toEqual({ seconds: 10 });
  });

  it.each([
    ['file', formOf(['model', 'm'])],
    ['file', formOf(['model', 'm'], ['file', 'text'])],
    ['file', formOf(['model', 'm'], FILE, FILE)],
    ['file', formOf(['model', 'm'], ['file', { fileName: 'a.wav', bytes: '' }])],
    ['model', formOf(FILE)],
    ['model', formOf(['model', 'm'], ['model', 'n'], FILE)],
    ['response_format', formOf(['model', 'm'], FILE, ['response_format', 'xml'])],
    ['stream', formOf(['model', 'm'], FILE, ['stream', 'maybe'])],
    ['prompt', formOf(['model', 'm'], FILE, ['prompt', 'x'.repeat(32_769)])],
  ])('refuses a wrong %s', async (param, raw) => {
    expect(await refusal(() => transcriptionCall(raw, FORM_TYPE, 'transcriptions'))).toMatchObject({
      code: 'invalid_request',
      param,
    });
  });

  it('goes to no channel of another dialect', async () => {
    expect((await refusal(() => passageOf(sold(), { protocol: 'gemini' }))).code).toBe('unsupported_parameter');
  });
});

describe('translations', () => {
  it('are not streamed, and go to their own path', async () => {
    const raw = formOf(['model', 'whisper-1'], FILE, ['stream', 'true']);
    const call = transcriptionCall(raw, FORM_TYPE, 'translations');
    expect([call.route, call.streamed]).toEqual(['/v1/audio/translations', false]);
    const passage = await passageOf(call);
    expect(passage.request.path).toBe('/audio/translations');
    expect(sentForm(passage)).not.toContain('name="stream"||true');
  });

  it('and transcriptions are forms of at most 26 MiB', async () => {
    const incoming = { requestId: 'r', headers: { 'content-type': FORM_TYPE }, rest: '', query: new URLSearchParams() };
    for (const [operation, path] of [
      [transcriptions(), '/v1/audio/transcriptions'],
      [translations(), '/v1/audio/translations'],
    ] as const) {
      expect([operation.path, operation.bodyType, operation.maxBodyBytes]).toEqual([path, 'multipart', 27_262_976]);
      expect(await operation.read(whisper().raw, incoming, {} as never)).toMatchObject({ route: path });
    }
  });
});
