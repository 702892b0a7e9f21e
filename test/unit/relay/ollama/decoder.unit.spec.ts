import { describe, expect, it } from 'vitest';
import { ollamaProtocol } from '../../../../services/relay/dialects/ollama/upstream.ts';
import { cuts, decoded, JSON_TYPE, ndjson, NDJSON, wholeEvents } from './ollamaFixtures.ts';

const at = { model: 'llama3', created_at: '2025-11-20T12:00:00.123456789Z' };
const line = (message: object, more: object = {}) => ({
  ...at,
  message: { role: 'assistant', content: '', ...message },
  done: false,
  ...more,
});
const DONE = line({}, { done: true, done_reason: 'stop', prompt_eval_count: 26, eval_count: 3, total_duration: 5 });
const WEATHER = { id: 'call_7', function: { index: 0, name: 'weather', arguments: { city: '北京', days: 2 } } };
const STREAM = ndjson(
  line({ thinking: '嗯' }),
  line({ content: '你' }),
  line({ content: '好' }),
  line({ tool_calls: [WEATHER] }),
  DONE,
);

const START = { type: 'start', id: null, model: 'llama3' };
const FINISH = { type: 'finish', choice: 0, reason: 'stop', stopSequence: null };
const END = { type: 'end' };
const text = (value: string) => ({ type: 'text', choice: 0, text: value });
const usage = (input: object | null, output: object | null) => ({ type: 'usage', usage: { input, output } });
const EVENTS = [
  START,
  { type: 'thinking', choice: 0, text: '嗯' },
  text('你'),
  text('好'),
  { type: 'toolStart', choice: 0, call: 0, id: 'call_7', name: 'weather' },
  { type: 'toolArguments', choice: 0, call: 0, json: '{"city":"北京","days":2}' },
  { type: 'toolEnd', choice: 0, call: 0 },
  usage({ uncachedInput: 26 }, { outputText: 3 }),
  { ...FINISH, reason: 'tool_calls' },
  END,
];

describe('An Ollama stream', () => {
  it('gives the same events however its bytes are cut', () => {
    for (const pieces of [[STREAM], ...cuts(STREAM)]) expect(decoded(pieces)).toEqual(EVENTS);
  });

  it('gives the same events with CRLF, empty lines, and without the end of its last line', () => {
    const crlf = Buffer.from(STREAM.toString().replaceAll('\n', '\r\n\r\n'));
    for (const pieces of [[crlf], ...cuts(crlf)]) expect(decoded(pieces)).toEqual(EVENTS);
    expect(decoded([STREAM.subarray(0, -1)])).toEqual(EVENTS);
  });

  it('keeps the content of the done line', () => {
    const last = { ...DONE, message: { role: 'assistant', content: '!' } };
    expect(decoded([ndjson(line({ content: 'Hi' }), last)])).toEqual([
      START,
      text('Hi'),
      text('!'),
      usage({ uncachedInput: 26 }, { outputText: 3 }),
      FINISH,
      END,
    ]);
  });

  it('numbers tool calls over lines, and takes one without id or arguments', () => {
    const calls = [{ function: { name: 'a', arguments: {} } }, { function: { name: 'b' } }];
    const events = decoded([ndjson(line({ tool_calls: calls }), line({ tool_calls: [WEATHER] }), DONE)]);
    expect(events.filter(({ type }) => type.startsWith('tool'))).toEqual([
      { type: 'toolStart', choice: 0, call: 0, id: null, name: 'a' },
      { type: 'toolArguments', choice: 0, call: 0, json: '{}' },
      { type: 'toolEnd', choice: 0, call: 0 },
      { type: 'toolStart', choice: 0, call: 1, id: null, name: 'b' },
      { type: 'toolEnd', choice: 0, call: 1 },
      { type: 'toolStart', choice: 0, call: 2, id: 'call_7', name: 'weather' },
      { type: 'toolArguments', choice: 0, call: 2, json: '{"city":"北京","days":2}' },
      { type: 'toolEnd', choice: 0, call: 2 },
    ]);
  });

  it.each([
    ['length', 'length'],
    ['stop', 'stop'],
    ['load', 'stop'],
    ['unload', 'stop'],
    [undefined, 'stop'],
    [7, 'stop'],
  ])('that ends for %s has the finish reason %s', (stated, reason) => {
    const events = decoded([ndjson(line({ content: 'x' }), { ...DONE, done_reason: stated })]);
    expect(events.at(-2)).toEqual({ ...FINISH, reason });
  });

  it('that was cut at its limit is not said to end for its tool calls', () => {
    const events = decoded([ndjson(line({ tool_calls: [WEATHER] }), { ...DONE, done_reason: 'length' })]);
    expect(events.at(-2)).toEqual({ ...FINISH, reason: 'length' });
  });

  it('that states an error fails with it, and nothing follows', () => {
    expect(decoded([ndjson(line({ content: 'x' }), { error: 'model runner has stopped' }, DONE)])).toEqual([
      START,
      text('x'),
      { type: 'failed', error: '{"error":"model runner has stopped"}' },
    ]);
  });

  it('whose lines are no JSON fails once', () => {
    expect(decoded([ndjson('<html>', '</html>', DONE)])).toEqual([
      { type: 'failed', error: '{"error":"a line was not a JSON object"}' },
    ]);
  });

  it('that is cut before its done line has no end', () => {
    expect(decoded([ndjson(line({ content: 'x' }))])).toEqual([START, text('x')]);
    expect(decoded([])).toEqual([]);
  });

  it('is over after the done line', () => {
    expect(decoded([ndjson(DONE, line({ content: 'late' }), { error: 'late' })])).toEqual([
      START,
      usage({ uncachedInput: 26 }, { outputText: 3 }),
      FINISH,
      END,
    ]);
  });

  it('may lack or garble every member', () => {
    const odd = [
      {},
      { message: null },
      { message: [] },
      { message: { content: 7, thinking: {}, tool_calls: 'x' } },
      { message: { tool_calls: [null, 1, { function: null }] }, error: null, model: 3 },
      { message: { tool_calls: [{ id: 9, function: { name: 8, arguments: '{"a"' } }] } },
    ];
    expect(decoded([ndjson(...odd)])).toEqual([
      { type: 'start', id: null, model: null },
      { type: 'toolStart', choice: 0, call: 0, id: null, name: '' },
      { type: 'toolEnd', choice: 0, call: 0 },
      { type: 'toolStart', choice: 0, call: 1, id: null, name: '' },
      { type: 'toolArguments', choice: 0, call: 1, json: '{"a"' },
      { type: 'toolEnd', choice: 0, call: 1 },
    ]);
  });
});

describe('The counts of a done line', () => {
  const reported = (counts: object, content = 'x') => {
    const done = line({}, { done: true, ...counts });
    return decoded([ndjson(line({ content }), done)]).find(({ type }) => type === 'usage');
  };

  it('were not reported for a prompt when they are missing or 0', () => {
    expect(reported({ eval_count: 3 })).toEqual(usage(null, { outputText: 3 }));
    expect(reported({ eval_count: 3, prompt_eval_count: 0 })).toEqual(usage(null, { outputText: 3 }));
  });

  it('were not reported for an answer with content when they are missing or 0', () => {
    expect(reported({ prompt_eval_count: 9 })).toEqual(usage({ uncachedInput: 9 }, null));
    expect(reported({ prompt_eval_count: 9, eval_count: 0 })).toEqual(usage({ uncachedInput: 9 }, null));
  });

  it('are 0 for an empty answer that leaves them out', () => {
    expect(reported({ prompt_eval_count: 9 }, '')).toEqual(usage({ uncachedInput: 9 }, {}));
    expect(reported({ prompt_eval_count: 9, eval_count: 0 }, '')).toEqual(usage({ uncachedInput: 9 }, {}));
  });

  it.each([-1, 1.5, '3', [3], {}, true, 2 ** 53])('count as not reported when they are %j', (count) => {
    expect(reported({ prompt_eval_count: count, eval_count: count })).toEqual(usage(null, null));
    expect(reported({ prompt_eval_count: count, eval_count: count }, '')).toEqual(usage(null, null));
  });

  it('count an answer of nothing but thinking or tool calls as one with content', () => {
    const done = line({}, { done: true, prompt_eval_count: 9 });
    for (const message of [{ thinking: 'hm' }, { tool_calls: [WEATHER] }]) {
      const events = decoded([ndjson(line(message), done)]);
      expect(events.find(({ type }) => type === 'usage')).toEqual(usage({ uncachedInput: 9 }, null));
    }
  });
});

describe('A whole Ollama answer', () => {
  const ANSWER = { ...DONE, message: { role: 'assistant', content: 'Hi', thinking: 'hm', tool_calls: [WEATHER] } };
  const ANSWERED = [
    START,
    { type: 'thinking', choice: 0, text: 'hm' },
    text('Hi'),
    ...EVENTS.slice(4, 7),
    usage({ uncachedInput: 26 }, { outputText: 3 }),
    { ...FINISH, reason: 'tool_calls' },
    END,
  ];

  it('gives its events, on one line or many', () => {
    expect(wholeEvents(JSON.stringify(ANSWER))).toEqual(ANSWERED);
    expect(wholeEvents(JSON.stringify(ANSWER, null, 2))).toEqual(ANSWERED);
  });

  it('is done although it does not say so, but not when it says that it is not', () => {
    const { done: _done, ...silent } = ANSWER;
    expect(wholeEvents(JSON.stringify(silent))).toEqual(ANSWERED);
    expect(wholeEvents(JSON.stringify({ ...ANSWER, done: false }))).toEqual(ANSWERED.slice(0, -3));
  });

  it('is read from the lines of a stream that bears another content type', () => {
    expect(wholeEvents(STREAM.toString().trim())).toEqual(EVENTS);
  });

  it('fails with the error that it states', () => {
    expect(wholeEvents('{"error":"model \\"x\\" not found, try pulling it first"}')).toEqual([
      { type: 'failed', error: '{"error":"model \\"x\\" not found, try pulling it first"}' },
    ]);
  });

  it.each(['', 'null', '[]', '{}', '{"status":"ok"}', '<html>502</html>', '{"message":{}', '{"message":"busy"}'])(
    'that is none, %j, fails with its text',
    (body) => expect(wholeEvents(body)).toEqual([{ type: 'failed', error: body }]),
  );

  it('that is none and long fails with an excerpt', () => {
    expect(wholeEvents('x'.repeat(100_000))).toEqual([{ type: 'failed', error: 'x'.repeat(65_536) }]);
  });
});

describe('The content type of an answer', () => {
  it.each([
    [NDJSON, true],
    [{ 'content-type': 'Application/X-NDJSON; charset=utf-8' }, true],
    [{ 'content-type': 'application/jsonl' }, true],
    [JSON_TYPE, false],
    [{ 'content-type': 'text/html' }, false],
    [{}, false],
  ])('tells whether %j is a stream', (headers, streams) => expect(ollamaProtocol.streams(headers)).toBe(streams));
});
