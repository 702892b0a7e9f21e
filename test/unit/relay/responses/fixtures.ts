import type { Billed, PassageContext, RelayCall } from '../../../../services/relay/call.ts';
import type { AnswerEvent, ChatAnswer } from '../../../../services/relay/canonical/answer.ts';
import { CollectedAnswer } from '../../../../services/relay/canonical/collectAnswer.ts';
import type { AskedPrompt, UpstreamProtocol, WriteContext } from '../../../../services/relay/canonical/crossing.ts';
import type { Channel } from '../../../../services/relay/ports.ts';
import { responsesCall } from '../../../../services/relay/dialects/responses/call.ts';
import {
  parsePromptBody,
  parseResponsesBody,
  type PromptBody,
  type ResponsesBody,
} from '../../../../services/relay/dialects/responses/request.ts';
import type { OwnResponses } from '../../../../services/relay/dialects/responses/storedResponses.ts';
import { responsesWriter, type Written } from '../../../../services/relay/dialects/responses/writer.ts';
import { JsonLines } from '../../../../services/relay/wire/jsonLines.ts';
import { PLAIN_QUIRKS } from '../chatFixtures.ts';

export const MAX_DEPTH = 64;

export const CONTEXT: PassageContext = {
  requestId: '01890000-0000-7000-8000-000000000001',
  createdAt: 1_790_000_000,
  maxOutputTokens: 4_096,
  endUser: 'account-a',
};
export const WRITE_CONTEXT: WriteContext = { ...CONTEXT, model: 'our-model' };
/** What ids of this context end in. */
export const ID = '01890000000070008000000000000001';

/** 5 uncached, 100 read, 7 + 2 written; 11 of text and 4 of thinking; 8.55 micros. */
export const BILLED: Billed = {
  usage: { uncachedInput: 5, cacheRead: 100, cacheWrite5m: 7, cacheWrite1h: 2, outputText: 11, reasoning: 4 },
  picos: 8_550_000n,
  currency: 'USD',
};

export function bytes(body: unknown): Buffer {
  return Buffer.from(JSON.stringify(body));
}

export function responsesBody(change: Readonly<Record<string, unknown>> = {}): ResponsesBody {
  return parseResponsesBody(bytes({ model: 'our-model', input: 'hi', ...change }), MAX_DEPTH);
}

export function promptBody(change: Readonly<Record<string, unknown>> = {}): PromptBody {
  return parsePromptBody(bytes(change), MAX_DEPTH);
}

/** The text of a stream: each event by itself, and the ending. */
export function streamOf(
  events: readonly AnswerEvent[],
  change: Readonly<Record<string, unknown>> = {},
  written: Partial<Written> = {},
): { pieces: string[]; ending: string; text: string } {
  const writer = responsesWriter({ body: responsesBody({ stream: true, ...change }), stored: false, ...written });
  const encoder = writer.encoder(WRITE_CONTEXT);
  const pieces = events.map((event) => encoder.write(event));
  const ending = encoder.ending(BILLED);
  return { pieces, ending, text: pieces.join('') + ending };
}

export type Event = { readonly type: string } & Readonly<Record<string, unknown>>;

/** The events of a stream; fails where a name and its data's type differ, or something is no event. */
export function eventsIn(text: string): Event[] {
  return text
    .split('\n\n')
    .filter((block) => block !== '')
    .map((block) => {
      const [, name, data = ''] = /^event: (.+)\ndata: ([^\r\n]+)$/.exec(block) ?? [];
      const event = JSON.parse(data) as Event;
      if (event.type !== name) throw new Error(`${String(name)} has the data of ${event.type}`);
      return event;
    });
}

/** JSON text of a whole answer that was collected from events. */
export function wholeOf(
  events: readonly AnswerEvent[],
  change: Readonly<Record<string, unknown>> = {},
  written: Partial<Written> = {},
): string {
  return writeWhole(collected(events), change, written);
}

export function writeWhole(
  answer: ChatAnswer,
  change: Readonly<Record<string, unknown>> = {},
  written: Partial<Written> = {},
): string {
  const writer = responsesWriter({ body: responsesBody(change), stored: false, ...written });
  return writer.whole(answer, BILLED, WRITE_CONTEXT);
}

function collected(events: readonly AnswerEvent[]): ChatAnswer {
  const answer = new CollectedAnswer();
  for (const event of events) answer.add(event);
  return answer.answer();
}

export const text = (said: string): AnswerEvent => ({ type: 'text', choice: 0, text: said });
export const thinking = (thought: string): AnswerEvent => ({ type: 'thinking', choice: 0, text: thought });
export const toolStart = (call: number, id: string | null, name: string): AnswerEvent => ({
  ...{ type: 'toolStart', choice: 0, call, id, name },
});
export const toolArguments = (call: number, json: string): AnswerEvent => ({
  ...{ type: 'toolArguments', choice: 0, call, json },
});
export const toolEnd = (call: number): AnswerEvent => ({ type: 'toolEnd', choice: 0, call });
export const finish = (reason: Extract<AnswerEvent, { type: 'finish' }>['reason']): AnswerEvent => ({
  ...{ type: 'finish', choice: 0, reason, stopSequence: null },
});
export const START: AnswerEvent = { type: 'start', id: 'up-1', model: 'provider-model' };
export const END: AnswerEvent = { type: 'end' };

export const CHANNEL: Channel = {
  name: 'first',
  protocol: 'openai',
  upstreamModel: 'provider-model',
  quirks: PLAIN_QUIRKS,
  clientGone: 'cancel',
  drainMaxMs: 0,
  timeouts: { firstByteMs: 1_000, idleMs: 1_000, totalMs: 1_000 },
  cost: null,
};

/** A protocol whose streams are answer events, one on each line, and whose requests are the prompts. */
export const EVENT_LINES: UpstreamProtocol = {
  ask: (prompt) => ({ method: 'POST', path: '/ask', headers: {}, body: bytes(prompt) }),
  streams: () => true,
  decoder(emit) {
    const lines = new JsonLines({
      line: (event) => emit(event as unknown as AnswerEvent),
      fault: (message) => emit({ type: 'failed', error: message }),
    });
    return { feed: (chunk) => lines.feed(chunk), end: () => lines.end() };
  },
  whole: (said, emit) => emit({ type: 'failed', error: said }),
};

export function eventLines(events: readonly AnswerEvent[]): Buffer {
  return Buffer.from(events.map((event) => `${JSON.stringify(event)}\n`).join(''));
}

export async function callOf(
  change: Readonly<Record<string, unknown>> = {},
  stored: OwnResponses | null = null,
): Promise<RelayCall> {
  const raw = bytes({ model: 'our-model', input: 'hi', ...change });
  return await responsesCall(raw, MAX_DEPTH, () => EVENT_LINES, { stored });
}

/** What goes up for a call. */
export async function askedOf(call: RelayCall): Promise<AskedPrompt> {
  const { request } = await call.passage(CHANNEL, CONTEXT);
  return JSON.parse(String(request.body)) as AskedPrompt;
}
