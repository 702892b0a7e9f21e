import { describe, expect, it } from 'vitest';
import type { AnswerEvent, AnswerPart, FinishReason } from '../../../../services/relay/canonical/answer.ts';
import { ollamaWriter } from '../../../../services/relay/dialects/ollama/writer.ts';
import { BILLED, CREATED_AT, linesOf, PNG, WRITING } from './ollamaFixtures.ts';

type Request = Parameters<typeof ollamaWriter>[0];

const CHAT: Request = { kind: 'chat', streamed: true, body: {} };
const GENERATE: Request = { kind: 'generate', streamed: true, body: {} };
const head = { model: 'llama3', created_at: CREATED_AT };
const chatLine = (message: object) => ({
  ...head,
  message: { role: 'assistant', content: '', ...message },
  done: false,
});
const COUNTS = { prompt_eval_count: 9, eval_count: 4 };

/** A clock that shows these nanoseconds, one after the other, and then the last. */
function clock(...readings: number[]): () => number {
  let last = 0;
  return () => (last = readings.shift() ?? last);
}

const text = (value: string): AnswerEvent => ({ type: 'text', choice: 0, text: value });
const thinking = (value: string): AnswerEvent => ({ type: 'thinking', choice: 0, text: value });
const finish = (reason: FinishReason): AnswerEvent => ({ type: 'finish', choice: 0, reason, stopSequence: null });
const START: AnswerEvent = { type: 'start', id: 'x', model: 'vendor/m' };
const tool = (call: number, id: string | null, name: string, ...pieces: string[]): AnswerEvent[] => [
  { type: 'toolStart', choice: 0, call, id, name },
  ...pieces.map((json): AnswerEvent => ({ type: 'toolArguments', choice: 0, call, json })),
  { type: 'toolEnd', choice: 0, call },
];

function stream(request: Request, events: readonly AnswerEvent[], elapsedNs = clock(30, 100)) {
  const encoder = ollamaWriter(request, elapsedNs).encoder(WRITING);
  const before = events.map((event) => encoder.write(event)).join('');
  return { before: linesOf(before), ending: linesOf(encoder.ending(BILLED)) };
}

const times = (prompt: number, answer: number) => ({
  total_duration: prompt + answer,
  load_duration: 0,
  prompt_eval_duration: prompt,
  eval_duration: answer,
});
const done = (reason: string, durations = times(30, 70)) => ({
  ...chatLine({}),
  done: true,
  done_reason: reason,
  ...durations,
  ...COUNTS,
});

describe('A stream of /chat', () => {
  it('is a line for each piece, and the billed counts on the done line', () => {
    const usage: AnswerEvent = { type: 'usage', usage: { input: { uncachedInput: 500 }, output: { outputText: 600 } } };
    expect(
      stream(CHAT, [START, thinking('嗯'), text('你'), text('好'), usage, finish('stop'), { type: 'end' }]),
    ).toEqual({
      before: [chatLine({ thinking: '嗯' }), chatLine({ content: '你' }), chatLine({ content: '好' })],
      ending: [done('stop')],
    });
  });

  it('is bare of everything before the first output, so that another provider may still be asked', () => {
    const silent: AnswerEvent[] = [START, text(''), thinking(''), { type: 'session', platformId: 'p' }, finish('stop')];
    expect(stream(CHAT, silent, clock(100))).toEqual({ before: [], ending: [done('stop', times(100, 0))] });
  });

  it('has all tool calls on one line before the last, arguments as objects', () => {
    const events = [
      ...tool(0, 'c1', 'weather', '{"ci', 'ty":"北京"}'),
      text('One moment.'),
      ...tool(1, null, 'now'),
      finish('tool_calls'),
    ];
    expect(stream(CHAT, events)).toEqual({
      before: [chatLine({ content: 'One moment.' })],
      ending: [
        chatLine({
          tool_calls: [
            { id: 'c1', function: { index: 0, name: 'weather', arguments: { city: '北京' } } },
            { function: { index: 1, name: 'now', arguments: {} } },
          ],
        }),
        done('stop'),
      ],
    });
  });

  it('has an empty object where arguments are no JSON object', () => {
    for (const pieces of [['{"a'], ['[1]'], ['"x"']]) {
      const { ending } = stream(CHAT, tool(0, null, 'now', ...pieces));
      expect(ending[0]).toEqual(chatLine({ tool_calls: [{ function: { index: 0, name: 'now', arguments: {} } }] }));
    }
  });

  it('says a refusal as text, and shows images', () => {
    const events: AnswerEvent[] = [
      { type: 'refusal', choice: 0, text: 'No.' },
      { type: 'image', choice: 0, mime: 'image/png', data: PNG },
    ];
    expect(stream(CHAT, events).before).toEqual([chatLine({ content: 'No.' }), chatLine({ images: [PNG] })]);
  });

  it('leaves out thinking for a client that wants none, proofs of it, and other answers', () => {
    const events: AnswerEvent[] = [
      { type: 'signature', choice: 0, signature: 's' },
      { type: 'redactedThinking', choice: 0, data: 'x' },
      { type: 'text', choice: 1, text: 'other' },
      { type: 'finish', choice: 1, reason: 'length', stopSequence: null },
    ];
    expect(stream(CHAT, events, clock(100))).toEqual({ before: [], ending: [done('stop', times(100, 0))] });
    expect(stream({ ...CHAT, body: { think: false } }, [thinking('hm'), text('x')]).before).toEqual([
      chatLine({ content: 'x' }),
    ]);
    expect(stream({ ...CHAT, body: { think: 'low' } }, [thinking('hm')]).before).toEqual([
      chatLine({ thinking: 'hm' }),
    ]);
  });

  it.each<[FinishReason, string]>([
    ['stop', 'stop'],
    ['length', 'length'],
    ['tool_calls', 'stop'],
    ['content_filter', 'stop'],
    ['refusal', 'stop'],
    ['pause', 'stop'],
  ])('that finished for %s is done for %s', (reason, shown) => {
    expect(stream(CHAT, [text('x'), finish(reason)]).ending).toEqual([done(shown)]);
  });

  it('that its provider broke off ends with an error', () => {
    expect(stream(CHAT, [text('x'), finish('error')]).ending).toEqual([
      { error: 'The provider could not finish its answer.', code: 'AI_SERVICE_ERROR' },
    ]);
  });

  it('has every line break of a text inside its line', () => {
    expect(stream(CHAT, [text('a\nb\r\n\u2028')]).before).toEqual([chatLine({ content: 'a\nb\r\n\u2028' })]);
  });
});

describe('A stream of /generate', () => {
  it('has its text in `response`', () => {
    const image: AnswerEvent = { type: 'image', choice: 0, mime: 'image/png', data: PNG };
    expect(
      stream(GENERATE, [START, thinking('hm'), text('Hi'), image, ...tool(0, 'c', 'now'), finish('length')]),
    ).toEqual({
      before: [
        { ...head, response: '', thinking: 'hm', done: false },
        { ...head, response: 'Hi', done: false },
        { ...head, response: `![image](data:image/png;base64,${PNG})`, done: false },
      ],
      ending: [{ ...head, response: '', done: true, done_reason: 'length', ...times(30, 70), ...COUNTS }],
    });
  });
});

describe('A whole answer', () => {
  const whole = (request: Request, parts: readonly AnswerPart[], reason: FinishReason = 'stop'): unknown => {
    const answer = { id: 'x', model: 'vendor/m', choices: [{ parts, finish: reason, stopSequence: null }] };
    return JSON.parse(ollamaWriter({ ...request, streamed: false }, () => 100).whole(answer, BILLED, WRITING));
  };
  const PARTS: AnswerPart[] = [
    { type: 'thinking', text: 'hm', signature: 's' },
    { type: 'text', text: 'Hi' },
    { type: 'toolCall', id: 'c1', name: 'now', arguments: '{"a":1}', signature: null },
    { type: 'redactedThinking', data: 'x' },
    { type: 'refusal', text: '!' },
    { type: 'image', mime: 'image/png', data: PNG },
  ];
  const end = (reason: string) => ({ done: true, done_reason: reason, ...times(0, 100), ...COUNTS });

  it('of /chat is one message', () => {
    expect(whole(CHAT, PARTS, 'tool_calls')).toEqual({
      ...head,
      message: {
        role: 'assistant',
        content: 'Hi!',
        thinking: 'hm',
        images: [PNG],
        tool_calls: [{ id: 'c1', function: { index: 0, name: 'now', arguments: { a: 1 } } }],
      },
      ...end('stop'),
    });
    expect(whole(CHAT, [])).toEqual({ ...head, message: { role: 'assistant', content: '' }, ...end('stop') });
  });

  it('of /generate is one response', () => {
    expect(whole({ ...GENERATE, body: { think: false } }, PARTS, 'length')).toEqual({
      ...head,
      response: `Hi!\n![image](data:image/png;base64,${PNG})`,
      ...end('length'),
    });
  });

  it('that its provider broke off does not look finished', () => {
    expect(whole(CHAT, [], 'error')).toMatchObject({ done: true, done_reason: 'error' });
  });

  it('counts 0 rather than nothing', () => {
    const writer = ollamaWriter(CHAT, () => 0);
    const answer = { id: null, model: null, choices: [] };
    expect(JSON.parse(writer.whole(answer, { ...BILLED, usage: {} }, WRITING))).toMatchObject({
      prompt_eval_count: 0,
      eval_count: 0,
    });
  });
});
