import { describe, expect, it } from 'vitest';
import type { AnswerReading } from '../../../../services/relay/call.ts';
import { claudePassage } from '../../../../services/relay/dialects/claude/passThrough.ts';
import { parseClaudeRequest } from '../../../../services/relay/dialects/claude/request.ts';
import * as the from './fixtures.ts';
import {
  begun,
  BILLED,
  BILLED_TEXT,
  channel,
  CONTEXT,
  cuts,
  ended,
  eventsOf,
  fed,
  GOLDEN,
  MAX_DEPTH,
  MODEL,
} from './fixtures.ts';
import { OVERLOADED, PING, start, stop, STOPPED, stream, text, UPSTREAM_MODEL } from './fixtures.ts';

const BODY = { model: MODEL, max_tokens: 100, messages: [{ role: 'user', content: 'hi' }] };
const SSE = { 'content-type': 'text/event-stream' };
const JSON_TYPE = { 'content-type': 'application/json' };

interface Setting {
  readonly streamed?: boolean;
  readonly upstreamModel?: string;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly maxOutputTokens?: number;
}

function passage(change: object = {}, setting: Setting = {}) {
  const { streamed = true, upstreamModel = MODEL, headers = {}, maxOutputTokens = 4_096 } = setting;
  const raw = Buffer.from(JSON.stringify({ ...BODY, ...change, stream: streamed }, null, 1));
  const request = parseClaudeRequest(raw, MAX_DEPTH);
  return { raw, ...claudePassage(request, headers, channel({ upstreamModel }), { ...CONTEXT, maxOutputTokens }) };
}

const reading = (setting: Setting = {}, type: object = SSE): AnswerReading =>
  passage({}, setting).read(type as Readonly<Record<string, string>>);

const ENDING = (delta: string, more = '') =>
  `event: message_delta\ndata: {"type":"message_delta","delta":${delta},"usage":{${more}${BILLED_TEXT}}}\n\n` +
  'event: message_stop\ndata: {"type":"message_stop"}\n\n';

describe('A call that is passed through to Claude', () => {
  const sent = (change: object, setting: Setting = {}) =>
    JSON.parse(String(passage(change, setting).request.body)) as Record<string, unknown>;

  it('goes up with the bytes of the client', () => {
    const { raw, request } = passage({ something_new: 1 });
    expect(request.body).toBe(raw);
    expect(request).toMatchObject({ method: 'POST', path: '/messages' });
  });

  it('has the name that the model has there, and no more tokens than may be used', () => {
    expect(sent({ something_new: 1 }, { upstreamModel: UPSTREAM_MODEL })).toEqual({
      ...{ ...BODY, something_new: 1, stream: true },
      model: UPSTREAM_MODEL,
    });
    expect(sent({ max_tokens: 9_000 })).toEqual({ ...BODY, max_tokens: 4_096, stream: true });
    expect(sent({ max_tokens: 0 })['max_tokens']).toBe(0);
  });

  it('has a smaller thinking budget where the limit becomes smaller, and is refused where none is left', () => {
    const thinking = { type: 'enabled', budget_tokens: 8_000, display: 'summarized' };
    const change = { max_tokens: 9_000, thinking };
    expect(sent(change)['thinking']).toEqual({ ...thinking, budget_tokens: 4_095 });
    expect(sent({ ...change, thinking: { type: 'enabled', budget_tokens: 2_000 } })['thinking']).toMatchObject({
      budget_tokens: 2_000,
    });
    expect(() => passage(change, { maxOutputTokens: 1_024 })).toThrow(
      expect.objectContaining({ code: 'unsupported_parameter', param: 'thinking.budget_tokens' }),
    );
  });

  it('has no thinking that another provider left unsigned', () => {
    const unsigned = { type: 'thinking', thinking: 't', signature: '' };
    const says = { type: 'text', text: 'b' };
    const asks = { role: 'user', content: 'a' };
    const turns = (...content: object[]) => [asks, { role: 'assistant', content }, asks];
    expect(sent({ messages: turns(unsigned, says) })['messages']).toEqual(turns(says));
    expect(sent({ messages: turns({ type: 'thinking', thinking: 't' }) })['messages']).toEqual([asks, asks]);
    const { raw, request } = passage({ messages: turns({ ...unsigned, signature: 'c2ln' }, says) });
    expect(request.body).toBe(raw);
  });

  it('is not asked to think on within a budget after calls that unsigned thinking led to', () => {
    const unsigned = { type: 'thinking', thinking: 't', signature: '' };
    const call = { type: 'tool_use', id: 'toolu_1', name: 'f', input: {} };
    const results = { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_1' }] };
    const thinking = { type: 'enabled', budget_tokens: 2_000 };
    const loop = (...content: object[]) => ({
      thinking,
      max_tokens: 4_000,
      messages: [BODY.messages[0], { role: 'assistant', content }, results],
    });
    expect(sent(loop(unsigned, call))).not.toHaveProperty('thinking');
    expect(sent(loop({ ...unsigned, signature: 'c2ln' }, call))['thinking']).toEqual(thinking);
    expect(sent({ ...loop(unsigned, call), thinking: { type: 'adaptive' } })['thinking']).toEqual({ type: 'adaptive' });
  });

  it('has the version and the betas of the client, where they are well-formed', () => {
    const headers = (given: Setting['headers']) => {
      const { request } = passage({}, given ? { headers: given } : {});
      return [request.headers['anthropic-version'], request.headers['anthropic-beta']];
    };
    expect(headers({})).toEqual(['2023-06-01', undefined]);
    expect(headers({ 'anthropic-version': '2024-01-02', 'anthropic-beta': 'a-1, b.2,,c d,é' })).toEqual([
      '2024-01-02',
      'a-1,b.2',
    ]);
    expect(headers({ 'anthropic-version': 'latest', 'anthropic-beta': ['a', 'b', 'x'.repeat(65)] })).toEqual([
      '2023-06-01',
      'a,b',
    ]);
    const many = Array.from({ length: 25 }, (_, index) => `beta-${String(index)}`);
    expect(headers({ 'anthropic-beta': many })[1]?.split(',')).toEqual(many.slice(0, 20));
  });

  it('has no other header of the client', () => {
    const { request } = passage({}, { headers: { authorization: 'Bearer secret', cookie: 'a=b', 'x-api-key': 'k' } });
    expect(Object.keys(request.headers).sort()).toEqual(['accept', 'anthropic-version', 'content-type']);
  });
});

describe('A stream that is passed through from Claude', () => {
  const FORWARDED = stream(...GOLDEN.slice(0, 2), ...GOLDEN.slice(3, -2));

  it('comes down as it came, but for its end, however its bytes are cut', () => {
    for (const pieces of cuts(Buffer.from(stream(...GOLDEN)))) {
      const answer = reading();
      expect(fed(answer, ...pieces)).toBe(FORWARDED);
      expect([answer.done, answer.failure]).toEqual([true, null]);
      expect(answer.reported).toEqual({
        input: { uncachedInput: 25, cacheRead: 100 },
        output: { outputText: 12, reasoning: 3 },
      });
      expect(answer.received.toCount()).toEqual({
        text: 'Über 天气…你好 👋weather{"city":"北京"}',
        scale: 1,
        atLeast: 6,
      });
      expect(answer.ending(BILLED)).toBe(ENDING('{"stop_reason":"tool_use","stop_sequence":null}'));
    }
  });

  it('keeps numbers as the upstream wrote them', () => {
    const odd =
      'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\\u4f60"},"n":1.0e2}';
    expect(fed(reading(), `event: content_block_delta\r\n${odd}\r\n\r\n`)).toBe(
      `event: content_block_delta\n${odd}\n\n`,
    );
  });

  it('writes the names that events lack, each on its one line', () => {
    const data = text(0, 'x');
    expect(fed(reading(), `data:${JSON.stringify(data)}\n\n`)).toBe(stream(data));
    const lines = JSON.stringify(data, null, 1).replaceAll(/^/gm, 'data: ');
    expect(eventsOf(fed(reading(), `${lines}\n\n`))).toEqual([data]);
    expect(fed(reading(), 'data: {"type":"a\\ndata: b"}\n\ndata: {}\n\n')).toBe('');
  });

  it('has nothing to forward before its first content, so that another channel may still answer', () => {
    const answer = reading();
    const opening = stream(PING, begun(), PING, start(0, { type: 'text', text: '' }));
    expect(answer.feed(Buffer.from(opening))).toBe('');
    expect(answer.received.isEmpty).toBe(true);
    expect(answer.feed(Buffer.from(stream(text(0, 'x'), PING)))).toBe(
      stream(begun(), start(0, { type: 'text', text: '' }), text(0, 'x'), PING),
    );
    expect(answer.received.isEmpty).toBe(false);
  });

  it('has the name of the model that the client knows', () => {
    const [opening] = eventsOf(fed(reading({ upstreamModel: UPSTREAM_MODEL }), stream(begun(), text(0, 'x'))));
    expect(opening).toEqual({ ...begun(), message: { ...(begun()['message'] as object), model: MODEL } });
  });

  it('does not show what the provider charges the operator', () => {
    const priced = { input_tokens: 9, output_tokens: 2, cost: 0.5, service_tier: 'standard' };
    const answer = reading();
    const forwarded = fed(answer, stream(begun(priced), text(0, 'x'), ended('end_turn', priced), STOPPED));
    expect(forwarded).not.toContain('cost');
    expect(eventsOf(forwarded)[0]).toMatchObject({ message: { usage: { input_tokens: 9 } } });
    const [last] = eventsOf(String(answer.ending(BILLED)));
    expect(last?.['usage']).toMatchObject({ service_tier: 'standard', cost: 0.000_008_55, input_tokens: 25 });
  });

  it('ends with what several last events said together', () => {
    const first = { ...ended('stop_sequence', { output_tokens: 3, server_tool_use: { web_search_requests: 1 } }) };
    const answer = reading();
    const met = { ...first, delta: { stop_reason: 'stop_sequence', stop_sequence: 'END' }, context_management: {} };
    fed(answer, stream(begun(), text(0, 'x'), met, ended(null, { output_tokens: 4, server_tool_use: null }), STOPPED));
    expect(answer.reported.output).toEqual({ outputText: 4 });
    expect(answer.received.finishReason).toBe('stop_sequence');
    expect(eventsOf(String(answer.ending(BILLED)))[0]).toMatchObject({
      delta: { stop_reason: 'stop_sequence', stop_sequence: 'END' },
      context_management: {},
      usage: { server_tool_use: { web_search_requests: 1 }, output_tokens: 15 },
    });
  });

  it('ends with the whole of an answer that had no content', () => {
    const answer = reading();
    expect(fed(answer, stream(begun(), STOPPED))).toBe('');
    expect(answer.ending(BILLED)).toBe(stream(begun()) + ENDING('{"stop_reason":"end_turn","stop_sequence":null}'));
  });

  it('keeps the input when the end repeats it as null', () => {
    const answer = reading();
    const last = { input_tokens: null, cache_read_input_tokens: 0, output_tokens: 15 };
    fed(answer, stream(begun(), text(0, 'x'), ended('end_turn', last), STOPPED));
    expect(answer.reported).toEqual({ input: { uncachedInput: 25, cacheRead: 100 }, output: { outputText: 15 } });
  });

  it('has the input, and an output that must be estimated, when it is cut', () => {
    const answer = reading();
    fed(answer, stream(begun(), text(0, 'x')));
    expect([answer.done, answer.received.finished, answer.failure]).toEqual([false, false, null]);
    expect(answer.reported).toEqual({ input: { uncachedInput: 25, cacheRead: 100 }, output: null });
  });

  it('counts the calls of server tools as output', () => {
    const answer = reading();
    const tool = start(0, { type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: {} });
    fed(
      answer,
      stream(begun(), tool, the.json(0, '{"query":"x"}'), stop(0), start(1, { type: 'redacted_thinking', data: 'A' })),
    );
    expect(answer.received.toCount()).toEqual({ text: 'web_search{"query":"x"}', scale: 1, atLeast: 3 });
  });

  it('fails with the error that the upstream states, and forwards nothing after it', () => {
    const early = reading();
    expect(fed(early, stream(begun(), OVERLOADED, text(0, 'x'), STOPPED))).toBe('');
    expect([early.failure, early.done]).toEqual([JSON.stringify(OVERLOADED), false]);
    const late = reading();
    expect(eventsOf(fed(late, stream(begun(), text(0, 'x'), OVERLOADED, text(0, 'y'))))).toEqual([
      begun(),
      text(0, 'x'),
    ]);
    expect(late.failure).toBe(JSON.stringify(OVERLOADED));
    const html = reading();
    fed(html, 'data: <html>\n\n');
    expect(html.failure).toBe('<html>');
  });
});

const MESSAGE = {
  id: 'msg_01',
  type: 'message',
  role: 'assistant',
  model: MODEL,
  content: [
    { type: 'thinking', thinking: 'hm', signature: 'c2ln' },
    { type: 'text', text: '你好' },
    { type: 'tool_use', id: 'toolu_01', name: 'f', input: { a: 1 } },
    { type: 'new_block', x: 1 },
  ],
  stop_reason: 'tool_use',
  stop_sequence: null,
  usage: { input_tokens: 9, output_tokens: 4, service_tier: 'standard' },
};

describe('A whole answer that is passed through from Claude', () => {
  const WHOLE = { streamed: false };

  it('keeps its own bytes but for the usage that is billed', () => {
    const given = JSON.stringify(MESSAGE, null, 1);
    const answer = reading(WHOLE, JSON_TYPE);
    expect(fed(answer, ...Array.from(Buffer.from(`\uFEFF\n${given}`), (byte) => Buffer.from([byte])))).toBe('');
    expect([answer.done, answer.failure, answer.contentType]).toEqual([true, null, 'application/json; charset=utf-8']);
    expect(answer.reported).toEqual({ input: { uncachedInput: 9 }, output: { outputText: 4 } });
    expect(answer.received.toCount()).toEqual({ text: 'hm你好f{"a":1}', scale: 1, atLeast: 3 });
    expect(answer.received.finishReason).toBe('tool_use');
    const usage = given.slice(given.indexOf('{', given.indexOf('"usage"')), given.lastIndexOf('}')).trim();
    const shown = `{${BILLED_TEXT.replace('"cost"', '"service_tier":"standard","cost"')}}`;
    expect(answer.ending(BILLED)).toBe(given.replace(usage, shown));
  });

  it('has the name of the model that the client knows, and the usage that is billed even where none was stated', () => {
    const answer = reading({ ...WHOLE, upstreamModel: UPSTREAM_MODEL }, JSON_TYPE);
    const { usage: _usage, ...unmetered } = { ...MESSAGE, model: UPSTREAM_MODEL };
    fed(answer, JSON.stringify(unmetered));
    expect(answer.reported).toEqual({ input: null, output: null });
    const { usage: _none, ...rest } = MESSAGE;
    expect(answer.ending(BILLED)).toBe(`${JSON.stringify(rest).slice(0, -1)},"usage":{${BILLED_TEXT}}}`);
  });

  it.each(['', '<html>', '{"content":null}', JSON.stringify(OVERLOADED), stream(...GOLDEN)])(
    'is none when it is %j',
    (given) => {
      const answer = reading(WHOLE, JSON_TYPE);
      fed(answer, given);
      expect([answer.done, answer.failure]).toEqual([false, given.trim()]);
    },
  );

  it('is told as a stream to a client that waits for one', () => {
    const answer = reading({ upstreamModel: UPSTREAM_MODEL }, JSON_TYPE);
    const { content, usage, ...opening } = { ...MESSAGE, stop_reason: null, stop_sequence: null };
    expect(eventsOf(fed(answer, JSON.stringify({ ...MESSAGE, model: UPSTREAM_MODEL })))).toEqual([
      { type: 'message_start', message: { ...opening, content: [], usage } },
      start(0, { type: 'thinking', thinking: '', signature: '' }),
      the.delta(0, { type: 'thinking_delta', thinking: 'hm' }),
      the.delta(0, { type: 'signature_delta', signature: 'c2ln' }),
      stop(0),
      start(1, { type: 'text', text: '' }),
      text(1, '你好'),
      stop(1),
      start(2, { ...content[2], input: {} }),
      the.json(2, '{"a":1}'),
      stop(2),
      start(3, { type: 'new_block', x: 1 }),
      stop(3),
    ]);
    expect([answer.done, answer.contentType]).toEqual([true, 'text/event-stream; charset=utf-8']);
    expect(answer.reported).toEqual({ input: { uncachedInput: 9 }, output: { outputText: 4 } });
    expect(eventsOf(String(answer.ending(BILLED)))).toMatchObject([
      {
        delta: { stop_reason: 'tool_use', stop_sequence: null },
        usage: { output_tokens: 15, service_tier: 'standard' },
      },
      STOPPED,
    ]);
  });

  it('tells a client that waits for a stream why it was refused, and no proof that there is not', () => {
    const answer = reading({}, JSON_TYPE);
    const why = { stop_reason: 'refusal', stop_details: { type: 'refusal', category: null } };
    const content = [{ type: 'thinking', thinking: 'hm' }];
    const events = eventsOf(fed(answer, JSON.stringify({ ...MESSAGE, ...why, content })));
    expect(events.map(({ type }) => type)).toEqual([
      ...['message_start', 'content_block_start', 'content_block_delta', 'content_block_stop'],
    ]);
    expect(events[0]).not.toHaveProperty('message.stop_details');
    expect(eventsOf(String(answer.ending(BILLED)))[0]).toMatchObject({ delta: why });
  });

  it('is none for a client that waits for a stream, either, when it is an error', () => {
    const answer = reading({}, JSON_TYPE);
    expect(fed(answer, JSON.stringify(OVERLOADED))).toBe('');
    expect([answer.done, answer.failure]).toEqual([false, JSON.stringify(OVERLOADED)]);
  });
});
