import { describe, expect, it } from 'vitest';
import type { AnswerEvent } from '../../../../services/relay/canonical/answer.ts';
import { decoded, everyCut, fragment, googleStream, pieces } from './geminiFixtures.ts';

const USAGE = { promptTokenCount: 10, candidatesTokenCount: 5, thoughtsTokenCount: 7, totalTokenCount: 22 };
const GOLDEN = googleStream(
  fragment([{ text: 'Überlegung…', thought: true }], {}, { promptTokenCount: 10, totalTokenCount: 10 }),
  fragment([{ text: '你好' }], {}, { promptTokenCount: 10, candidatesTokenCount: 1, totalTokenCount: 11 }),
  fragment([{ functionCall: { name: 'weather', args: { city: 'Köln' } }, thoughtSignature: 'c2ln' }]),
  fragment([{ text: '' }], { finishReason: 'STOP' }, USAGE),
);
const EVENTS: AnswerEvent[] = [
  { type: 'start', id: 'resp-1', model: 'gemini-2.5-flash' },
  { type: 'usage', usage: { input: { uncachedInput: 10 }, output: {} } },
  { type: 'thinking', choice: 0, text: 'Überlegung…' },
  { type: 'usage', usage: { input: { uncachedInput: 10 }, output: { outputText: 1 } } },
  { type: 'text', choice: 0, text: '你好' },
  { type: 'toolStart', choice: 0, call: 0, id: null, name: 'weather', signature: 'c2ln' },
  { type: 'toolArguments', choice: 0, call: 0, json: '{"city":"Köln"}' },
  { type: 'toolEnd', choice: 0, call: 0 },
  { type: 'usage', usage: { input: { uncachedInput: 10 }, output: { outputText: 5, reasoning: 7 } } },
  { type: 'finish', choice: 0, reason: 'tool_calls', stopSequence: null },
  { type: 'end' },
];
const ERROR = { code: 503, message: 'The model is overloaded.', status: 'UNAVAILABLE' };
const FAILED = { type: 'failed', error: JSON.stringify({ error: ERROR }) };

/** Without the events that open every answer. */
function contentOf(chunks: readonly Buffer[]): AnswerEvent[] {
  return decoded(chunks).filter(({ type }) => type !== 'start' && type !== 'usage');
}

describe('A stream of server-sent events', () => {
  it('gives the same events however its bytes are cut', () => {
    for (const chunks of everyCut(GOLDEN)) expect(decoded(chunks)).toEqual(EVENTS);
  });

  it('gives the same events with bare line feeds, without spaces, with comments and without its last blank line', () => {
    const text = GOLDEN.toString();
    const variants = [
      text.replaceAll('\r\n', '\n'),
      text.replaceAll('data: ', 'data:'),
      text.replaceAll('data: ', ': ping\r\n\r\ndata: '),
      text.trimEnd(),
    ];
    for (const variant of variants) expect(decoded(pieces(Buffer.from(variant), 7))).toEqual(EVENTS);
  });

  it('ends with tool_calls although Google says STOP', () => {
    const call = fragment([{ functionCall: { id: 'c1', name: 'now' } }], { finishReason: 'STOP' });
    expect(contentOf([googleStream(call)])).toEqual([
      { type: 'toolStart', choice: 0, call: 0, id: 'c1', name: 'now' },
      { type: 'toolEnd', choice: 0, call: 0 },
      { type: 'finish', choice: 0, reason: 'tool_calls', stopSequence: null },
      { type: 'end' },
    ]);
  });

  it('counts the calls of parallel functions', () => {
    const calls = fragment([{ functionCall: { name: 'a' } }, { functionCall: { name: 'b' } }]);
    const starts = contentOf([googleStream(calls)]).filter((event) => event.type === 'toolStart');
    expect(starts.map(({ call, name }) => [call, name])).toEqual([
      [0, 'a'],
      [1, 'b'],
    ]);
  });

  it('is not whole when it closes before a finish reason', () => {
    expect(contentOf([googleStream(fragment([{ text: 'Half' }]))])).toEqual([
      { type: 'text', choice: 0, text: 'Half' },
    ]);
  });

  it('is not whole when one of two candidates has no finish reason', () => {
    const both = {
      candidates: [
        { content: { parts: [{ text: 'a' }] }, finishReason: 'STOP' },
        { index: 1, content: { parts: [{ text: 'b' }] } },
      ],
    };
    expect(contentOf([googleStream(both)])).toEqual([
      { type: 'text', choice: 0, text: 'a' },
      { type: 'text', choice: 1, text: 'b' },
      { type: 'finish', choice: 0, reason: 'stop', stopSequence: null },
    ]);
  });

  it('takes a reason that every fragment states for the end only when the stream closes', () => {
    const stop = { finishReason: 'STOP' };
    const events = contentOf([googleStream(fragment([{ text: 'a' }], stop), fragment([{ text: 'b' }], stop))]);
    expect(events.map(({ type }) => type)).toEqual(['text', 'text', 'finish', 'end']);
  });

  it('ignores a [DONE] that a proxy adds', () => {
    expect(decoded([GOLDEN, Buffer.from('data: [DONE]\n\n')])).toEqual(EVENTS);
  });
});

describe('Odd fragments', () => {
  it('survive without candidates, content or parts and with members of wrong types', () => {
    const odd = [
      {},
      { candidates: null },
      { candidates: [null, 3, 'x'] },
      { candidates: [{ content: null }] },
      { candidates: [{ content: {} }] },
      { candidates: [{ content: { parts: [null, 7, { text: 5 }, { functionCall: 'x' }, { functionCall: {} }] } }] },
      { candidates: [{ index: -1, content: { parts: [{ inlineData: null }] } }], usageMetadata: 'none' },
      fragment([{ text: 'ok' }], { finishReason: 'STOP' }),
    ];
    expect(contentOf([googleStream(...odd)])).toEqual([
      { type: 'text', choice: 0, text: 'ok' },
      { type: 'finish', choice: 0, reason: 'stop', stopSequence: null },
      { type: 'end' },
    ]);
  });

  it('give images as images', () => {
    const events = contentOf([googleStream(fragment([{ inlineData: { mimeType: 'image/png', data: 'aGk=' } }]))]);
    expect(events).toEqual([{ type: 'image', choice: 0, mime: 'image/png', data: 'aGk=' }]);
  });

  it.each([
    ['MAX_TOKENS', 'length'],
    ['SAFETY', 'content_filter'],
    ['IMAGE_RECITATION', 'content_filter'],
    ['MALFORMED_FUNCTION_CALL', 'error'],
    ['OTHER', 'error'],
    ['SOMETHING_NEW', 'stop'],
  ])('that finish with %s before any content finish with %s', (stated, reason) => {
    const events = contentOf([googleStream({ candidates: [{ finishReason: stated }] })]);
    expect(events).toEqual([{ type: 'finish', choice: 0, reason, stopSequence: null }, { type: 'end' }]);
  });

  it('that finish with OTHER after content just stop', () => {
    const events = contentOf([googleStream(fragment([{ text: 'a' }], { finishReason: 'OTHER' }))]);
    expect(events.at(-2)).toEqual({ type: 'finish', choice: 0, reason: 'stop', stopSequence: null });
  });
});

describe('A blocked prompt', () => {
  const blocked = {
    promptFeedback: { blockReason: 'SAFETY' },
    usageMetadata: { promptTokenCount: 8, totalTokenCount: 8 },
  };

  it('fails as filtered content, after the usage that is billed all the same', () => {
    expect(decoded([googleStream(blocked)]).slice(1)).toEqual([
      { type: 'usage', usage: { input: { uncachedInput: 8 }, output: {} } },
      {
        type: 'failed',
        error: '{"error":{"code":400,"status":"CONTENT_FILTER","message":"The prompt was blocked: SAFETY"}}',
      },
    ]);
  });

  it('after content is a finish', () => {
    expect(contentOf([googleStream(fragment([{ text: 'a' }]), blocked)]).slice(1)).toEqual([
      { type: 'finish', choice: 0, reason: 'content_filter', stopSequence: null },
      { type: 'end' },
    ]);
  });
});

describe('An error in a stream', () => {
  it.each([
    ['as an event', `data: ${JSON.stringify({ error: ERROR })}\r\n\r\n`],
    ['as an event with an array', `data: ${JSON.stringify([{ error: ERROR }])}\r\n\r\n`],
    ['as bare JSON', JSON.stringify({ error: ERROR })],
    ['as bare JSON over several lines', `${JSON.stringify({ error: ERROR }, null, 2)}\r\n`],
    ['as a bare array', `[${JSON.stringify({ error: ERROR }, null, 2)}\n]`],
  ])('%s fails the answer however its bytes are cut', (_, text) => {
    const stream = Buffer.concat([googleStream(fragment([{ text: 'a' }])), Buffer.from(text)]);
    for (const chunks of everyCut(stream)) {
      expect(contentOf(chunks)).toEqual([{ type: 'text', choice: 0, text: 'a' }, FAILED]);
    }
  });

  it('is read when it follows an event without a blank line between them', () => {
    const text = `data: ${JSON.stringify(fragment([{ text: 'a' }]))}\n${JSON.stringify({ error: ERROR })}`;
    for (const chunks of everyCut(Buffer.from(text))) {
      expect(contentOf(chunks)).toEqual([{ type: 'text', choice: 0, text: 'a' }, FAILED]);
    }
  });

  it('that is only a cut one fails the answer too', () => {
    expect(contentOf([Buffer.from('{"error":{"message":"The mo')])).toEqual([
      { type: 'failed', error: '{"error":{"message":"the stream ended inside an item"}}' },
    ]);
  });

  it('is followed by nothing', () => {
    const stream = googleStream({ error: ERROR }, fragment([{ text: 'late' }], { finishReason: 'STOP' }));
    expect(decoded([stream])).toEqual([FAILED]);
  });

  it('is told for an event that is not JSON', () => {
    expect(decoded([Buffer.from('data: <html>\n\n')])).toEqual([
      { type: 'failed', error: '{"error":{"message":"an event was not JSON"}}' },
    ]);
  });
});

describe('A stream that is a JSON array', () => {
  const items = GOLDEN.toString()
    .split('\r\n\r\n')
    .filter((event) => event !== '')
    .map((event) => JSON.stringify(JSON.parse(event.slice('data: '.length)), null, 2));
  const array = Buffer.from(`[${items.join('\n,\r\n')}\n]\n`);

  it('is cut by brackets and quotes, not by lines, wherever its bytes are cut', () => {
    for (const chunks of everyCut(array)) expect(decoded(chunks)).toEqual(EVENTS);
  });

  it('may have brackets, quotes and backslashes in its texts', () => {
    const text = 'a }] \\" { [ \\';
    const stream = Buffer.from(`[${JSON.stringify(fragment([{ text }], { finishReason: 'STOP' }))}]`);
    for (const chunks of everyCut(stream)) expect(contentOf(chunks)[0]).toEqual({ type: 'text', choice: 0, text });
  });
});
