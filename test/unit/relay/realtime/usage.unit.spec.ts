import { describe, expect, it } from 'vitest';
import {
  readResponseUsage,
  readTranscriptionUsage,
  tokensOf,
} from '../../../../services/relay/realtime/reportedUsage.ts';
import { audioRatesOf, audioTokens, bytesIn, USUAL_RATES } from '../../../../services/relay/realtime/audio.ts';

describe('The usage of a response', () => {
  it('is divided into text, audio, image and what was cached of each', () => {
    const usage = {
      total_tokens: 1_500,
      input_tokens: 1_000,
      output_tokens: 500,
      input_token_details: {
        text_tokens: 300,
        audio_tokens: 600,
        image_tokens: 100,
        cached_tokens: 450,
        cached_tokens_details: { text_tokens: 200, audio_tokens: 220, image_tokens: 30 },
      },
      output_token_details: { text_tokens: 120, audio_tokens: 380 },
    };
    const read = readResponseUsage(usage);
    expect(read).toEqual({
      input: { uncachedInput: 100, cacheRead: 450, audioInput: 380, imageInput: 70 },
      output: { outputText: 120, audioOutput: 380 },
    });
    expect(tokensOf(read)).toBe(1_500);
  });

  it('is text where it has no details', () => {
    expect(readResponseUsage({ input_tokens: 10, output_tokens: 5 })).toEqual({
      input: { uncachedInput: 10 },
      output: { outputText: 5 },
    });
  });

  it('takes what is cached from text first where its kinds are not stated', () => {
    const details = { text_tokens: 40, audio_tokens: 60, cached_tokens: 50 };
    expect(readResponseUsage({ input_tokens: 100, output_tokens: 0, input_token_details: details })).toEqual({
      input: { cacheRead: 50, audioInput: 50 },
      output: {},
    });
  });

  it('adds the kinds of what is cached where their sum is not stated', () => {
    const details = { cached_tokens_details: { text_tokens: 3, audio_tokens: 4 }, audio_tokens: 5 };
    expect(readResponseUsage({ input_tokens: 10, output_tokens: 1, input_token_details: details }).input).toEqual({
      uncachedInput: 2,
      cacheRead: 7,
      audioInput: 1,
    });
  });

  it('knows reasoning tokens', () => {
    const details = { text_tokens: 2, audio_tokens: 3, reasoning_tokens: 5 };
    expect(readResponseUsage({ output_tokens: 10, output_token_details: details })).toEqual({
      input: null,
      output: { outputText: 2, reasoning: 5, audioOutput: 3 },
    });
  });

  it('never counts more in its parts than in the whole', () => {
    const details = { audio_tokens: 900, cached_tokens: 60, cached_tokens_details: { audio_tokens: 10 } };
    expect(readResponseUsage({ input_tokens: 100, output_tokens: 1, input_token_details: details }).input).toEqual({
      cacheRead: 60,
      audioInput: 40,
    });
  });

  it.each([undefined, null, 'usage', [], { input_tokens: -1, output_tokens: 1.5 }, { input_tokens: '7' }])(
    'is not reported by %j',
    (usage) => {
      expect(readResponseUsage(usage)).toEqual({ input: null, output: null });
    },
  );

  it('survives details of a wrong type', () => {
    const usage = { input_tokens: 3, output_tokens: 4, input_token_details: 'x', output_token_details: [1] };
    expect(readResponseUsage(usage)).toEqual({ input: { uncachedInput: 3 }, output: { outputText: 4 } });
  });
});

describe('The usage of a transcription', () => {
  it('counts tokens on the meters of either side', () => {
    const details = { audio_tokens: 20, text_tokens: 2 };
    const usage = { type: 'tokens', input_tokens: 22, output_tokens: 6, input_token_details: details };
    expect(readTranscriptionUsage(usage)).toEqual({ uncachedInput: 2, audioInput: 20, outputText: 6 });
  });

  it('counts whole seconds, rounded up', () => {
    expect(readTranscriptionUsage({ type: 'duration', seconds: 3.2 })).toEqual({ seconds: 4 });
  });

  it.each([undefined, {}, { type: 'duration', seconds: -1 }, { type: 'duration' }])('is unknown for %j', (usage) => {
    expect(readTranscriptionUsage(usage)).toBeNull();
  });
});

describe('Audio', () => {
  it('is a token per 100 ms heard and per 50 ms said', () => {
    const second = bytesIn(Buffer.alloc(48_000).toString('base64'));
    expect(audioTokens(second, USUAL_RATES.input, 100)).toBe(10);
    expect(audioTokens(second, USUAL_RATES.output, 50)).toBe(20);
    expect(audioTokens(0, 48_000, 100)).toBe(0);
    expect(audioTokens(3, 48_000, 100)).toBe(1);
  });

  it('has the rate that the session states, in the words of either version', () => {
    const current = { audio: { input: { format: { type: 'audio/pcmu' } }, output: { format: { type: 'audio/pcm' } } } };
    expect(audioRatesOf(current, USUAL_RATES)).toEqual({ input: 8_000, output: 48_000 });
    const beta = { input_audio_format: 'pcm16', output_audio_format: 'g711_alaw' };
    expect(audioRatesOf(beta, { input: 1, output: 1 })).toEqual({ input: 48_000, output: 8_000 });
  });

  it('keeps its rate where the session is silent or says something unknown', () => {
    const before = { input: 8_000, output: 8_000 };
    expect(audioRatesOf({}, before)).toEqual(before);
    expect(audioRatesOf({ audio: 7, output_audio_format: 'opus' }, before)).toEqual(before);
  });
});
