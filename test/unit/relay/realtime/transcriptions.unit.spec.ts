import { describe, expect, it } from 'vitest';
import type { UsageVector } from '../../../../events/meters.ts';
import type { Admitted } from '../../../../services/relay/admission.ts';
import { AUDIO_TOKEN_MS } from '../../../../services/relay/realtime/audio.ts';
import { lookAt } from '../../../../services/relay/realtime/frameLook.ts';
import { OpenCall } from '../../../../services/relay/realtime/openCall.ts';
import { SpokenAudio } from '../../../../services/relay/realtime/spokenAudio.ts';
import { statedTranscription, wantedTranscription } from '../../../../services/relay/realtime/transcriptionModel.ts';
import { measureTranscription } from '../../../../services/relay/realtime/transcriptionUsage.ts';
import { wordEstimator } from '../chatFixtures.ts';

const BY_SECOND = { uncachedInput: 0, outputText: 0, seconds: 100_000_000 };
const BY_TOKEN = { uncachedInput: 2_500_000, audioInput: 6_000_000, outputText: 10_000_000 };

function measure(stated: UsageVector | null, meters: Readonly<Record<string, number>>, text = '', heardMs = 0) {
  const open = new OpenCall({ priced: { price: { meters } } } as unknown as Admitted, 0);
  open.heardMs = heardMs;
  open.meter.addText(text);
  return measureTranscription(stated, open, wordEstimator, AUDIO_TOKEN_MS);
}

describe('The usage of a transcription', () => {
  it('is what was stated in what its model is sold by', async () => {
    expect(await measure({ seconds: 4 }, BY_SECOND, 'x')).toEqual({ usage: { seconds: 4 }, source: 'reported' });
    const tokens = { audioInput: 40, outputText: 3 };
    expect(await measure(tokens, BY_TOKEN, 'x')).toEqual({ usage: tokens, source: 'reported' });
  });

  it('is estimated from the audio and the text where nothing is stated', async () => {
    expect(await measure(null, BY_SECOND, 'three words here', 2_001)).toEqual({
      usage: { seconds: 3 },
      source: 'estimated',
    });
    expect(await measure(null, BY_TOKEN, 'three words here', 2_001)).toEqual({
      usage: { audioInput: 21, outputText: 3 },
      source: 'estimated',
    });
  });

  it('is converted where it is stated in what its model is not sold by', async () => {
    expect(await measure({ seconds: 4 }, BY_TOKEN, 'two words')).toEqual({
      usage: { audioInput: 40, outputText: 2 },
      source: 'mixed',
    });
    expect(await measure({ audioInput: 40 }, BY_SECOND, 'x', 4_000)).toEqual({
      usage: { seconds: 4 },
      source: 'estimated',
    });
  });

  it('is nothing where that is stated only when nothing was said', async () => {
    expect(await measure({}, BY_SECOND, '', 4_000)).toEqual({ usage: {}, source: 'reported' });
    expect(await measure({}, BY_SECOND, 'x', 4_000)).toEqual({ usage: { seconds: 4 }, source: 'estimated' });
  });
});

describe('What a user says', () => {
  const second = { type: 'input_audio_buffer.append', audio: Buffer.alloc(48_000).toString('base64') };
  const say = (spoken: SpokenAudio, ...events: readonly object[]) => {
    for (const event of events) spoken.add(lookAt(JSON.stringify(event)));
  };

  it('is as long as what was appended since the last part, and was not cleared', () => {
    const spoken = new SpokenAudio();
    say(spoken, second, { type: 'input_audio_buffer.clear' }, second, second, { type: 'response.create' });
    expect(spoken.commit(48_000)).toBe(2_000);
    say(spoken, second);
    expect(spoken.commit(8_000)).toBe(6_000);
    expect(spoken.commit(48_000)).toBe(0);
  });

  it('is as long as the speech that was heard in it, without the silence around', () => {
    const spoken = new SpokenAudio();
    say(spoken, second, second);
    spoken.heard({ audio_start_ms: 1_200 });
    spoken.heard({ audio_end_ms: 1_700 });
    expect(spoken.commit(48_000)).toBe(500);
    say(spoken, second);
    spoken.heard({ audio_start_ms: 'x', audio_end_ms: -1 });
    expect(spoken.commit(48_000)).toBe(1_000);
  });
});

describe('The model that transcribes', () => {
  const ga = (transcription: unknown) => ({ audio: { input: { transcription } } });

  it('is wanted in the words of either version, or not at all', () => {
    expect(wantedTranscription(ga({ model: 'm' }))).toBe('m');
    expect(wantedTranscription({ input_audio_transcription: { model: 'm' } })).toBe('m');
    expect(wantedTranscription({ ...ga({ model: 'm' }), input_audio_transcription: { model: 'm' } })).toBe('m');
    expect(wantedTranscription(ga(null))).toBeNull();
    for (const silent of [{}, { audio: 7 }, { audio: { input: [] } }, ga(undefined)]) {
      expect(wantedTranscription(silent)).toBeUndefined();
    }
  });

  it.each([
    ga({}),
    ga({ model: '' }),
    ga('m'),
    { ...ga({ model: 'm' }), input_audio_transcription: null },
    { ...ga({ model: 'm' }), input_audio_transcription: { model: 'n' } },
  ])('is not clear from %j', (session) => {
    expect(() => wantedTranscription(session)).toThrow('session.audio.input.transcription.model');
  });

  it('is stated by an upstream, which may be silent', () => {
    expect(statedTranscription(ga({ model: 'm' }))).toBe('m');
    expect(statedTranscription({ input_audio_transcription: null })).toBeNull();
    for (const unnamed of [ga({}), ga({ model: 4 }), ga('m')]) expect(statedTranscription(unnamed)).toBe('');
    for (const silent of [{}, { audio: { input: {} } }]) expect(statedTranscription(silent)).toBeUndefined();
  });
});
