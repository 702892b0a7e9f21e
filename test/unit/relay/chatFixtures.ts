import { parseChatRequest, type ChatRequest } from '../../../services/relay/dialects/openai/chatRequest.ts';
import { ChatStream } from '../../../services/relay/dialects/openai/chatStream.ts';
import { ReceivedOutput } from '../../../services/relay/dialects/openai/receivedOutput.ts';
import type { ChannelQuirks, TokenEstimator } from '../../../services/relay/ports.ts';
import { MODEL } from '../../support/events.ts';

/** An upstream that behaves as OpenAI's own. */
export const PLAIN_QUIRKS: ChannelQuirks = {
  supportsStreamOptions: true,
  maxTokensField: 'max_completion_tokens',
  supportsDeveloperRole: true,
  supportsParallelTools: true,
  reasoningField: 'reasoning_content',
  usagePath: 'usage',
  usageExcludesReasoning: false,
  stripsParams: [],
};

const MAX_DEPTH = 64;

/** A parsed call for `MODEL` with one short message, changed as given; a text is taken as the body itself. */
export function chatRequest(change: Readonly<Record<string, unknown>> | string = {}): ChatRequest {
  const body =
    typeof change === 'string'
      ? change
      : JSON.stringify({ model: MODEL, messages: [{ role: 'user', content: 'hi' }], ...change });
  return parseChatRequest(Buffer.from(body), MAX_DEPTH);
}

/** An estimator that counts words. */
export const wordEstimator: TokenEstimator = {
  count: (texts) => Promise.resolve(texts.map((text) => text.split(/\s+/u).filter((word) => word !== '').length)),
};

export interface StreamReading {
  /** The forwarded events, parsed. */
  readonly events: readonly unknown[];
  /** The forwarded text as it stands. */
  readonly text: string;
  readonly stream: ChatStream;
  readonly received: ReceivedOutput;
}

interface StreamSetting {
  readonly quirks?: Partial<ChannelQuirks>;
  readonly renameTo?: string | null;
  readonly usageWanted?: boolean;
}

/** Reads the pieces of a stream, and its end, as the relay does. */
export function readStream(pieces: readonly Buffer[], setting: StreamSetting = {}): StreamReading {
  const quirks = { ...PLAIN_QUIRKS, ...setting.quirks };
  const received = new ReceivedOutput(quirks.reasoningField);
  const { renameTo = null, usageWanted = false } = setting;
  const stream = new ChatStream({ quirks, renameTo, usageWanted, received });
  const text = pieces.map((piece) => stream.feed(piece)).join('') + stream.end();
  return { events: eventsOf(text), text, stream, received };
}

/** The bytes cut into pieces of `size`. */
export function cut(bytes: Buffer, size: number): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, piece) =>
    bytes.subarray(piece * size, (piece + 1) * size),
  );
}

/** Server-sent events, one per value; strings stand as they are. */
export function sse(...values: readonly unknown[]): Buffer {
  return Buffer.from(values.map((value) => `data: ${asText(value)}\n\n`).join(''));
}

/** Reads forwarded events strictly: `data: `, JSON on one line, a blank line, and nothing else. */
export function eventsOf(text: string): unknown[] {
  const blocks = text.split('\n\n');
  if (blocks.pop() !== '') throw new Error(`the last event is not ended: ${JSON.stringify(text.slice(-80))}`);
  return blocks.map((block) => {
    if (!block.startsWith('data: ') || /[\r\n]/.test(block)) throw new Error(`not one data line: ${block}`);
    return JSON.parse(block.slice('data: '.length)) as unknown;
  });
}

export interface ChunkChange {
  readonly delta?: object;
  readonly finish?: string | null;
  readonly index?: number;
}

/** One chunk of the answer `chatcmpl-1`, with further members as given. */
export function chunk(change: ChunkChange = {}, more: Readonly<Record<string, unknown>> = {}) {
  const { delta = {}, finish = null, index = 0 } = change;
  return {
    id: 'chatcmpl-1',
    object: 'chat.completion.chunk',
    created: 1_763_630_000,
    model: MODEL,
    choices: [{ index, delta, finish_reason: finish }],
    ...more,
  };
}

/** A chunk that says only what was used. */
export function usageChunk(usage: object) {
  return { ...chunk(), choices: [], usage };
}

function asText(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}
