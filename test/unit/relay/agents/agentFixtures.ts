import { expect } from 'vitest';
import type { UpstreamRequest } from '../../../../services/relay/call.ts';
import type { AnswerEvent, StreamDecoder } from '../../../../services/relay/canonical/answer.ts';
import type { AskedPrompt, UpstreamProtocol } from '../../../../services/relay/canonical/crossing.ts';
import type { ChatPrompt, Message, Part } from '../../../../services/relay/canonical/prompt.ts';
import type { Channel } from '../../../../services/relay/ports.ts';
import { PLAIN_QUIRKS } from '../chatFixtures.ts';

export const END_USER = 'user-of-account';

export const CHANNEL: Channel = {
  name: 'agents',
  protocol: 'coze',
  upstreamModel: 'bot-7',
  quirks: PLAIN_QUIRKS,
  clientGone: 'cancel',
  drainMaxMs: 0,
  timeouts: { firstByteMs: 1_000, idleMs: 1_000, totalMs: 1_000 },
  cost: null,
};

export const text = (value: string): Part => ({ type: 'text', text: value });
export const user = (...parts: (Part | string)[]): Message => ({ role: 'user', parts: parts.map(asPart) });
export const assistant = (...parts: (Part | string)[]): Message => ({ role: 'assistant', parts: parts.map(asPart) });
export const imageAt = (url: string): Part => ({
  type: 'image',
  source: { kind: 'url', url, mime: null },
  detail: null,
});
export const INLINE_IMAGE: Part = {
  type: 'image',
  source: { kind: 'inline', mime: 'image/png', data: 'iVBORw0K' },
  detail: null,
};

function asPart(part: Part | string): Part {
  return typeof part === 'string' ? text(part) : part;
}

/** A prompt of one short message without a session, changed as given. */
export function prompt(change: Partial<ChatPrompt> = {}): AskedPrompt {
  return {
    system: [],
    messages: [user('hi')],
    tools: [],
    toolChoice: null,
    parallelTools: null,
    sampling: {
      temperature: null,
      topP: null,
      topK: null,
      presencePenalty: null,
      frequencyPenalty: null,
      seed: null,
      stop: [],
    },
    format: null,
    reasoning: null,
    choices: 1,
    streamed: true,
    session: null,
    ...change,
    maxOutput: 4_096,
    requestId: 'request-1',
    endUser: END_USER,
  };
}

/** What a protocol asks for a prompt: the request, and its body parsed. */
export async function asked(
  protocol: UpstreamProtocol,
  change: Partial<ChatPrompt> = {},
): Promise<{ request: UpstreamRequest; body: Record<string, unknown> }> {
  const request = await protocol.ask(prompt(change), CHANNEL);
  return { request, body: JSON.parse(request.body?.toString() ?? '') as Record<string, unknown> };
}

export interface Decoded {
  readonly events: AnswerEvent[];
  readonly decoder: StreamDecoder;
}

/** Reads the pieces of a stream, and its end unless `open`. */
export function decoded(protocol: UpstreamProtocol, pieces: readonly (Buffer | string)[], open = false): Decoded {
  const events: AnswerEvent[] = [];
  const decoder = protocol.decoder((event) => void events.push(event), CHANNEL, END_USER);
  for (const piece of pieces) decoder.feed(Buffer.from(piece));
  if (!open) decoder.end();
  return { events, decoder };
}

/** The events of a stream given as one text. */
export function read(protocol: UpstreamProtocol, stream: string): AnswerEvent[] {
  return decoded(protocol, [stream]).events;
}

/** The events of an answer that was not streamed. */
export function readWhole(protocol: UpstreamProtocol, body: string): AnswerEvent[] {
  const events: AnswerEvent[] = [];
  protocol.whole(body, (event) => void events.push(event), CHANNEL);
  return events;
}

/** What an answer says, its texts joined. */
export function said(events: readonly AnswerEvent[]): string {
  return events.map((event) => (event.type === 'text' ? event.text : '')).join('');
}

export function typesOf(events: readonly AnswerEvent[]): string[] {
  return events.map((event) => event.type);
}

/** The one event of a type, or none. */
export function only<Type extends AnswerEvent['type']>(
  events: readonly AnswerEvent[],
  type: Type,
): Extract<AnswerEvent, { type: Type }> | undefined {
  const found = events.filter((event) => event.type === type);
  expect(found.length).toBeLessThanOrEqual(1);
  return found[0] as Extract<AnswerEvent, { type: Type }> | undefined;
}

/** Named server-sent events as FastGPT and Coze write them; `separator` stands between `data:` and its value. */
export function named(events: readonly (readonly [string, unknown])[], separator = ' '): string {
  return events.map(([name, data]) => `event:${separator}${name}\ndata:${separator}${asText(data)}\n\n`).join('');
}

/** Nameless server-sent events; strings stand as they are. */
export function nameless(...values: readonly unknown[]): string {
  return values.map((value) => `data: ${asText(value)}\n\n`).join('');
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** Every way in which a network may cut or spell a stream, all of which must mean the same. */
export function* cutsOf(stream: string): Generator<readonly Buffer[]> {
  const bytes = Buffer.from(stream);
  for (let at = 0; at <= bytes.length; at += 1) yield [bytes.subarray(0, at), bytes.subarray(at)];
  for (const size of [1, 7]) yield pieces(bytes, size);
  for (const spelled of [stream.replaceAll('\n', '\r\n'), stream.replaceAll('\n', '\r'), `\uFEFF${stream}`]) {
    yield [Buffer.from(spelled)];
    yield pieces(Buffer.from(spelled), 1);
  }
  yield [Buffer.from(stream.trimEnd())];
  yield [Buffer.from(stream.replaceAll('\n\n', '\n\n: ping\n\n'))];
}

function pieces(bytes: Buffer, size: number): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, piece) =>
    bytes.subarray(piece * size, (piece + 1) * size),
  );
}

/** Holds a reader to its golden stream in every cut. */
export function expectSameInEveryCut(protocol: UpstreamProtocol, stream: string): void {
  const whole = read(protocol, stream);
  for (const cut of cutsOf(stream)) {
    const { events } = decoded(protocol, cut);
    if (JSON.stringify(events) !== JSON.stringify(whole)) expect(events, `cut ${JSON.stringify(cut)}`).toEqual(whole);
  }
}
