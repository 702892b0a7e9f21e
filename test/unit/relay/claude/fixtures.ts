import type { AnswerEvent } from '../../../../services/relay/canonical/answer.ts';
import type { AskedPrompt, WriteContext } from '../../../../services/relay/canonical/crossing.ts';
import type { AnswerReading, Billed } from '../../../../services/relay/call.ts';
import { claudeProtocol } from '../../../../services/relay/dialects/claude/upstream.ts';
import type { Channel } from '../../../../services/relay/ports.ts';
import { PLAIN_QUIRKS } from '../chatFixtures.ts';

export const MAX_DEPTH = 64;
export const MODEL = 'claude-opus-4-6';
export const UPSTREAM_MODEL = 'claude-opus-4-6-20260205';

export const CONTEXT: WriteContext = {
  requestId: '0197-aaaa-bbbb',
  createdAt: 1_763_630_000,
  maxOutputTokens: 4_096,
  endUser: 'account-1',
  model: MODEL,
};

export function channel(change: Partial<Channel> = {}): Channel {
  return {
    name: 'anthropic',
    protocol: 'claude',
    upstreamModel: MODEL,
    quirks: PLAIN_QUIRKS,
    clientGone: 'cancel',
    drainMaxMs: 0,
    cost: null,
    timeouts: { firstByteMs: 1, idleMs: 1, totalMs: 1 },
    ...change,
  };
}

export const BILLED: Billed = {
  usage: { uncachedInput: 25, cacheRead: 100, outputText: 12, reasoning: 3 },
  picos: 8_550_000n,
  currency: 'USD',
};

/** The usage object of `BILLED`, as JSON text. */
export const BILLED_TEXT =
  '"input_tokens":25,"cache_creation_input_tokens":0,"cache_read_input_tokens":100,' +
  '"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0},' +
  '"output_tokens":15,"output_tokens_details":{"thinking_tokens":3},"cost":0.00000855,"cost_currency":"USD"';

export function prompt(change: Partial<AskedPrompt> = {}): AskedPrompt {
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
    maxOutput: 4_096,
    choices: 1,
    streamed: false,
    session: null,
    requestId: CONTEXT.requestId,
    endUser: '',
    ...change,
  };
}

type Data = Readonly<Record<string, unknown>> & { readonly type: string };

/** A stream as Claude writes it. */
export function stream(...events: readonly Data[]): string {
  return events.map((data) => `event: ${data.type}\ndata: ${JSON.stringify(data)}\n\n`).join('');
}

export function begun(usage: object = { input_tokens: 25, cache_read_input_tokens: 100, output_tokens: 1 }): Data {
  const message = { id: 'msg_01', type: 'message', role: 'assistant', model: UPSTREAM_MODEL, content: [] };
  return { type: 'message_start', message: { ...message, stop_reason: null, stop_sequence: null, usage } };
}

export const start = (index: number, block: object): Data => ({
  type: 'content_block_start',
  index,
  content_block: block,
});
export const delta = (index: number, piece: object): Data => ({ type: 'content_block_delta', index, delta: piece });
export const stop = (index: number): Data => ({ type: 'content_block_stop', index });
export const text = (index: number, written: string): Data => delta(index, { type: 'text_delta', text: written });
export const json = (index: number, partial: string): Data =>
  delta(index, { type: 'input_json_delta', partial_json: partial });
export const ended = (reason: string | null, usage: object = { output_tokens: 15 }): Data => ({
  type: 'message_delta',
  delta: { stop_reason: reason, stop_sequence: null },
  usage,
});
export const STOPPED: Data = { type: 'message_stop' };
export const PING: Data = { type: 'ping' };
export const OVERLOADED: Data = { type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } };

/** An answer with every kind of block, and characters of one to four bytes. */
export const GOLDEN: readonly Data[] = [
  begun(),
  start(0, { type: 'thinking', thinking: '', signature: '' }),
  PING,
  delta(0, { type: 'thinking_delta', thinking: 'Über 天气…' }),
  delta(0, { type: 'signature_delta', signature: 'c2ln' }),
  stop(0),
  start(1, { type: 'text', text: '' }),
  text(1, '你好 '),
  text(1, '👋'),
  stop(1),
  start(2, { type: 'tool_use', id: 'toolu_01', name: 'weather', input: {} }),
  json(2, ''),
  json(2, '{"ci'),
  json(2, 'ty":"北京"}'),
  stop(2),
  ended('tool_use', { output_tokens: 15, output_tokens_details: { thinking_tokens: 3 } }),
  STOPPED,
];

/** Every way of cutting bytes that has broken a reader of streams. */
export function cuts(bytes: Buffer): Buffer[][] {
  const pieces = (size: number) =>
    Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) => bytes.subarray(at * size, (at + 1) * size));
  const inTwo = Array.from({ length: bytes.length - 1 }, (_, at) => [
    bytes.subarray(0, at + 1),
    bytes.subarray(at + 1),
  ]);
  return [[bytes], pieces(1), pieces(7), ...inTwo];
}

/** The events that a stream is read as, its end included. */
export function decoded(pieces: readonly (Buffer | string)[]): AnswerEvent[] {
  const events: AnswerEvent[] = [];
  const decoder = claudeProtocol.decoder((event) => events.push(event), channel());
  for (const piece of pieces) decoder.feed(Buffer.from(piece));
  decoder.end();
  return events;
}

/** What goes to the client while an upstream's bytes are read, and at their end. */
export function fed(reading: AnswerReading, ...pieces: readonly (Buffer | string)[]): string {
  const forwarded = pieces.map((piece) => reading.feed(Buffer.from(piece)).toString());
  return forwarded.join('') + reading.end().toString();
}

/** Reads events strictly: a name, one line of data, a blank line. The data must call itself as the name does. */
export function eventsOf(written: string): Data[] {
  const blocks = written.split('\n\n');
  if (blocks.pop() !== '') throw new Error(`the last event is not ended: ${JSON.stringify(written.slice(-80))}`);
  return blocks.map((block) => {
    const match = /^event: (\w+)\ndata: (.*)$/.exec(block);
    if (!match) throw new Error(`not a name and one data line: ${block}`);
    const data = JSON.parse(match[2] ?? '') as Data;
    if (data.type !== match[1]) throw new Error(`named ${String(match[1])}: ${block}`);
    return data;
  });
}
