import { crc32, inflateSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { plainPng } from '../../../infra/upstreams/simulated/png.ts';
import { renderSrt, renderVtt } from '../../../infra/upstreams/simulated/transcript.ts';
import { silence } from '../../../infra/upstreams/simulated/wave.ts';

/** The chunks of a PNG, by type; throws for one whose checksum is wrong. */
function chunksIn(png: Buffer): Map<string, Buffer> {
  const chunks = new Map<string, Buffer>();
  for (let at = 8; at < png.length;) {
    const length = png.readUInt32BE(at);
    const body = png.subarray(at + 4, at + 8 + length);
    if (png.readUInt32BE(at + 8 + length) !== crc32(body)) throw new Error('wrong checksum');
    chunks.set(body.toString('latin1', 0, 4), body.subarray(4));
    at += 12 + length;
  }
  return chunks;
}

describe('a simulated picture', () => {
  it.each([
    [1, 1],
    [9, 2],
    [1_536, 1_024],
    [4_096, 4_096],
  ])('of %i by %i pixels is a whole PNG of one colour', (width, height) => {
    const png = plainPng(width, height, [10, 20, 30]);
    expect(png.subarray(0, 8).toString('latin1')).toBe('\x89PNG\r\n\x1a\n');
    const chunks = chunksIn(png);
    expect([...chunks.keys()]).toEqual(['IHDR', 'PLTE', 'IDAT', 'IEND']);
    const header = chunks.get('IHDR') ?? Buffer.alloc(0);
    expect([header.readUInt32BE(0), header.readUInt32BE(4)]).toEqual([width, height]);
    expect([...header.subarray(8)]).toEqual([1, 3, 0, 0, 0]);
    expect([...(chunks.get('PLTE') ?? [])]).toEqual([10, 20, 30]);
    const pixels = inflateSync(chunks.get('IDAT') ?? Buffer.alloc(0));
    expect(pixels).toHaveLength(height * (1 + Math.ceil(width / 8)));
    expect(pixels.every((byte) => byte === 0)).toBe(true);
    expect(png.length).toBeLessThan(3_000);
  });
});

describe('simulated silence', () => {
  it('is a WAV whose header says what follows', () => {
    const wave = silence(0.5);
    expect(wave.toString('latin1', 0, 4)).toBe('RIFF');
    expect(wave.readUInt32LE(4)).toBe(wave.length - 8);
    expect(wave.toString('latin1', 8, 16)).toBe('WAVEfmt ');
    const format = [16, 18, 20, 22, 32, 34].map((at) => wave.readUInt16LE(at));
    expect(format).toEqual([16, 0, 1, 1, 2, 16]);
    expect([wave.readUInt32LE(24), wave.readUInt32LE(28)]).toEqual([8_000, 16_000]);
    expect(wave.toString('latin1', 36, 40)).toBe('data');
    expect(wave.readUInt32LE(40)).toBe(8_000);
    expect(wave).toHaveLength(44 + 8_000);
    expect(wave.subarray(44).every((byte) => byte === 0)).toBe(true);
  });

  it('of no length is a header alone', () => {
    expect(silence(0)).toHaveLength(44);
  });
});

describe('simulated subtitles', () => {
  it.each([
    [59, '00:00:59'],
    [61, '00:01:01'],
    [3_599, '00:59:59'],
    [90_061, '25:01:01'],
  ])('end after %i seconds at %s', (seconds, moment) => {
    const transcript = { task: 'transcribe', language: 'english', text: 'Hi', seconds, usage: {} } as const;
    expect(renderSrt(transcript)).toBe(`1\n00:00:00,000 --> ${moment},000\nHi\n\n`);
    expect(renderVtt(transcript)).toBe(`WEBVTT\n\n00:00:00.000 --> ${moment}.000\nHi\n\n`);
  });
});
