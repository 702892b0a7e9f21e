import { describe, expect, it } from 'vitest';
import { durationOf, secondsIn } from '../../../../services/relay/operations/audio/duration.ts';
import { renderTranscript } from '../../../../services/relay/operations/audio/subtitles.ts';
import { wavOf } from './fixtures.ts';

describe('the length of a recording', () => {
  it('is exact for plain WAV, in whole seconds upwards', () => {
    expect(durationOf(wavOf(16_000))).toEqual({ seconds: 2, atMost: 2 });
    expect(durationOf(wavOf(16_001))).toEqual({ seconds: 3, atMost: 3 });
    expect(durationOf(wavOf(10))).toEqual({ seconds: 1, atMost: 1 });
    expect(durationOf(wavOf(16_000, { rate: 16_000, tag: 3 }))).toEqual({ seconds: 1, atMost: 1 });
  });

  it('is held by all bytes of a WAV, whatever its header says of its sound', () => {
    expect(durationOf(wavOf(80_000, { stated: 8_000 }))).toEqual({ seconds: 1, atMost: 10 });
    expect(durationOf(wavOf(80_000, { stated: 0xffffffff }))).toEqual({ seconds: 10, atMost: 10 });
    expect(durationOf(wavOf(80_000, { stated: 0 }))).toEqual({ seconds: 10, atMost: 10 });
  });

  it('finds the format of an extensible WAV behind other chunks', () => {
    const head = Buffer.alloc(12 + 8 + 4 + 8 + 40 + 8);
    head.write('RIFF', 0);
    head.write('WAVEJUNK', 8);
    head.writeUInt32LE(3, 16);
    head.write('fmt ', 24);
    head.writeUInt32LE(40, 28);
    head.writeUInt16LE(0xfffe, 32);
    head.writeUInt16LE(2, 34);
    head.writeUInt32LE(1_000, 36);
    head.writeUInt16LE(16, 46);
    head.writeUInt16LE(1, 56);
    head.write('data', 72);
    head.writeUInt32LE(8_000, 76);
    expect(durationOf(Buffer.concat([head, Buffer.alloc(8_000)]))).toEqual({ seconds: 2, atMost: 2 });
  });

  it.each([
    ['an MP3', Buffer.alloc(80_000, 0xff)],
    ['compressed WAV', wavOf(80_000 - 44, { tag: 0x31 })],
    ['a WAV without a rate', wavOf(80_000 - 44, { rate: 0 })],
    [
      'a WAV of two formats',
      Buffer.concat([wavOf(0).subarray(0, 36), wavOf(80_000 - 72).subarray(12)]).subarray(0, 80_000),
    ],
  ])('is guessed, and held at 6 kbit/s, for %s', (_what, bytes) => {
    const size = bytes.length;
    expect(durationOf(bytes)).toEqual({ seconds: Math.ceil(size / 8_000), atMost: Math.ceil(size / 750) });
  });

  it('is at least a second, of whatever bytes', () => {
    expect(durationOf(Buffer.alloc(0))).toEqual({ seconds: 1, atMost: 1 });
    for (let length = 0; length < 60; length += 1) {
      expect(durationOf(wavOf(16).subarray(0, length)).atMost).toBe(1);
    }
  });

  it.each([
    [8.2, 9],
    [0, 0],
    [3, 3],
    ['8.470000267028809', 9],
    [-1, null],
    [NaN, null],
    [Infinity, null],
    [1e300, null],
    ['1e9', null],
    ['', null],
    [null, null],
    [{}, null],
  ])('stated as %j is %j seconds', (stated, seconds) => expect(secondsIn(stated)).toBe(seconds));
});

describe('a transcript as text', () => {
  const transcript = {
    text: ' Hello. 你好 --> there ',
    segments: [
      { start: 0, end: 1.5, text: ' Hello.' },
      { start: 3_661.0014, end: 3_662.9996, text: ' 你好 --> there\n\n' },
    ],
  };

  it('is its text', () => expect(renderTranscript(transcript, 'text')).toBe('Hello. 你好 --> there\n'));

  it('is written as SRT', () => {
    expect(renderTranscript(transcript, 'srt')).toBe(
      '1\n00:00:00,000 --> 00:00:01,500\nHello.\n\n2\n01:01:01,001 --> 01:01:03,000\n你好 -> there\n\n',
    );
  });

  it('is written as VTT', () => {
    expect(renderTranscript(transcript, 'vtt')).toBe(
      'WEBVTT\n\n00:00:00.000 --> 00:00:01.500\nHello.\n\n01:01:01.001 --> 01:01:03.000\n你好 -> there\n\n',
    );
  });

  it('of silence has no cues', () => {
    expect(renderTranscript({ text: '', segments: [] }, 'srt')).toBe('');
    expect(renderTranscript({ text: '', segments: [] }, 'vtt')).toBe('WEBVTT\n\n');
  });

  it.each([
    [{ text: 'x' }],
    [{ text: 'x', segments: [] }],
    [{ text: 'x', segments: [null] }],
    [{ text: 'x', segments: [{ start: '0', end: 1, text: 'x' }] }],
    [{ text: 'x', segments: [{ start: -1, end: 1, text: 'x' }] }],
    [{ text: 'x', segments: [{ start: 0, end: 1e300, text: 'x' }] }],
  ])('is not made of %j', (odd) => expect(renderTranscript(odd, 'srt')).toBeNull());
});
