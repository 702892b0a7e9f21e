import type { UsageVector } from '../../../../events/meters.ts';
import type { AnswerEvent } from '../../../../services/relay/canonical/answer.ts';
import type { AskedPrompt, UpstreamProtocol, WriteContext } from '../../../../services/relay/canonical/crossing.ts';
import type { AnswerReading, Billed } from '../../../../services/relay/call.ts';
import { geminiCall } from '../../../../services/relay/dialects/gemini/call.ts';
import type { Target } from '../../../../services/relay/dialects/gemini/request.ts';
import { geminiProtocol } from '../../../../services/relay/dialects/gemini/upstream.ts';
import type { Channel } from '../../../../services/relay/ports.ts';
import { ApiError } from '../../../../services/http/errors.ts';

export const CHANNEL: Channel = {
  name: 'google',
  protocol: 'gemini',
  upstreamModel: 'gemini-2.5-flash',
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
  cost: null,
  clientGone: 'cancel',
  drainMaxMs: 1_000,
  timeouts: { firstByteMs: 1_000, idleMs: 1_000, totalMs: 1_000 },
};

export const CONTEXT: WriteContext = {
  requestId: '0190-aaaa-bbbb',
  createdAt: 1_700_000_000,
  maxOutputTokens: 1_000,
  endUser: 'user-hash',
  model: 'gemini-2.5-flash',
};

export const PROMPT: AskedPrompt = {
  system: [],
  messages: [{ role: 'user', parts: [{ type: 'text', text: 'Hi' }] }],
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
  streamed: false,
  session: null,
  maxOutput: 500,
  requestId: CONTEXT.requestId,
  endUser: CONTEXT.endUser,
};

/** Google's framing: CRLF at the end of every line. */
export function googleStream(...fragments: readonly object[]): Buffer {
  return Buffer.from(fragments.map((fragment) => `data: ${JSON.stringify(fragment)}\r\n\r\n`).join(''));
}

export function fragment(parts: readonly object[], more: object = {}, usage?: object): object {
  return {
    candidates: [{ content: { parts, role: 'model' }, index: 0, ...more }],
    ...(usage && { usageMetadata: usage }),
    modelVersion: 'gemini-2.5-flash',
    responseId: 'resp-1',
  };
}

/** All ways to cut these bytes once, and into single bytes and pieces of 7. */
export function everyCut(bytes: Buffer): Buffer[][] {
  const once = Array.from({ length: bytes.length + 1 }, (_, at) => [bytes.subarray(0, at), bytes.subarray(at)]);
  return [...once, pieces(bytes, 1), pieces(bytes, 7)];
}

export function pieces(bytes: Buffer, size: number): Buffer[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, piece) =>
    bytes.subarray(piece * size, (piece + 1) * size),
  );
}

export function decoded(chunks: readonly Buffer[]): AnswerEvent[] {
  const events: AnswerEvent[] = [];
  const decoder = geminiProtocol.decoder((event) => events.push(event), CHANNEL);
  for (const chunk of chunks) decoder.feed(chunk);
  decoder.end();
  return events;
}

export function readWhole(text: string): AnswerEvent[] {
  const events: AnswerEvent[] = [];
  geminiProtocol.whole(text, (event) => events.push(event), CHANNEL);
  return events;
}

export function billed(usage: UsageVector): Billed {
  return { usage, picos: 1_000n, currency: 'USD' };
}

export const STREAM: Target = { model: 'gemini-2.5-flash', method: 'streamGenerateContent', sse: true };
export const ARRAY: Target = { ...STREAM, sse: false };
export const WHOLE: Target = { ...STREAM, method: 'generateContent' };

export const BODY = { contents: [{ role: 'user', parts: [{ text: 'Hi' }] }] };

export function json(value: object): Buffer {
  return Buffer.from(JSON.stringify(value));
}

export function callOf(body: object, target: Target = WHOLE, spoken?: UpstreamProtocol) {
  return geminiCall(json(body), 64, target, () => spoken ?? geminiProtocol);
}

/** Feeds the chunks to the reading of a passed-through call; returns what was forwarded. */
export async function passThrough(
  chunks: readonly Buffer[],
  target: Target = STREAM,
  channel: Channel = CHANNEL,
): Promise<{ reading: AnswerReading; forwarded: string }> {
  const passage = await callOf(BODY, target).passage(channel, CONTEXT);
  const reading = passage.read({ 'content-type': 'text/event-stream' });
  let forwarded = '';
  for (const chunk of chunks) forwarded += reading.feed(chunk).toString();
  return { reading, forwarded: forwarded + reading.end().toString() };
}

/** What a refusal says: its code and the member that it names. */
export function refusal(attempt: () => unknown): { code: string; param: string | null } {
  try {
    attempt();
  } catch (error) {
    if (error instanceof ApiError) return { code: error.code, param: error.param };
    throw error;
  }
  throw new Error('nothing was refused');
}
