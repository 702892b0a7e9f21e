import type { AnswerEvent } from '../../../../services/relay/canonical/answer.ts';
import type { UpstreamProtocol } from '../../../../services/relay/canonical/crossing.ts';
import type { ChatPrompt } from '../../../../services/relay/canonical/prompt.ts';
import type { AnswerReading, Billed, PassageContext } from '../../../../services/relay/call.ts';
import { ollamaProtocol } from '../../../../services/relay/dialects/ollama/upstream.ts';
import type { Channel, Protocol } from '../../../../services/relay/ports.ts';

export const MAX_DEPTH = 64;
export const NDJSON = { 'content-type': 'application/x-ndjson' };
export const JSON_TYPE = { 'content-type': 'application/json; charset=utf-8' };

/** The first bytes of a PNG, a JPEG and a WebP. */
export const PNG = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0, 0, 0, 13]).toString('base64');
export const JPEG = Buffer.from([0xff, 0xd8, 0xff, 0xe0, 0, 16, 0x4a, 0x46, 0x49, 0x46]).toString('base64');
export const WEBP = Buffer.concat([
  Buffer.from('RIFF'),
  Buffer.from([0x24, 0xf1, 0xab, 0x07]),
  Buffer.from('WEBPVP8 '),
]);

export function channel(protocol: Protocol = 'ollama', upstreamModel = 'llama3'): Channel {
  return {
    name: 'a',
    protocol,
    upstreamModel,
    quirks: {
      supportsStreamOptions: true,
      maxTokensField: 'max_tokens',
      supportsDeveloperRole: true,
      supportsParallelTools: true,
      reasoningField: 'reasoning_content',
      usagePath: 'usage',
      usageExcludesReasoning: false,
      stripsParams: [],
    },
    clientGone: 'cancel',
    drainMaxMs: 0,
    timeouts: { firstByteMs: 1_000, idleMs: 1_000, totalMs: 1_000 },
    cost: null,
  };
}

export const CONTEXT: PassageContext = {
  requestId: '019a0000-0000-7000-8000-000000000001',
  createdAt: 1_763_640_000,
  maxOutputTokens: 4_096,
  endUser: 'u',
};
export const WRITING = { ...CONTEXT, model: 'llama3' };
export const CREATED_AT = '2025-11-20T12:00:00.000Z';

/** 9 tokens in, 4 out, of which 1 was thinking. */
export const BILLED: Billed = {
  usage: { uncachedInput: 7, cacheRead: 2, outputText: 3, reasoning: 1 },
  picos: 1_000n,
  currency: 'CNY',
};

/** A prompt that says `hi`, changed as given. */
export function prompt(change: Partial<ChatPrompt> = {}): ChatPrompt {
  return {
    system: [],
    messages: [{ role: 'user', parts: [{ type: 'text', text: 'hi' }] }],
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
    maxOutput: null,
    choices: 1,
    streamed: true,
    session: null,
    ...change,
  };
}

export function bytes(body: unknown): Buffer {
  return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
}

/** Newline-delimited JSON, one line per value; strings stand as they are. */
export function ndjson(...values: readonly unknown[]): Buffer {
  return Buffer.from(values.map((value) => `${typeof value === 'string' ? value : JSON.stringify(value)}\n`).join(''));
}

/** Reads newline-delimited JSON strictly: every line ended, none empty. */
export function linesOf(text: string): unknown[] {
  if (text === '') return [];
  if (!text.endsWith('\n')) throw new Error(`the last line is not ended: ${text.slice(-80)}`);
  return text
    .slice(0, -1)
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
}

/** The events of a stream that arrives in these pieces. */
export function decoded(pieces: readonly Buffer[]): AnswerEvent[] {
  const events: AnswerEvent[] = [];
  const decoder = ollamaProtocol.decoder((event) => events.push(event), channel());
  for (const piece of pieces) decoder.feed(piece);
  decoder.end();
  return events;
}

/** The events of an answer that is one text. */
export function wholeEvents(text: string): AnswerEvent[] {
  const events: AnswerEvent[] = [];
  ollamaProtocol.whole(text, (event) => events.push(event), channel());
  return events;
}

/** What a reading forwards of these pieces before its ending. */
export function fed(reading: AnswerReading, pieces: readonly Buffer[]): string {
  return pieces.map((piece) => reading.feed(piece).toString()).join('') + reading.end().toString();
}

/** Every way to cut the bytes in two, all of them alone, and pieces of 7. */
export function cuts(whole: Buffer): Buffer[][] {
  const pieces = (size: number): Buffer[] =>
    Array.from({ length: Math.ceil(whole.length / size) }, (_, at) => whole.subarray(at * size, (at + 1) * size));
  const halves = Array.from({ length: whole.length - 1 }, (_, at) => [
    whole.subarray(0, at + 1),
    whole.subarray(at + 1),
  ]);
  return [...halves, pieces(1), pieces(7)];
}

export const noProtocol = (protocol: Protocol): UpstreamProtocol => {
  throw new Error(`nobody should speak ${protocol}`);
};
