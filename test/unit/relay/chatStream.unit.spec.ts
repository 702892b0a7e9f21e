import { describe, expect, it } from 'vitest';
import { MODEL } from '../../support/events.ts';
import { chunk, readStream, sse, usageChunk } from './chatFixtures.ts';

const ROLE = chunk({ delta: { role: 'assistant', content: '' } });
const HELLO = chunk({ delta: { content: 'Hello' } });
const STOP = chunk({ finish: 'stop' });
const USAGE = { prompt_tokens: 9, completion_tokens: 1, total_tokens: 10 };

/** The chunks as OpenAI sends them when usage was asked for. */
const asked = (...chunks: readonly object[]) => chunks.map((one) => ({ ...one, usage: null }));

describe('A chat stream whose usage the client did not ask for', () => {
  it('forwards the chunks without usage, keeps the usage back and does not forward [DONE]', () => {
    const { events, stream } = readStream([sse(...asked(ROLE, HELLO, STOP), usageChunk(USAGE), '[DONE]')]);
    expect(events).toEqual([ROLE, HELLO, STOP]);
    expect(stream.usage).toEqual(USAGE);
    expect(stream.done).toBe(true);
    expect(stream.failure).toBeNull();
  });

  it('takes usage that stands on the finish chunk, and hides it there', () => {
    const { events, stream } = readStream([sse(HELLO, { ...STOP, usage: USAGE }, '[DONE]')]);
    expect(events).toEqual([HELLO, STOP]);
    expect(stream.usage).toEqual(USAGE);
  });

  it('takes the last of repeated, cumulative usage and never their sum', () => {
    const running = [1, 2, 3].map((tokens) => ({
      ...chunk({ delta: { content: 'a' } }),
      usage: { prompt_tokens: 9, completion_tokens: tokens, total_tokens: 9 + tokens },
    }));
    const { events, stream } = readStream([sse(...running, STOP, '[DONE]')]);
    expect(stream.usage).toEqual({ prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 });
    expect(events).toEqual([...running.map(() => chunk({ delta: { content: 'a' } })), STOP]);
  });

  it('keeps a stated usage when an empty one follows', () => {
    const { stream } = readStream([
      sse({ ...HELLO, usage: USAGE }, { ...STOP, usage: { prompt_tokens: 0 } }, '[DONE]'),
    ]);
    expect(stream.usage).toEqual(USAGE);
  });

  it.each([
    { prompt_tokens: 9, completion_tokens: 0, total_tokens: 9 },
    { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 },
    { total_tokens: 509 },
  ])('keeps of prompt and completion the last count that is not 0: %j', (trailing) => {
    const details = { reasoning_tokens: 480 };
    const stated = { prompt_tokens: 9, completion_tokens: 500, completion_tokens_details: details };
    const { stream } = readStream([sse({ ...STOP, usage: stated }, usageChunk(trailing), '[DONE]')]);
    expect(stream.usage).toMatchObject(stated);
  });

  it('reads usage that follows the finish chunk after [DONE] was not sent at all', () => {
    const { stream, received } = readStream([sse(HELLO, STOP, usageChunk(USAGE))]);
    expect(stream.usage).toEqual(USAGE);
    expect(stream.done).toBe(false);
    expect(received.finished).toBe(true);
  });
});

describe('A chat stream whose usage the client asked for', () => {
  it('passes the null usage of the chunks through and still keeps the usage chunk back', () => {
    const { events, stream } = readStream([sse(...asked(ROLE, HELLO, STOP), usageChunk(USAGE), '[DONE]')], {
      usageWanted: true,
    });
    expect(events).toEqual(asked(ROLE, HELLO, STOP));
    expect(stream.usage).toEqual(USAGE);
  });

  it('shows null where a content chunk carries running usage', () => {
    const { events } = readStream([sse({ ...HELLO, usage: USAGE }, '[DONE]')], { usageWanted: true });
    expect(events).toEqual(asked(HELLO));
  });
});

describe('Usage at the place of a provider', () => {
  it('is found inside the last choice (Moonshot) and not shown there', () => {
    const last = { ...STOP, choices: [{ index: 0, delta: {}, finish_reason: 'stop', usage: USAGE }] };
    const { events, stream } = readStream([sse(HELLO, last, '[DONE]')], { quirks: { usagePath: 'choices.0.usage' } });
    expect(stream.usage).toEqual(USAGE);
    expect(events).toEqual([HELLO, STOP]);
  });

  it('is found under x_groq, beside members that stay', () => {
    const last = { ...STOP, x_groq: { id: 'req_1', usage: USAGE } };
    const { events, stream } = readStream([sse(HELLO, last, '[DONE]')], { quirks: { usagePath: 'x_groq.usage' } });
    expect(stream.usage).toEqual(USAGE);
    expect(events).toEqual([HELLO, { ...STOP, x_groq: { id: 'req_1' } }]);
  });

  it('is found at the usual place when the configured one is empty', () => {
    const { stream } = readStream([sse(HELLO, STOP, usageChunk(USAGE), '[DONE]')], {
      quirks: { usagePath: 'x_groq.usage' },
    });
    expect(stream.usage).toEqual(USAGE);
  });
});

describe('What a stream forwards', () => {
  it('is the text of the provider where nothing is hidden or renamed', () => {
    const odd = '{ "id":"x", "choices" : [], "big": 9223372036854775807 }';
    expect(readStream([sse(odd, '[DONE]')]).text).toBe(`data: ${odd}\n\n`);
  });

  it('names the model as the client does', () => {
    const { events, stream } = readStream([sse({ ...HELLO, model: 'vendor/m-2026-01' }, '[DONE]')], {
      renameTo: MODEL,
    });
    expect(events).toEqual([HELLO]);
    expect(stream.template).toEqual({
      id: 'chatcmpl-1',
      object: 'chat.completion.chunk',
      created: 1_763_630_000,
      model: MODEL,
    });
  });

  it('takes the shared members from the first chunk that has an id, not from the one that Azure puts first', () => {
    const azure = { choices: [], created: 0, id: '', model: '', object: '', prompt_filter_results: [] };
    const { stream, events } = readStream([sse(azure, HELLO, '[DONE]')]);
    expect(events).toEqual([azure, HELLO]);
    expect(stream.template['id']).toBe('chatcmpl-1');
  });

  it('takes the shared members from the last chunk when none has an id', () => {
    const unnamed = (created: number) => ({ ...HELLO, id: '', created });
    const { stream } = readStream([sse(unnamed(1), { ...STOP, id: '', created: 2 }, unnamed(1))]);
    expect(stream.template['created']).toBe(1);
  });

  it('puts JSON that came on several lines on one', () => {
    const { events } = readStream([Buffer.from(`data: {"id":"x",\ndata: "choices":[]\ndata: }\n\n`)]);
    expect(events).toEqual([{ id: 'x', choices: [] }]);
  });

  it('is complete when an upstream leaves out the blank lines between its events', () => {
    const lines = [HELLO, STOP, usageChunk(USAGE), '[DONE]'].map((value) =>
      typeof value === 'string' ? value : JSON.stringify(value),
    );
    const { events, stream } = readStream([Buffer.from(lines.map((line) => `data: ${line}\n`).join(''))]);
    expect(events).toEqual([HELLO, STOP]);
    expect(stream.usage).toEqual(USAGE);
    expect(stream.done).toBe(true);
  });

  it('is complete when the last event has no blank line', () => {
    const { events } = readStream([Buffer.from(`data: ${JSON.stringify(HELLO)}\n\ndata: ${JSON.stringify(STOP)}`)]);
    expect(events).toEqual([HELLO, STOP]);
  });

  it('leaves out pings, whatever their form', () => {
    const pings = ': OPENROUTER PROCESSING\n\nevent: ping\ndata: \n\ndata:\n\nid: 4\nretry: soon\n\n';
    const { events, stream } = readStream([Buffer.concat([Buffer.from(pings), sse(HELLO)])]);
    expect(events).toEqual([HELLO]);
    expect(stream.failure).toBeNull();
  });

  it.each(['data: [DONE]\n\n', 'data:[DONE]\n\n', 'data: "[DONE]"\n\n', 'data:  [DONE] \r\n\r\n', 'data: [DONE]\n'])(
    'ends at %j and ignores what follows',
    (ending) => {
      const { events, stream } = readStream([sse(HELLO), Buffer.from(ending), sse(STOP, '[DONE]'), sse('no JSON')]);
      expect(stream.done).toBe(true);
      expect(stream.failure).toBeNull();
      expect(events).toEqual([HELLO]);
    },
  );

  it('ends at a [DONE] whose line is not ended', () => {
    const { events, stream } = readStream([sse(HELLO), Buffer.from('data: [DONE]')]);
    expect(stream.done).toBe(true);
    expect(events).toEqual([HELLO]);
  });
});

describe('A stream that fails', () => {
  it('forwards what came before an error object and nothing after it', () => {
    const { events, stream } = readStream([
      sse(HELLO, { error: { message: 'overloaded', code: 529 } }, STOP, '[DONE]'),
    ]);
    expect(events).toEqual([HELLO]);
    expect(stream.failure).toEqual({ message: 'overloaded', code: 529 });
    expect(stream.done).toBe(false);
  });

  it('fails on a chunk that has an error beside its choices, as OpenRouter sends it, and keeps its usage', () => {
    const broken = { ...chunk({ delta: { content: '' }, finish: 'error' }), error: { code: 502 }, usage: USAGE };
    const { events, stream, received } = readStream([Buffer.from(': OPENROUTER PROCESSING\n\n'), sse(HELLO, broken)]);
    expect(events).toEqual([HELLO]);
    expect(stream.failure).toEqual({ code: 502 });
    expect(stream.usage).toEqual(USAGE);
    expect(received.finishReason).toBeNull();
  });

  it('fails on an error inside a choice', () => {
    const { events, stream } = readStream([sse({ ...HELLO, choices: [null, { index: 0, error: { code: 500 } }] })]);
    expect(events).toEqual([]);
    expect(stream.failure).toEqual({ code: 500 });
  });

  it.each([
    ['{"message":"quota"}', { message: 'quota' }],
    ['{"error":{"code":7}}', { code: 7 }],
    ['went wrong', { message: 'an error event' }],
    ['', { message: 'an error event' }],
  ])('fails on an event named error with the data %j', (data, failure) => {
    const { stream } = readStream([Buffer.from(`event: error\ndata: ${data}\n\n`)]);
    expect(stream.failure).toEqual(failure);
  });

  it.each(['<html>502</html>', '[1,2]', '"text"', 'null', '{"id":', '17'])('fails on the data %j', (data) => {
    const { events, stream } = readStream([sse(HELLO, data, STOP)]);
    expect(events).toEqual([HELLO]);
    expect(stream.failure).toEqual({ message: 'an event was not JSON' });
  });

  it('fails on an event named error that looks like the chunks before it, its name cut in two', () => {
    const pieces = ['event: er', 'ror\n', sse(HELLO).toString()].map((piece) => Buffer.from(piece));
    const { events, stream } = readStream([sse(HELLO), ...pieces]);
    expect(events).toEqual([HELLO]);
    expect(stream.failure).toEqual(HELLO);
  });

  it('does not take choices that are no objects for content', () => {
    const { events, received } = readStream([sse({ ...HELLO, choices: [null, 3, 'x', { delta: null }] }, '[DONE]')]);
    expect(events).toHaveLength(1);
    expect(received.isEmpty).toBe(true);
  });

  it('passes an event of 15 MB and refuses one beyond 16 MB, also when it never ends', () => {
    const large = chunk({ delta: { content: 'x'.repeat(15 * 1_048_576) } });
    expect(readStream([sse(large, '[DONE]')]).events).toEqual([large]);

    const piece = Buffer.alloc(65_536, 'y');
    const endless = [sse(HELLO), Buffer.from('data: '), ...Array.from({ length: 300 }, () => piece)];
    const { events, stream } = readStream(endless);
    expect(events).toEqual([HELLO]);
    expect(stream.failure).toEqual({ message: 'an event was too large' });
  });
});

describe('A stream that is cut', () => {
  it('has forwarded two deltas and is neither done nor finished', () => {
    const world = chunk({ delta: { content: ' world' } });
    const { events, stream, received } = readStream([sse(HELLO, world)]);
    expect(events).toEqual([HELLO, world]);
    expect(stream.done).toBe(false);
    expect(received.finished).toBe(false);
    expect(received.toCount()).toEqual({ text: 'Hello world', scale: 1, atLeast: 2 });
  });
});

describe('Tool calls without an index', () => {
  it('pass through as they came and are counted', () => {
    const first = chunk({ delta: { tool_calls: [{ id: 'a', function: { name: 'f', arguments: '{"x"' } }] } });
    const second = chunk({ delta: { tool_calls: [{ id: 'b', function: { name: 'g', arguments: '' } }] } });
    const third = chunk({ delta: { tool_calls: [{ id: 'a', function: { arguments: ':1}' } }, null] } });
    const end = chunk({ finish: 'tool_calls' });
    const { events, received } = readStream([sse(first, second, third, end, '[DONE]')]);
    expect(events).toEqual([first, second, third, end]);
    expect(received.toCount()).toEqual({ text: 'f{"x"g:1}', scale: 1, atLeast: 3 });
    expect(received.finishReason).toBe('tool_calls');
  });
});
