import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import { toFile } from 'openai';
import { describe, expect, it } from 'vitest';
import { silence } from '../../../infra/upstreams/simulated/wave.ts';
import { durationOf } from '../../../services/relay/operations/audio/duration.ts';
import { errorOf, eventsIn, formOf, post, simulatedClient } from './simulatedClient.ts';

const HELLO = 'Hello, good people of this town.';

describe('simulated speech', () => {
  it('is silence of a length by its characters, in pieces of a second', async () => {
    const { client } = await simulatedClient();
    const response = await client.audio.speech.create({ model: 'tts-1', voice: 'alloy', input: 'x'.repeat(42) });
    expect(response.headers.get('content-type')).toBe('audio/wav');
    expect(Buffer.from(await response.arrayBuffer())).toEqual(silence(3));
  });

  it.each([
    ['pcm', 1, 14, 1],
    ['mp3', 0.5, 14, 2],
    ['opus', 4, 56, 1],
    ['wav', 1, 20_000, 30],
  ] as const)(
    'is WAV also as %s, and keeps to its speed of %s',
    async (response_format, speed, characters, seconds) => {
      const { client } = await simulatedClient();
      const input = '字'.repeat(characters);
      const response = await client.audio.speech.create({
        model: 'tts-1',
        voice: 'alloy',
        input,
        response_format,
        speed,
      });
      expect(response.headers.get('content-type')).toBe('audio/wav');
      const sound = Buffer.from(await response.arrayBuffer());
      expect(durationOf(sound).seconds).toBe(seconds);
      expect(sound).toHaveLength(44 + seconds * 16_000);
    },
  );

  it('comes as events with usage when asked', async () => {
    const { simulated } = await simulatedClient();
    const body = { model: 'gpt-4o-mini-tts', input: HELLO, voice: { id: 'v' }, instructions: 'Softly' };
    const response = await post(simulated, '/audio/speech', { ...body, stream_format: 'sse' });
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    const events = eventsIn(await response.text());
    const seconds = HELLO.length / 14;
    const sound = events.slice(0, -1).map(({ data }) => Buffer.from(data['audio'] as string, 'base64'));
    expect(Buffer.concat(sound)).toEqual(silence(seconds));
    expect(new Set(events.slice(0, -1).map(({ name }) => name))).toEqual(new Set(['speech.audio.delta']));
    const input = countTokens(HELLO) + countTokens('Softly');
    const output = Math.ceil(seconds * 20);
    expect(events.at(-1)).toEqual({
      name: 'speech.audio.done',
      data: {
        type: 'speech.audio.done',
        usage: { input_tokens: input, output_tokens: output, total_tokens: input + output },
      },
    });
  });

  it('breaks when told to: bytes are cut, events announce it', async () => {
    const { simulated } = await simulatedClient();
    const body = { model: 'gpt-4o-mini-tts', input: `${HELLO} [[sim error_after=1]]`, voice: 'alloy' };
    const bytes = await post(simulated, '/audio/speech', body);
    await expect(bytes.arrayBuffer()).rejects.toThrow();
    const events = await (await post(simulated, '/audio/speech', { ...body, stream_format: 'sse' })).text();
    expect(events.match(/speech\.audio\.delta"/g)).toHaveLength(1);
    expect(events).toMatch(/data: \{"error":.*\}\n\n$/);
  });

  it('notices that the caller has left', async () => {
    const { simulated } = await simulatedClient();
    const abort = new AbortController();
    const input = `${HELLO} [[sim hang=mid]]`;
    const response = await post(simulated, '/audio/speech', { model: 'tts-1', input, voice: 'alloy' }, abort.signal);
    const reading = response.arrayBuffer();
    abort.abort();
    await expect(reading).rejects.toThrow('aborted');
    await expect.poll(() => simulated.stats).toEqual({ started: 1, open: 0, finished: 0, cut: 0, aborted: 1 });
  });

  it.each([
    [{ speed: 5 }, 'speed'],
    [{ response_format: 'midi' }, 'response_format'],
    [{ stream_format: 'sse' }, 'stream_format: sse is not supported by tts-1'],
    [{ input: '' }, 'input'],
    [{ voice: 7 }, 'voice: must be a name or an object with an id'],
  ])('is refused with %j', async (rest, expected) => {
    const { simulated } = await simulatedClient();
    const body = { model: 'tts-1', input: HELLO, voice: 'alloy', ...rest };
    expect(await errorOf(await post(simulated, '/audio/speech', body))).toMatchObject({
      status: 400,
      error: { message: expect.stringContaining(expected) as string, type: 'invalid_request_error' },
    });
  });
});

describe('simulated transcriptions', () => {
  const TEXT = 'This is a simulated transcript of 3 seconds.';
  const file = () => toFile(silence(2.5), 'a.wav', { type: 'audio/wav' });
  const duration = { type: 'duration', seconds: 3 };

  it('name the length of the recording, with usage by the second for whisper', async () => {
    const { client } = await simulatedClient();
    const answer = await client.audio.transcriptions.create({ model: 'whisper-1', file: await file() });
    expect(answer).toEqual({ text: TEXT, usage: duration });
  });

  it('take the length of what is no WAV from its size', async () => {
    const { client } = await simulatedClient();
    const sound = await toFile(Buffer.alloc(8_000, 1), 'a.mp3', { type: 'audio/mpeg' });
    const answer = await client.audio.transcriptions.create({ model: 'whisper-1', file: sound });
    expect(answer.text).toBe('This is a simulated transcript of 1 second.');
  });

  it('have usage by the token for the models after whisper', async () => {
    const { client } = await simulatedClient();
    const asked = { model: 'gpt-4o-transcribe', file: await file(), prompt: 'Names: Ada' };
    const read = countTokens('Names: Ada');
    const written = countTokens(TEXT);
    expect(await client.audio.transcriptions.create(asked)).toEqual({
      text: TEXT,
      usage: {
        type: 'tokens',
        input_tokens: read + 30,
        input_token_details: { text_tokens: read, audio_tokens: 30 },
        output_tokens: written,
        total_tokens: read + 30 + written,
      },
    });
  });

  it.each([
    ['text', `${TEXT}\n`],
    ['srt', `1\n00:00:00,000 --> 00:00:03,000\n${TEXT}\n\n`],
    ['vtt', `WEBVTT\n\n00:00:00.000 --> 00:00:03.000\n${TEXT}\n\n`],
  ] as const)('come as %s', async (response_format, expected) => {
    const { client, simulated } = await simulatedClient();
    const sound = await file();
    expect(await client.audio.transcriptions.create({ model: 'whisper-1', file: sound, response_format })).toBe(
      expected,
    );
    const form = formOf({ model: 'whisper-1', file: sound, response_format });
    const response = await post(simulated, '/audio/transcriptions', form);
    expect(response.headers.get('content-type')).toBe('text/plain; charset=utf-8');
  });

  it('come with their segments, and with words when asked', async () => {
    const { client } = await simulatedClient();
    const asked = { model: 'whisper-1', file: await file(), response_format: 'verbose_json' as const };
    const plain = await client.audio.transcriptions.create(asked);
    expect(plain).toEqual({
      task: 'transcribe',
      language: 'english',
      duration: 3,
      text: TEXT,
      segments: [
        {
          ...{ id: 0, seek: 0, start: 0, end: 3, text: ` ${TEXT}`, tokens: [], temperature: 0 },
          ...{ avg_logprob: 0, compression_ratio: 1, no_speech_prob: 0 },
        },
      ],
      usage: duration,
    });
    const timed = await client.audio.transcriptions.create({ ...asked, timestamp_granularities: ['segment', 'word'] });
    expect(timed.words?.map(({ word }) => word).join(' ')).toBe(TEXT);
    expect(timed.words?.[0]).toEqual({ word: 'This', start: 0, end: 0.38 });
    expect(timed.words?.at(-1)?.end).toBe(3);
  });

  it('come with their speakers', async () => {
    const { client } = await simulatedClient();
    const model = 'gpt-4o-transcribe-diarize';
    const asked = { model, file: await file(), response_format: 'diarized_json' as const };
    expect(await client.audio.transcriptions.create(asked)).toMatchObject({
      task: 'transcribe',
      duration: 3,
      text: TEXT,
      segments: [{ type: 'transcript.text.segment', id: 'seg_001', start: 0, end: 3, speaker: 'A', text: TEXT }],
      usage: { type: 'tokens' },
    });
  });

  it('are streamed word by word, but not by whisper', async () => {
    const { client, simulated } = await simulatedClient();
    const sound = await file();
    const stream = await client.audio.transcriptions.create({ model: 'gpt-4o-transcribe', file: sound, stream: true });
    const events = [];
    for await (const event of stream) events.push(event);
    const deltas = events.map((event) => (event.type === 'transcript.text.delta' ? event.delta : ''));
    expect(deltas.join('')).toBe(TEXT);
    expect(deltas).toHaveLength(9);
    expect(events.at(-1)).toMatchObject({ type: 'transcript.text.done', text: TEXT, usage: { type: 'tokens' } });

    const form = formOf({ model: 'whisper-1', file: sound, stream: 'true' });
    expect(await (await post(simulated, '/audio/transcriptions', form)).json()).toEqual({
      text: TEXT,
      usage: duration,
    });
  });

  it('take directives in their prompt', async () => {
    const { simulated } = await simulatedClient();
    const sound = await file();
    const ask = (prompt: string) =>
      post(simulated, '/audio/transcriptions', formOf({ model: 'whisper-1', file: sound, prompt }));
    expect((await ask('[[sim status=503]]')).status).toBe(503);
    expect(await (await ask('[[sim usage=none]]')).json()).toEqual({ text: TEXT });
    await expect((await ask('[[sim cut_after=1]]')).text()).rejects.toThrow();
  });

  it('are refused without a file, with an empty one, with two, or in an unknown format', async () => {
    const { simulated } = await simulatedClient();
    const ask = async (fields: Parameters<typeof formOf>[0]) =>
      errorOf(await post(simulated, '/audio/transcriptions', formOf({ model: 'whisper-1', ...fields })));
    const two = formOf({ model: 'whisper-1', file: await file() });
    two.append('file', await file());
    const refusal = (field: string) => ({
      status: 400,
      error: { message: expect.stringMatching(`^${field}`) as string, type: 'invalid_request_error' },
    });
    expect(await ask({})).toMatchObject(refusal('file'));
    expect(await ask({ file: new File([], 'a.wav') })).toMatchObject(refusal('file'));
    expect(await errorOf(await post(simulated, '/audio/transcriptions', two))).toMatchObject(refusal('file'));
    expect(await ask({ file: await file(), response_format: 'xml' })).toMatchObject(refusal('response_format'));
  });

  it('have translations beside them, which know no streams', async () => {
    const { simulated } = await simulatedClient();
    const text = 'This is a simulated translation of 3 seconds.';
    const sound = await file();
    const ask = async (fields: Readonly<Record<string, string>>) =>
      (await post(simulated, '/audio/translations', formOf({ ...fields, file: sound }))).json();
    expect(await ask({ model: 'whisper-1' })).toEqual({ text, usage: duration });
    expect(await ask({ model: 'whisper-1', response_format: 'verbose_json' })).toMatchObject({
      task: 'translate',
      duration: 3,
      text,
    });
    expect(await ask({ model: 'gpt-4o-transcribe', stream: 'true' })).toMatchObject({ text });
  });
});
