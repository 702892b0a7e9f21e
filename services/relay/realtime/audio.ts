import { isObject, type Json } from '../wire/json.ts';

/** How much audio one token is, in milliseconds. */
export interface AudioTokenMs {
  readonly input: number;
  readonly output: number;
}

/** OpenAI's guide to the cost of realtime sessions: 600 tokens a minute for what is heard, 1 200 for what is said. */
export const AUDIO_TOKEN_MS: AudioTokenMs = { input: 100, output: 50 };

/** Bytes per second of the audio on either side. */
export interface AudioRates {
  readonly input: number;
  readonly output: number;
}

/** 16-bit PCM, 24 kHz, one channel: what a session has unless it says otherwise. */
const PCM_RATE = 48_000;
export const USUAL_RATES: AudioRates = { input: PCM_RATE, output: PCM_RATE };

/** By the names of either version of the interface. G.711 has one byte per sample, 8 kHz. */
const RATES: ReadonlyMap<unknown, number> = new Map([
  ['audio/pcm', PCM_RATE],
  ['pcm16', PCM_RATE],
  ['audio/pcmu', 8_000],
  ['g711_ulaw', 8_000],
  ['audio/pcma', 8_000],
  ['g711_alaw', 8_000],
]);

/** The rates that a session object states; where it is silent they stay as they were. */
export function audioRatesOf(session: Json, before: AudioRates): AudioRates {
  const audio = isObject(session['audio']) ? session['audio'] : {};
  return {
    input: rateOf(audio['input'], session['input_audio_format']) ?? before.input,
    output: rateOf(audio['output'], session['output_audio_format']) ?? before.output,
  };
}

/** Bytes that a base64 text holds. */
export function bytesIn(base64: string): number {
  return Buffer.byteLength(base64, 'base64');
}

/** Tokens of so many bytes of audio, rounded up. */
export function audioTokens(bytes: number, bytesPerSecond: number, tokenMs: number): number {
  return Math.ceil((bytes * 1_000) / bytesPerSecond / tokenMs);
}

function rateOf(side: unknown, format: unknown): number | undefined {
  const stated = isObject(side) ? side['format'] : format;
  return RATES.get(isObject(stated) ? stated['type'] : stated);
}
