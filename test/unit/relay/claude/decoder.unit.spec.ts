import { describe, expect, it } from 'vitest';
import type { AnswerEvent } from '../../../../services/relay/canonical/answer.ts';
import { claudeProtocol } from '../../../../services/relay/dialects/claude/upstream.ts';
import * as the from './fixtures.ts';
import { begun, channel, cuts, decoded, ended, GOLDEN, json, start, stop, STOPPED, stream, text } from './fixtures.ts';

const usage = (input: object | null, output: object | null) => ({ type: 'usage', usage: { input, output } });
const INPUT = { uncachedInput: 25, cacheRead: 100 };

const GOLDEN_EVENTS = [
  { type: 'start', id: 'msg_01', model: the.UPSTREAM_MODEL },
  usage(INPUT, null),
  { type: 'thinking', choice: 0, text: 'Über 天气…' },
  { type: 'signature', choice: 0, signature: 'c2ln' },
  { type: 'text', choice: 0, text: '你好 ' },
  { type: 'text', choice: 0, text: '👋' },
  { type: 'toolStart', choice: 0, call: 0, id: 'toolu_01', name: 'weather' },
  { type: 'toolArguments', choice: 0, call: 0, json: '{"ci' },
  { type: 'toolArguments', choice: 0, call: 0, json: 'ty":"北京"}' },
  { type: 'toolEnd', choice: 0, call: 0 },
  usage(INPUT, { outputText: 12, reasoning: 3 }),
  { type: 'finish', choice: 0, reason: 'tool_calls', stopSequence: null },
  { type: 'end' },
];

const of = (type: AnswerEvent['type'], events: readonly AnswerEvent[]) => events.filter((event) => event.type === type);
const whole = (answer: unknown) => {
  const events: AnswerEvent[] = [];
  const given = typeof answer === 'string' ? answer : JSON.stringify(answer);
  claudeProtocol.whole(given, (event) => events.push(event), channel());
  return events;
};

describe('A stream of Claude', () => {
  it('is read the same however its bytes are cut', () => {
    for (const pieces of cuts(Buffer.from(stream(...GOLDEN)))) expect(decoded(pieces)).toEqual(GOLDEN_EVENTS);
  });

  it('is read the same with CRLF, without a space after the colon, and without its last blank line', () => {
    const given = stream(...GOLDEN);
    for (const pieces of cuts(Buffer.from(given.replaceAll('\n', '\r\n')))) {
      expect(decoded(pieces)).toEqual(GOLDEN_EVENTS);
    }
    expect(decoded([given.replaceAll('data: ', 'data:')])).toEqual(GOLDEN_EVENTS);
    expect(decoded([given.trimEnd()])).toEqual(GOLDEN_EVENTS);
    expect(decoded([`\uFEFF: hello\n\n${given}data: [DONE]\n\n`])).toEqual(GOLDEN_EVENTS);
  });

  it('is read by what its data call themselves when the names are missing', () => {
    expect(decoded([stream(...GOLDEN).replaceAll(/event: .*\n/g, '')])).toEqual(GOLDEN_EVENTS);
  });

  it('counts tool calls from 0, whatever the number of their block', () => {
    const tool = (index: number, name: string) => [
      start(index, { type: 'tool_use', id: `toolu_${name}`, name, input: {} }),
      stop(index),
    ];
    const events = decoded([stream(begun(), ...tool(3, 'a'), ...tool(5, 'b'), ended('tool_use'), STOPPED)]);
    expect(of('toolStart', events)).toMatchObject([
      { call: 0, name: 'a' },
      { call: 1, name: 'b' },
    ]);
    expect(of('toolEnd', events)).toMatchObject([{ call: 0 }, { call: 1 }]);
  });

  it('has no arguments for a tool call without any, and takes those that came with its beginning', () => {
    const tool = (input: unknown) =>
      stream(begun(), start(0, { type: 'tool_use', id: 'a', name: 'f', input }), stop(0));
    expect(of('toolArguments', decoded([tool({})]))).toEqual([]);
    expect(of('toolArguments', decoded([tool(null)]))).toEqual([]);
    expect(of('toolArguments', decoded([tool({ x: 1 })]))).toMatchObject([{ call: 0, json: '{"x":1}' }]);
  });

  it('ends a tool call whose end is missing when the next block begins, and fails when the call goes on', () => {
    const events = decoded([
      stream(
        begun(),
        start(0, { type: 'tool_use', id: 'a', name: 'f' }),
        json(0, '{'),
        text(1, 'x'),
        json(0, '}'),
        STOPPED,
      ),
    ]);
    expect(events.map(({ type }) => type)).toEqual([
      ...['start', 'usage', 'toolStart', 'toolArguments', 'toolEnd', 'text', 'failed'],
    ]);
  });

  it('skips pings, citations, server tools, and events, deltas and blocks that are not known', () => {
    const events = decoded([
      stream(
        begun(),
        the.PING,
        { type: 'new_event', index: 0 },
        start(0, { type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: {} }),
        json(0, '{"query":"x"}'),
        stop(0),
        start(1, { type: 'web_search_tool_result', content: [] }),
        the.delta(1, { type: 'citations_delta', citation: {} }),
        the.delta(1, { type: 'new_delta' }),
        start(2, { type: 'redacted_thinking', data: 'ZGF0YQ==' }),
        STOPPED,
      ),
    ]);
    expect(events.slice(2)).toEqual([{ type: 'redactedThinking', choice: 0, data: 'ZGF0YQ==' }, { type: 'end' }]);
  });

  it('survives members that are missing, null or of another type', () => {
    const odd = [
      '{"type":"message_start"}',
      '{"type":"content_block_start","index":null,"content_block":null}',
      '{"type":"content_block_start","content_block":{"type":"tool_use","id":7}}',
      '{"type":"content_block_delta","delta":{"type":"text_delta","text":5}}',
      '{"type":"content_block_delta","delta":"x"}',
      '{"type":"message_delta","delta":null,"usage":"many"}',
      '{"type":"message_delta"}',
      '{"type":7}',
      '{}',
    ];
    const events = decoded(odd.map((data) => `data: ${data}\n\n`));
    expect(events).toEqual([
      { type: 'start', id: null, model: null },
      usage(null, null),
      { type: 'toolStart', choice: 0, call: 0, id: null, name: '' },
      { type: 'toolEnd', choice: 0, call: 0 },
    ]);
  });

  it('states no end when the upstream closes before message_stop', () => {
    const events = decoded([stream(begun(), text(0, 'x'))]);
    expect(events.at(-1)).toEqual({ type: 'text', choice: 0, text: 'x' });
  });

  it('fails with the whole error that the upstream states, and nothing follows', () => {
    const events = decoded([stream(begun(), text(0, 'x'), the.OVERLOADED, text(0, 'y'), ended('end_turn'), STOPPED)]);
    expect(events.at(-1)).toEqual({ type: 'failed', error: JSON.stringify(the.OVERLOADED) });
    expect(decoded(['data: {"error":{"message":"no"}}\n\n'])).toEqual([
      { type: 'failed', error: '{"error":{"message":"no"}}' },
    ]);
    expect(decoded(['event: error\ndata: {"message":"no"}\n\n'])).toEqual([
      { type: 'failed', error: '{"message":"no"}' },
    ]);
  });

  it('fails with the text of an event that is no JSON', () => {
    expect(decoded(['data: <html>\n\n'])).toEqual([{ type: 'failed', error: '<html>' }]);
  });
});

describe('Why an answer of Claude ended', () => {
  it.each([
    ['end_turn', 'stop'],
    ['stop_sequence', 'stop'],
    ['max_tokens', 'length'],
    ['model_context_window_exceeded', 'length'],
    ['pause_turn', 'pause'],
    ['refusal', 'refusal'],
    ['tool_use', 'stop'],
    ['something_new', 'stop'],
  ])('%s without a tool call means %s', (reason, finish) => {
    expect(of('finish', decoded([stream(begun(), ended(reason), STOPPED)]))).toMatchObject([{ reason: finish }]);
  });

  it('is its tool calls, even when the upstream says that its turn ended', () => {
    const tool = start(0, { type: 'tool_use', id: 'a', name: 'f', input: {} });
    const events = decoded([stream(begun(), tool, stop(0), ended('end_turn'), STOPPED)]);
    expect(of('finish', events)).toMatchObject([{ reason: 'tool_calls' }]);
  });

  it('is said once, by the first message_delta with a reason, with the sequence that was met', () => {
    const met = { ...ended('stop_sequence'), delta: { stop_reason: 'stop_sequence', stop_sequence: 'END' } };
    const events = decoded([stream(begun(), ended(null), met, ended('max_tokens'), STOPPED)]);
    expect(of('finish', events)).toEqual([{ type: 'finish', choice: 0, reason: 'stop', stopSequence: 'END' }]);
  });
});

describe('A whole answer of Claude', () => {
  const CONTENT = [
    { type: 'thinking', thinking: 'hm', signature: 'c2ln' },
    { type: 'text', text: 'Hi' },
    { type: 'text', text: '' },
    { type: 'tool_use', id: 'toolu_01', name: 'f', input: { a: [1] } },
    { type: 'tool_use', id: 'toolu_02', name: 'g', input: {} },
  ];
  const ANSWER = {
    id: 'msg_01',
    type: 'message',
    model: the.MODEL,
    content: CONTENT,
    stop_reason: 'tool_use',
    stop_sequence: null,
    usage: { input_tokens: 9, output_tokens: 4 },
  };

  it('is read as its stream would be', () => {
    expect(whole(ANSWER)).toEqual([
      { type: 'start', id: 'msg_01', model: the.MODEL },
      usage({ uncachedInput: 9 }, null),
      { type: 'thinking', choice: 0, text: 'hm' },
      { type: 'signature', choice: 0, signature: 'c2ln' },
      { type: 'text', choice: 0, text: 'Hi' },
      { type: 'toolStart', choice: 0, call: 0, id: 'toolu_01', name: 'f' },
      { type: 'toolArguments', choice: 0, call: 0, json: '{"a":[1]}' },
      { type: 'toolEnd', choice: 0, call: 0 },
      { type: 'toolStart', choice: 0, call: 1, id: 'toolu_02', name: 'g' },
      { type: 'toolEnd', choice: 0, call: 1 },
      usage({ uncachedInput: 9 }, { outputText: 4 }),
      { type: 'finish', choice: 0, reason: 'tool_calls', stopSequence: null },
      { type: 'end' },
    ]);
  });

  it.each([
    '',
    '<html>busy</html>',
    '[]',
    '{"content":"text"}',
    '{"error":{"message":"no"}}',
    JSON.stringify(the.OVERLOADED),
  ])('is none when the text is %s', (given) => {
    expect(whole(given)).toEqual([{ type: 'failed', error: given }]);
  });

  it('keeps no more than the beginning of a text that is no answer', () => {
    expect(whole('x'.repeat(100_000))).toEqual([{ type: 'failed', error: 'x'.repeat(65_536) }]);
  });

  it('is told from a stream by its content type', () => {
    expect(claudeProtocol.streams({ 'content-type': 'text/event-stream; charset=utf-8' })).toBe(true);
    expect(claudeProtocol.streams({ 'content-type': 'application/json' })).toBe(false);
    expect(claudeProtocol.streams({})).toBe(false);
  });
});
