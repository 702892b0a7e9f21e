import { describe, expect, it } from 'vitest';
import type { AnswerEvent, ChatAnswer } from '../../../../services/relay/canonical/answer.ts';
import { GEMINI_ARRAY_FACE, GEMINI_SSE_FACE } from '../../../../services/relay/dialects/gemini/face.ts';
import type { Framing } from '../../../../services/relay/dialects/gemini/itemFraming.ts';
import { geminiWriter } from '../../../../services/relay/dialects/gemini/writer.ts';
import { billed, CONTEXT } from './geminiFixtures.ts';

const USAGE = { uncachedInput: 4, outputText: 2, reasoning: 3 };
const METADATA = { promptTokenCount: 4, candidatesTokenCount: 2, thoughtsTokenCount: 3, totalTokenCount: 9 };
const NAMES = { modelVersion: 'gemini-2.5-flash', responseId: '0190aaaabbbb' };

const START: AnswerEvent = { type: 'start', id: 'chatcmpl-1', model: 'gpt-5' };
const FINISH: AnswerEvent = { type: 'finish', choice: 0, reason: 'stop', stopSequence: null };
const say = (text: string, choice = 0): AnswerEvent => ({ type: 'text', choice, text });

function item(parts: readonly object[], more: object = {}, index = 0): object {
  return { candidates: [{ content: { parts, role: 'model' }, ...more, index }], ...NAMES };
}
const LAST = {
  candidates: [{ content: { parts: [{ text: '' }], role: 'model' }, finishReason: 'STOP', index: 0 }],
  usageMetadata: METADATA,
  ...NAMES,
};

function written(framing: Framing, events: readonly AnswerEvent[], thoughtsShown = false): string[] {
  const encoder = geminiWriter({ framing, thoughtsShown }).encoder(CONTEXT);
  return [...events.map((event) => encoder.write(event)), encoder.ending(billed(USAGE))];
}

/** Reads events as Google's SDK does: each block begins with `data: `, and nothing is left over. */
function eventsOf(text: string): unknown[] {
  const blocks = text.split('\r\n\r\n');
  expect(blocks.pop()).toBe('');
  return blocks.map((block) => {
    expect(block).toMatch(/^data: [^\r\n]*$/);
    return JSON.parse(block.slice('data: '.length)) as unknown;
  });
}

describe('A stream of server-sent events for a Gemini client', () => {
  it('has only data, nothing for a start alone, and finish and usage in the last event', () => {
    const [start, first, second, finish, ending] = written('sse', [START, say('你'), say('好'), FINISH]);
    expect([start, finish]).toEqual(['', '']);
    expect(eventsOf(`${first ?? ''}${second ?? ''}`)).toEqual([item([{ text: '你' }]), item([{ text: '好' }])]);
    expect(eventsOf(ending ?? '')).toEqual([LAST]);
    expect(ending).not.toContain('[DONE]');
  });

  it('has calls as whole parts, with the signature that proves them', () => {
    const events: AnswerEvent[] = [
      { type: 'toolStart', choice: 0, call: 0, id: 'c1', name: 'f', signature: 'c2ln' },
      { type: 'toolArguments', choice: 0, call: 0, json: '{"a"' },
      { type: 'toolArguments', choice: 0, call: 0, json: ':1}' },
      { type: 'toolEnd', choice: 0, call: 0 },
      { type: 'toolStart', choice: 0, call: 1, id: null, name: 'g' },
      { type: 'toolArguments', choice: 0, call: 1, json: '{"broken' },
      { type: 'finish', choice: 0, reason: 'tool_calls', stopSequence: null },
    ];
    expect(eventsOf(written('sse', events).join(''))).toEqual([
      item([{ functionCall: { id: 'c1', name: 'f', args: { a: 1 } }, thoughtSignature: 'c2ln' }]),
      item([{ functionCall: { name: 'g', args: {} } }]),
      LAST,
    ]);
  });

  it('shows thoughts only to a client that asked for them', () => {
    const thinking: AnswerEvent = { type: 'thinking', choice: 0, text: 'Hm.' };
    const signature: AnswerEvent = { type: 'signature', choice: 0, signature: 's' };
    const hidden = eventsOf(written('sse', [thinking, signature, FINISH]).join(''));
    expect(hidden).toEqual([LAST]);
    const shown = eventsOf(written('sse', [thinking, signature, FINISH], true).join(''));
    expect(shown).toEqual([item([{ text: 'Hm.', thought: true }]), LAST]);
  });

  it('has refusals as text, images inline and candidates by their number', () => {
    const events: AnswerEvent[] = [
      { type: 'refusal', choice: 1, text: 'No.' },
      { type: 'image', choice: 0, mime: 'image/png', data: 'aGk=' },
      { type: 'finish', choice: 1, reason: 'refusal', stopSequence: null },
      { type: 'finish', choice: 0, reason: 'length', stopSequence: null },
    ];
    const shown = eventsOf(written('sse', events).join(''));
    expect(shown.slice(0, 2)).toEqual([
      item([{ text: 'No.' }], {}, 1),
      item([{ inlineData: { mimeType: 'image/png', data: 'aGk=' } }]),
    ]);
    expect(shown[2]).toMatchObject({
      candidates: [{ finishReason: 'MAX_TOKENS' }, { finishReason: 'SAFETY', index: 1 }],
    });
  });

  it('tells an error as bare JSON in one piece, as the SDK looks for it, and stays open with comments apart', () => {
    expect(GEMINI_SSE_FACE.errorEvent('{"error":{}}')).toBe('{"error":{}}\r\n\r\n');
    expect(GEMINI_SSE_FACE.keepAlive).toBe(': ping\r\n\r\n');
  });
});

describe('A stream without server-sent events for a Gemini client', () => {
  it('is one JSON array', () => {
    const text = written('array', [START, say('a\nb'), say('c'), FINISH]).join('');
    expect(JSON.parse(text)).toEqual([item([{ text: 'a\nb' }]), item([{ text: 'c' }]), LAST]);
    expect(text.startsWith('[{')).toBe(true);
    expect(text.split(',\n')).toHaveLength(3);
  });

  it('is an array even when it has nothing but its end', () => {
    expect(JSON.parse(written('array', [START]).join(''))).toEqual([LAST]);
  });

  it('is closed by an error too', () => {
    const [, first = ''] = written('array', [START, say('a')]);
    const text = first + GEMINI_ARRAY_FACE.errorEvent('{"error":{"code":503}}');
    expect(JSON.parse(text)).toEqual([item([{ text: 'a' }]), { error: { code: 503 } }]);
  });

  it('has no status line before its first item, because nothing could keep it open', () => {
    expect(GEMINI_ARRAY_FACE).toMatchObject({ streamType: null, keepAlive: null });
  });
});

describe('A whole answer for a Gemini client', () => {
  const answer: ChatAnswer = {
    id: 'chatcmpl-1',
    model: 'gpt-5',
    choices: [
      {
        parts: [
          { type: 'thinking', text: 'Hm.', signature: 's' },
          { type: 'text', text: 'Hi' },
          { type: 'toolCall', id: 'c1', name: 'f', arguments: '{}', signature: null },
        ],
        finish: 'tool_calls',
        stopSequence: null,
      },
      { parts: [], finish: 'content_filter', stopSequence: null },
    ],
  };

  it('has its parts, reasons and the billed counts, and no cost', () => {
    const text = geminiWriter({ framing: 'whole', thoughtsShown: false }).whole(answer, billed(USAGE), CONTEXT);
    expect(JSON.parse(text)).toEqual({
      candidates: [
        {
          content: { parts: [{ text: 'Hi' }, { functionCall: { id: 'c1', name: 'f', args: {} } }], role: 'model' },
          finishReason: 'STOP',
          index: 0,
        },
        { content: { parts: [{ text: '' }], role: 'model' }, finishReason: 'SAFETY', index: 1 },
      ],
      usageMetadata: METADATA,
      ...NAMES,
    });
  });

  it('has thoughts for a client that asked for them', () => {
    const text = geminiWriter({ framing: 'whole', thoughtsShown: true }).whole(answer, billed(USAGE), CONTEXT);
    expect(text).toContain('{"text":"Hm.","thought":true}');
  });
});
