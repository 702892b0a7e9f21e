import { expect } from 'vitest';
import { totalTokens, type UsageVector } from '../../../../events/meters.ts';
import { ApiError } from '../../../../services/http/errors.ts';
import type { AnswerReading, Billed, Passage, RelayCall, ResponseHeaders } from '../../../../services/relay/call.ts';
import type { Channel, ChannelQuirks, Protocol } from '../../../../services/relay/ports.ts';
import { measureUsage } from '../../../../services/relay/usage/measureUsage.ts';
import { cut, PLAIN_QUIRKS, wordEstimator } from '../chatFixtures.ts';

export const MAX_DEPTH = 64;
/** No operation here crosses to another chat protocol. */
export const spoken = (): never => {
  throw new Error('no chat is spoken here');
};
export const REQUEST_ID = '7d6f1c6e-5a4b-4c3d-9e2f-1a0b9c8d7e6f';
export const JSON_HEAD = { 'content-type': 'application/json' };
export const SSE_HEAD = { 'content-type': 'text/event-stream; charset=utf-8' };

interface ChannelChange {
  readonly protocol?: Protocol;
  readonly upstreamModel?: string;
  readonly quirks?: Partial<ChannelQuirks>;
}

export function channelOf({ protocol = 'openai', upstreamModel = 'model-up', quirks }: ChannelChange = {}): Channel {
  return {
    name: 'a',
    protocol,
    upstreamModel,
    cost: null,
    quirks: { ...PLAIN_QUIRKS, ...quirks },
    clientGone: 'cancel',
    drainMaxMs: 1,
    timeouts: { firstByteMs: 1, idleMs: 1, totalMs: 1 },
  };
}

/** How the call goes to that channel. */
export async function passageOf(call: RelayCall, change: ChannelChange = {}): Promise<Passage> {
  return call.passage(channelOf(change), {
    requestId: REQUEST_ID,
    createdAt: 1_763_630_000,
    maxOutputTokens: 4_096,
    endUser: 'account-1',
  });
}

export function bodyOf(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

export function sentJson({ request }: Passage): unknown {
  return JSON.parse(request.body?.toString() ?? '') as unknown;
}

export interface Read {
  readonly reading: AnswerReading;
  /** What was forwarded before the end of the settlement. */
  readonly forwarded: Buffer;
}

/** Reads these pieces and the end, as the engine does. */
export function readPieces(passage: Passage, headers: ResponseHeaders, pieces: readonly Buffer[]): Read {
  const reading = passage.read(headers);
  const forwarded: Buffer[] = [];
  for (const piece of pieces) if (!reading.done) forwarded.push(Buffer.from(reading.feed(piece)));
  if (!reading.done) forwarded.push(Buffer.from(reading.end()));
  return { reading, forwarded: Buffer.concat(forwarded) };
}

/** Reads a whole answer in one piece. */
export function readAnswer(passage: Passage, answer: unknown, headers: ResponseHeaders = JSON_HEAD): AnswerReading {
  const bytes = typeof answer === 'string' ? Buffer.from(answer) : bodyOf(answer);
  return readPieces(passage, headers, [bytes]).reading;
}

/** The same bytes cut in two at every place, byte by byte, and in pieces of seven. */
export function everyCut(bytes: Buffer): readonly (readonly Buffer[])[] {
  const inTwo = Array.from({ length: bytes.length + 1 }, (_, at) => [bytes.subarray(0, at), bytes.subarray(at)]);
  return [...inTwo, cut(bytes, 1), cut(bytes, 7)];
}

export function billed(usage: UsageVector): Billed {
  return { usage, picos: 1_500_000_000n, currency: 'USD' };
}
export const COST = { cost: 0.0015, cost_currency: 'USD' };

/** What the client gets at the end, parsed. */
export function endingJson(reading: AnswerReading, usage: UsageVector): unknown {
  return JSON.parse(String(reading.ending(billed(usage)))) as unknown;
}

/** The usage that the engine would settle, without the meters that are 0. */
export async function measured(call: RelayCall, reading: AnswerReading): Promise<UsageVector> {
  const { usage } = await measureUsage(reading.reported, reading.received, call, wordEstimator, reading.done);
  expect(totalTokens(usage)).toBeGreaterThanOrEqual(0);
  return Object.fromEntries(Object.entries(usage).filter(([, quantity]) => quantity !== 0));
}

/** The code and parameter of the ApiError that this throws. */
export async function refusal(run: () => unknown): Promise<{ code: string; param: string | null; message: string }> {
  try {
    await run();
  } catch (error) {
    if (error instanceof ApiError) return { code: error.code, param: error.param, message: error.message };
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** Server-sent events with names. */
export function namedEvents(
  ...events: readonly { readonly type: string; readonly [member: string]: unknown }[]
): Buffer {
  return Buffer.from(events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join(''));
}

/** Names and parsed data of events as they were written. */
export function eventsIn(text: string): unknown[] {
  const blocks = text.split('\n\n');
  expect(blocks.pop()).toBe('');
  return blocks.map((block) => {
    const [name = '', data = '', ...rest] = block.split('\n');
    expect(rest).toEqual([]);
    const event = JSON.parse(data.slice('data: '.length)) as { type: string };
    expect(name).toBe(`event: ${event.type}`);
    return event;
  });
}

export const BOUNDARY = 'some-boundary-0123456789';
export const FORM_TYPE = `multipart/form-data; boundary=${BOUNDARY}`;

type FieldValue = string | { readonly fileName: string; readonly bytes: Buffer | string; readonly type?: string };

export type Fields = (readonly [name: string, value: FieldValue])[];

/** A form as a client writes it. */
export function formOf(...fields: Fields): Buffer {
  const pieces = fields.flatMap(([name, value]) => {
    const file = typeof value === 'string' ? null : value;
    const head = file ? `; filename="${file.fileName}"\r\nContent-Type: ${file.type ?? 'audio/wav'}` : '';
    return [
      Buffer.from(`--${BOUNDARY}\r\nContent-Disposition: form-data; name="${name}"${head}\r\n\r\n`),
      typeof value === 'string' ? Buffer.from(value) : Buffer.from(value.bytes),
      Buffer.from('\r\n'),
    ];
  });
  return Buffer.concat([...pieces, Buffer.from(`--${BOUNDARY}--\r\n`)]);
}

/** The form that went up, part by part: the head's lines and the text. */
export function sentForm({ request }: Passage): string[] {
  const boundary = `tallystick-${REQUEST_ID}`;
  expect(request.headers['content-type']).toBe(`multipart/form-data; boundary=${boundary}`);
  const parts = (request.body?.toString('latin1') ?? '').split(`--${boundary}`);
  expect(parts.at(0)).toBe('');
  expect(parts.at(-1)).toBe('--\r\n');
  return parts.slice(1, -1).map((part) => {
    expect(part.startsWith('\r\n') && part.endsWith('\r\n')).toBe(true);
    return part.slice(2, -2).replace('Content-Disposition: form-data; ', '').replaceAll('\r\n', '|');
  });
}

/** A WAV file of so many bytes of silence: 8 kHz, mono, 8 bits, so 8 000 of them are a second. */
export function wavOf(
  bytes: number,
  change: { readonly stated?: number; readonly rate?: number; readonly tag?: number } = {},
): Buffer {
  const { stated = bytes, rate = 8_000, tag = 1 } = change;
  const head = Buffer.alloc(44);
  head.write('RIFF', 0, 'latin1');
  head.writeUInt32LE(36 + bytes, 4);
  head.write('WAVEfmt ', 8, 'latin1');
  head.writeUInt32LE(16, 16);
  head.writeUInt16LE(tag, 20);
  head.writeUInt16LE(1, 22);
  head.writeUInt32LE(rate, 24);
  head.writeUInt32LE(1, 28);
  head.writeUInt16LE(1, 32);
  head.writeUInt16LE(8, 34);
  head.write('data', 36, 'latin1');
  head.writeUInt32LE(stated, 40);
  return Buffer.concat([head, Buffer.alloc(bytes, 0x80)]);
}
