import { describe, expect, it } from 'vitest';
import type { AnswerEvent, FinishReason } from '../../../../services/relay/canonical/answer.ts';
import { CollectedAnswer } from '../../../../services/relay/canonical/collectAnswer.ts';
import { chatWriter, type ChatWriting } from '../../../../services/relay/dialects/openai/chatWriter.ts';
import { OPENAI_FACE } from '../../../../services/relay/dialects/openai/face.ts';
import { chatRequest, eventsOf } from '../chatFixtures.ts';
import { BILLED, BILLED_USAGE, CONTEXT } from './canonicalFixtures.ts';

const MODEL = 'gpt-5-mini';
const OUR_ID = 'chatcmpl-0198c0de000070008000000000000001';
const DONE = 'data: [DONE]\n\n';
const functions = chatRequest({ functions: [{ name: 'f' }] }).body;

const text = (said: string, choice = 0): AnswerEvent => ({ type: 'text', choice, text: said });
const finish = (reason: FinishReason, choice = 0): AnswerEvent => ({
  type: 'finish',
  choice,
  reason,
  stopSequence: null,
});
const toolStart = (call: number, id: string | null = 'call_a'): AnswerEvent => ({
  type: 'toolStart',
  choice: 0,
  call,
  id,
  name: 'f',
});
const toolArguments = (call: number, json: string): AnswerEvent => ({ type: 'toolArguments', choice: 0, call, json });
const toolEnd = (call: number): AnswerEvent => ({ type: 'toolEnd', choice: 0, call });
const refusal: AnswerEvent = { type: 'refusal', choice: 0, text: 'No.' };

function write(events: readonly AnswerEvent[], more: Partial<ChatWriting> = {}): { pieces: string[]; ending: string } {
  const encoder = chatWriter({ streamed: true, usageWanted: false, model: MODEL, ...more }).encoder(CONTEXT);
  return { pieces: events.map((event) => encoder.write(event)), ending: encoder.ending(BILLED) };
}

interface Chunk {
  readonly choices: readonly {
    readonly index: number;
    readonly delta: unknown;
    readonly finish_reason: string | null;
  }[];
}

function chunksOf(sse: string): readonly Chunk[] {
  return eventsOf(sse.replace(DONE, '')) as readonly Chunk[];
}

/** The deltas of all chunks, the finish chunks aside. */
function deltas(...events: readonly AnswerEvent[]): unknown[] {
  return chunksOf(write(events).pieces.join('')).flatMap(({ choices }) => choices.map(({ delta }) => delta));
}

function finishes(...events: readonly AnswerEvent[]): unknown[] {
  const chunks = chunksOf(write(events).ending).flatMap(({ choices }) => choices);
  return chunks.filter((choice) => choice.finish_reason !== null).map((choice) => choice.finish_reason);
}

function whole(events: readonly AnswerEvent[], more: Partial<ChatWriting> = {}): string {
  const collected = new CollectedAnswer();
  for (const event of events) collected.add(event);
  return chatWriter({ streamed: false, usageWanted: false, model: MODEL, ...more }).whole(
    collected.answer(),
    BILLED,
    CONTEXT,
  );
}

function choiceOf(...events: readonly AnswerEvent[]): unknown {
  return (JSON.parse(whole(events)) as { choices: unknown[] }).choices[0];
}

describe('A stream for a client of chats', () => {
  it('has one id, time and model on every chunk, the role first, and its end apart', () => {
    const { pieces, ending } = write([
      { type: 'start', id: 'msg_1', model: 'theirs' },
      text('hi'),
      text('!'),
      finish('stop'),
    ]);
    const chunk = (choice: string) =>
      `data: {"id":"${OUR_ID}","object":"chat.completion.chunk","created":1763630000,"model":"${MODEL}","choices":[${choice}]}\n\n`;
    expect(pieces).toEqual([
      '',
      chunk('{"index":0,"delta":{"role":"assistant","content":""},"finish_reason":null}') +
        chunk('{"index":0,"delta":{"content":"hi"},"finish_reason":null}'),
      chunk('{"index":0,"delta":{"content":"!"},"finish_reason":null}'),
      '',
    ]);
    expect(ending).toBe(chunk('{"index":0,"delta":{},"finish_reason":"stop"}') + DONE);
  });

  it('shows usage with its exact cost only to a client that wants it', () => {
    const { pieces, ending } = write([text('hi'), finish('stop')], { usageWanted: true });
    expect(chunksOf(pieces.join(''))).toEqual([
      expect.objectContaining({ usage: null }),
      expect.objectContaining({ usage: null }),
    ]);
    expect(ending.endsWith(`"model":"${MODEL}","choices":[],${BILLED_USAGE}}\n\n${DONE}`)).toBe(true);
    expect(write([text('hi')]).ending).not.toContain('usage');
  });

  it('keeps the id of an upstream of this dialect', () => {
    const { pieces } = write([{ type: 'start', id: 'chatcmpl-9', model: null }, text('hi')]);
    expect(pieces[1]).toContain('{"id":"chatcmpl-9",');
    expect(write([{ type: 'start', id: 'chatcmpl-"\n', model: null }, text('hi')]).pieces[1]).toContain(OUR_ID);
  });

  it('has an end also when nothing was said', () => {
    const { pieces, ending } = write([finish('length')]);
    expect(pieces).toEqual(['']);
    expect(chunksOf(ending).map(({ choices }) => choices[0])).toEqual([
      { index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null },
      { index: 0, delta: {}, finish_reason: 'length' },
    ]);
    expect(chunksOf(write([]).ending)).toHaveLength(2);
  });

  it('carries everything that the dialect has a place for', () => {
    expect(
      deltas(
        { type: 'session', platformId: 'p' },
        { type: 'thinking', choice: 0, text: 'hm' },
        { type: 'signature', choice: 0, signature: 's' },
        { type: 'redactedThinking', choice: 0, data: 'x' },
        text(''),
        refusal,
        { type: 'image', choice: 0, mime: 'image/png', data: 'QUJD' },
        { type: 'usage', usage: { input: null, output: null } },
        { type: 'end' },
      ),
    ).toEqual([
      { role: 'assistant', content: '' },
      { reasoning_content: 'hm' },
      { refusal: 'No.' },
      { images: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,QUJD' } }] },
    ]);
  });

  it('has tool calls as start and pieces, with ids of our own where there are none', () => {
    const signed = { ...toolStart(1, null), signature: 'sig' } as AnswerEvent;
    expect(
      deltas(
        toolStart(0),
        toolArguments(0, '{"x"'),
        toolArguments(0, ''),
        toolArguments(0, ':1}'),
        toolEnd(0),
        signed,
        toolEnd(1),
      ),
    ).toEqual([
      { role: 'assistant', content: '' },
      { tool_calls: [{ index: 0, id: 'call_a', type: 'function', function: { name: 'f', arguments: '' } }] },
      { tool_calls: [{ index: 0, function: { arguments: '{"x"' } }] },
      { tool_calls: [{ index: 0, function: { arguments: ':1}' } }] },
      {
        tool_calls: [
          {
            index: 1,
            id: 'call_0198c0de000070008000000000000001_1',
            type: 'function',
            function: { name: 'f', arguments: '' },
            extra_content: { google: { thought_signature: 'sig' } },
          },
        ],
      },
      { tool_calls: [{ index: 1, function: { arguments: '{}' } }] },
    ]);
  });

  it('ends every choice', () => {
    const { ending } = write([text('a', 1), text('b', 0), finish('length', 1), finish('stop')]);
    expect(chunksOf(ending).map(({ choices }) => [choices[0]?.index, choices[0]?.finish_reason])).toEqual([
      [1, 'length'],
      [0, 'stop'],
    ]);
  });

  it.each<[FinishReason, string]>([
    ['stop', 'stop'],
    ['length', 'length'],
    ['content_filter', 'content_filter'],
    ['refusal', 'content_filter'],
    ['pause', 'stop'],
    ['tool_calls', 'stop'],
    ['error', 'error'],
  ])('that ends by %s says %s', (reason, written) => {
    expect(finishes(text('a'), finish(reason))).toEqual([written]);
  });

  it('says that tools were called when they were, and stops after a refusal that was told', () => {
    expect(finishes(toolStart(0), toolEnd(0), finish('stop'))).toEqual(['tool_calls']);
    expect(finishes(refusal, finish('refusal'))).toEqual(['stop']);
  });

  it('has one function call for a client of the functions of old', () => {
    const events = [
      toolStart(0),
      toolArguments(0, '{}'),
      toolEnd(0),
      toolStart(1),
      toolArguments(1, '{}'),
      toolEnd(1),
      finish('tool_calls'),
    ];
    const { pieces, ending } = write(events, { body: functions });
    expect(chunksOf(pieces.join('')).map(({ choices }) => choices[0]?.delta)).toEqual([
      { role: 'assistant', content: '' },
      { function_call: { name: 'f', arguments: '' } },
      { function_call: { arguments: '{}' } },
    ]);
    expect(ending).toContain('"finish_reason":"function_call"');
  });
});

describe('A whole chat completion', () => {
  it('says what the stream would, with its exact cost', () => {
    expect(whole([{ type: 'start', id: 'msg_1', model: 'theirs' }, text('hi'), finish('stop')])).toBe(
      `{"id":"${OUR_ID}","object":"chat.completion","created":1763630000,"model":"${MODEL}","choices":[` +
        '{"index":0,"message":{"role":"assistant","content":"hi","refusal":null},"logprobs":null,"finish_reason":"stop"}' +
        `],${BILLED_USAGE}}`,
    );
  });

  it('has null for content beside tool calls', () => {
    expect(choiceOf(toolStart(0, null), toolEnd(0), finish('stop'))).toMatchObject({
      message: {
        content: null,
        tool_calls: [
          { id: 'call_0198c0de000070008000000000000001_0', type: 'function', function: { name: 'f', arguments: '{}' } },
        ],
      },
      finish_reason: 'tool_calls',
    });
  });

  it('has thinking, images and refusals', () => {
    const image: AnswerEvent = { type: 'image', choice: 0, mime: 'image/png', data: 'QUJD' };
    expect(choiceOf({ type: 'thinking', choice: 0, text: 'hm' }, image, finish('stop'))).toMatchObject({
      message: {
        content: '',
        reasoning_content: 'hm',
        images: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,QUJD' } }],
      },
    });
    expect(choiceOf(refusal, finish('refusal'))).toMatchObject({
      message: { content: null, refusal: 'No.' },
      finish_reason: 'stop',
    });
  });

  it('has every choice by its number', () => {
    const { choices } = JSON.parse(whole([text('b', 1), text('a')])) as { choices: unknown[] };
    expect(choices).toMatchObject([
      { index: 0, message: { content: 'a' } },
      { index: 1, message: { content: 'b' } },
    ]);
  });

  it('has one function call for a client of the functions of old', () => {
    const answer = whole([toolStart(0), toolEnd(0), finish('tool_calls')], { body: functions });
    expect(answer).toContain('"function_call":{"name":"f","arguments":"{}"}');
    expect(answer).toContain('"finish_reason":"function_call"');
    expect(answer).not.toContain('tool_calls');
  });

  it('states every kind of token', () => {
    const usage = {
      uncachedInput: 1,
      cacheRead: 2,
      cacheWrite5m: 3,
      cacheWrite1h: 4,
      audioInput: 5,
      imageInput: 6,
      outputText: 7,
      reasoning: 8,
      audioOutput: 9,
      imageOutput: 10,
    };
    const text = chatWriter({ streamed: false, usageWanted: false, model: MODEL }).whole(
      new CollectedAnswer().answer(),
      { ...BILLED, usage },
      CONTEXT,
    );
    expect(JSON.parse(text)).toMatchObject({
      usage: {
        prompt_tokens: 21,
        completion_tokens: 34,
        total_tokens: 55,
        prompt_tokens_details: { cached_tokens: 2, cache_write_tokens: 7, audio_tokens: 5, image_tokens: 6 },
        completion_tokens_details: { reasoning_tokens: 8, audio_tokens: 9, image_tokens: 10 },
      },
    });
  });
});

describe('The face of OpenAI', () => {
  it('keeps a stream open with comments, and tells errors as data', () => {
    expect(OPENAI_FACE.keepAlive).toBe(': ping\n\n');
    expect(OPENAI_FACE.errorEvent('{"error":{}}')).toBe('data: {"error":{}}\n\n');
  });
});
