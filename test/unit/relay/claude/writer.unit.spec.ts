import { describe, expect, it } from 'vitest';
import type { AnswerEvent, AnswerPart, ChatAnswer, FinishReason } from '../../../../services/relay/canonical/answer.ts';
import { claudeWriter } from '../../../../services/relay/dialects/claude/writer.ts';
import { BILLED, BILLED_TEXT, CONTEXT, eventsOf, MODEL } from './fixtures.ts';

interface Setting {
  readonly thinkingShown?: boolean;
}

/** What is written for each event, and at the end. */
function pieces(events: readonly AnswerEvent[], { thinkingShown = false }: Setting = {}): string[] {
  const encoder = claudeWriter({ streamed: true, thinkingShown }).encoder(CONTEXT);
  return [...events.map((event) => encoder.write(event)), encoder.ending(BILLED)];
}
const written = (events: readonly AnswerEvent[], setting: Setting = {}) => eventsOf(pieces(events, setting).join(''));

/** Names of the events, with the numbers of their blocks. */
const outline = (events: readonly AnswerEvent[], setting: Setting = {}) =>
  written(events, setting).map(({ type, index }) => (typeof index === 'number' ? `${type} ${String(index)}` : type));

const START: AnswerEvent = { type: 'start', id: 'chatcmpl-1', model: 'gpt-x' };
const text = (given: string): AnswerEvent => ({ type: 'text', choice: 0, text: given });
const thinking = (given: string): AnswerEvent => ({ type: 'thinking', choice: 0, text: given });
const toolStart = (call: number, id: string | null = `call_${String(call)}`): AnswerEvent => ({
  type: 'toolStart',
  choice: 0,
  call,
  id,
  name: 'f',
});
const toolArguments = (call: number, json: string): AnswerEvent => ({ type: 'toolArguments', choice: 0, call, json });
const toolEnd = (call: number): AnswerEvent => ({ type: 'toolEnd', choice: 0, call });
const finish = (reason: FinishReason, stopSequence: string | null = null): AnswerEvent => ({
  type: 'finish',
  choice: 0,
  reason,
  stopSequence,
});

const OPENING = {
  type: 'message_start',
  message: {
    id: 'msg_0197aaaabbbb',
    type: 'message',
    role: 'assistant',
    model: MODEL,
    content: [],
    stop_reason: null,
    stop_sequence: null,
    usage: {
      input_tokens: 0,
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 0,
      cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 },
      output_tokens: 0,
      output_tokens_details: { thinking_tokens: 0 },
    },
  },
};

describe('A stream for a client of Claude', () => {
  it('is written event by event, and its end only once it is billed', () => {
    expect(pieces([START, text('你'), text(''), text('好'), finish('stop'), { type: 'end' }])).toEqual([
      '',
      `event: message_start\ndata: ${JSON.stringify(OPENING)}\n\n` +
        'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n' +
        'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"你"}}\n\n',
      '',
      'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"好"}}\n\n',
      '',
      '',
      'event: content_block_stop\ndata: {"type":"content_block_stop","index":0}\n\n' +
        `event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{${BILLED_TEXT}}}\n\n` +
        'event: message_stop\ndata: {"type":"message_stop"}\n\n',
    ]);
  });

  it('keeps an id of the upstream that is one of Claude', () => {
    const id = (given: string | null) => {
      const [opening] = written([{ type: 'start', id: given, model: null }, text('x')]);
      return (opening?.['message'] as { id: string }).id;
    };
    expect(id('msg_01AbC')).toBe('msg_01AbC');
    for (const given of ['chatcmpl-1', 'msg_\n', '', null]) expect(id(given)).toBe('msg_0197aaaabbbb');
  });

  it('opens with the finish of an answer that has no content, and at the latest with the end', () => {
    expect(outline([START, finish('stop')])).toEqual(['message_start', 'message_delta', 'message_stop']);
    expect(pieces([START, finish('stop')])[1]).toContain('event: message_start\n');
    expect(outline([])).toEqual(['message_start', 'message_delta', 'message_stop']);
  });

  it('never lets blocks interleave', () => {
    const events = [
      ...[
        START,
        thinking('hm'),
        text('a'),
        toolStart(0),
        toolArguments(0, '{"a"'),
        toolArguments(0, ':1}'),
        toolEnd(0),
      ],
      ...[toolStart(1), toolEnd(1), text('b'), thinking('c'), finish('tool_calls')],
    ];
    expect(outline(events, { thinkingShown: true })).toEqual([
      'message_start',
      ...['content_block_start 0', 'content_block_delta 0', 'content_block_stop 0'],
      ...['content_block_start 1', 'content_block_delta 1', 'content_block_stop 1'],
      ...['content_block_start 2', 'content_block_delta 2', 'content_block_delta 2', 'content_block_stop 2'],
      ...['content_block_start 3', 'content_block_stop 3'],
      ...['content_block_start 4', 'content_block_delta 4', 'content_block_stop 4'],
      ...['content_block_start 5', 'content_block_delta 5', 'content_block_stop 5'],
      ...['message_delta', 'message_stop'],
    ]);
  });

  it('lets text in the middle of a tool call wait for its end', () => {
    const during = [toolStart(0), text('a'), toolArguments(0, '{}'), text('b')];
    const deltas = (events: readonly AnswerEvent[]) =>
      written(events).flatMap(({ index, delta, type }) => (type === 'content_block_delta' ? [[index, delta]] : []));
    const expected = [
      [0, { type: 'input_json_delta', partial_json: '{}' }],
      [1, { type: 'text_delta', text: 'a' }],
      [1, { type: 'text_delta', text: 'b' }],
    ];
    expect(deltas([...during, toolEnd(0)])).toEqual(expected);
    expect(deltas(during)).toEqual(expected);
    expect(
      outline([...during, toolStart(1), toolEnd(1)]).filter((name) => name.startsWith('content_block_st')),
    ).toEqual([
      ...['content_block_start 0', 'content_block_stop 0', 'content_block_start 1', 'content_block_stop 1'],
      ...['content_block_start 2', 'content_block_stop 2'],
    ]);
  });

  it('opens no text block for a text that is empty beside a tool call', () => {
    expect(outline([text(''), toolStart(0), toolEnd(0)])[1]).toBe('content_block_start 0');
  });

  it('gives each tool call a legal id', () => {
    const ids = (id: string | null) =>
      written([toolStart(1, id), toolEnd(1)]).flatMap(({ content_block }) =>
        content_block === undefined ? [] : [(content_block as { id: string }).id],
      );
    expect(ids('call_A-1')).toEqual(['call_A-1']);
    expect(ids(null)).toEqual(['toolu_0197aaaabbbb_1']);
    expect(ids('')).toEqual(['toolu_0197aaaabbbb_1']);
    expect(ids('functions.f:0')[0]).toMatch(/^toolu_[0-9a-f]{32}$/);
  });

  it('shows thinking with its proof to a client that wants to see it', () => {
    const events = [
      thinking('a'),
      thinking('b'),
      { type: 'signature', choice: 0, signature: 'c2ln' } as const,
      thinking('c'),
    ];
    expect(written(events, { thinkingShown: true }).slice(1, -2)).toEqual([
      { type: 'content_block_start', index: 0, content_block: { type: 'thinking', thinking: '', signature: '' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking: 'a' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'thinking_delta', thinking: 'b' } },
      { type: 'content_block_delta', index: 0, delta: { type: 'signature_delta', signature: 'c2ln' } },
      { type: 'content_block_stop', index: 0 },
      { type: 'content_block_start', index: 1, content_block: { type: 'thinking', thinking: '', signature: '' } },
      { type: 'content_block_delta', index: 1, delta: { type: 'thinking_delta', thinking: 'c' } },
      { type: 'content_block_stop', index: 1 },
    ]);
    const hidden: AnswerEvent = { type: 'redactedThinking', choice: 0, data: 'ZA==' };
    expect(written([hidden, text('x')], { thinkingShown: true }).slice(1, 3)).toEqual([
      { type: 'content_block_start', index: 0, content_block: { type: 'redacted_thinking', data: 'ZA==' } },
      { type: 'content_block_stop', index: 0 },
    ]);
  });

  it('shows no thinking to a client that did not ask for it, and does not begin with it', () => {
    const events: AnswerEvent[] = [
      ...[START, thinking('a')],
      ...[
        { type: 'signature', choice: 0, signature: 'x' } as const,
        { type: 'redactedThinking', choice: 0, data: 'y' } as const,
      ],
    ];
    expect(pieces(events).slice(0, -1)).toEqual(['', '', '', '']);
  });

  it('drops images and further choices, and writes nothing for sessions, usage and failures', () => {
    const events: AnswerEvent[] = [
      { type: 'session', platformId: 'x' },
      { type: 'image', choice: 0, mime: 'image/png', data: 'AAAA' },
      { type: 'text', choice: 1, text: 'other' },
      { type: 'usage', usage: { input: null, output: null } },
      { type: 'failed', error: '{}' },
    ];
    expect(pieces(events).slice(0, -1)).toEqual(['', '', '', '', '']);
  });

  it.each<[string, AnswerEvent[], string, string | null]>([
    ['a normal end', [finish('stop')], 'end_turn', null],
    ['a sequence that was met', [finish('stop', 'END')], 'stop_sequence', 'END'],
    ['the limit', [finish('length')], 'max_tokens', null],
    ['tool calls', [toolStart(0), toolEnd(0), finish('tool_calls')], 'tool_use', null],
    ['tool calls that the upstream did not name', [toolStart(0), toolEnd(0), finish('stop')], 'tool_use', null],
    ['tool calls that there are none of', [finish('tool_calls')], 'end_turn', null],
    ['a filter', [finish('content_filter')], 'refusal', null],
    ['a refusal', [finish('refusal')], 'refusal', null],
    ['a refusal in words', [{ type: 'refusal', choice: 0, text: 'No.' }, finish('stop')], 'refusal', null],
    ['a refusal without a word', [{ type: 'refusal', choice: 0, text: '' }, finish('stop')], 'end_turn', null],
    ['a pause', [finish('pause')], 'pause_turn', null],
  ])('ends for %s', (_name, events, reason, sequence) => {
    const last = written(events).at(-2);
    expect(last).toMatchObject({ type: 'message_delta', delta: { stop_reason: reason, stop_sequence: sequence } });
  });

  it('ends with an error when the provider broke the answer off', () => {
    expect(written([text('x'), finish('error')]).slice(-2)).toEqual([
      { type: 'content_block_stop', index: 0 },
      { type: 'error', error: { type: 'api_error', message: 'The provider broke the answer off.' } },
    ]);
  });
});

describe('A whole answer for a client of Claude', () => {
  const whole = (parts: readonly AnswerPart[], finished: FinishReason = 'stop', thinkingShown = false): string => {
    const answer: ChatAnswer = { id: 'x', model: 'gpt-x', choices: [{ parts, finish: finished, stopSequence: null }] };
    return claudeWriter({ streamed: false, thinkingShown }).whole(answer, BILLED, CONTEXT);
  };
  const content = (...given: Parameters<typeof whole>) => (JSON.parse(whole(...given)) as { content: unknown }).content;

  it('is one message with the usage that is billed and its exact cost', () => {
    expect(whole([{ type: 'text', text: 'Hi' }])).toBe(
      `{"id":"msg_0197aaaabbbb","type":"message","role":"assistant","model":"${MODEL}",` +
        '"content":[{"type":"text","text":"Hi"}],"stop_reason":"end_turn","stop_sequence":null,' +
        `"usage":{${BILLED_TEXT}}}`,
    );
  });

  it('has its tool calls as objects, and an empty one for arguments that are none', () => {
    const call = (id: string | null, json: string): AnswerPart => ({
      ...{ type: 'toolCall', id, name: 'f', arguments: json, signature: null },
    });
    expect(content([call('a', '{"x":1}'), call(null, '{'), call('c', '[1]')], 'tool_calls')).toEqual([
      { type: 'tool_use', id: 'a', name: 'f', input: { x: 1 } },
      { type: 'tool_use', id: 'toolu_0197aaaabbbb_1', name: 'f', input: {} },
      { type: 'tool_use', id: 'c', name: 'f', input: {} },
    ]);
  });

  it('shows thinking only where the client wants to see it', () => {
    const parts: AnswerPart[] = [
      { type: 'thinking', text: 'hm', signature: null },
      { type: 'redactedThinking', data: 'ZA==' },
      { type: 'image', mime: 'image/png', data: 'AAAA' },
      { type: 'text', text: 'Hi' },
    ];
    expect(content(parts)).toEqual([{ type: 'text', text: 'Hi' }]);
    expect(content(parts, 'stop', true)).toEqual([
      { type: 'thinking', thinking: 'hm', signature: '' },
      { type: 'redacted_thinking', data: 'ZA==' },
      { type: 'text', text: 'Hi' },
    ]);
  });

  it('has the words of a refusal, and says that it is one', () => {
    expect(JSON.parse(whole([{ type: 'refusal', text: 'No.' }]))).toMatchObject({
      content: [{ type: 'text', text: 'No.' }],
      stop_reason: 'refusal',
    });
  });

  it('has no content when nothing came', () => {
    expect(content([])).toEqual([]);
  });
});
