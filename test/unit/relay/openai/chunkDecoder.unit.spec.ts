import { describe, expect, it } from 'vitest';
import type { AnswerEvent } from '../../../../services/relay/canonical/answer.ts';
import { chunk, cut, sse, usageChunk } from '../chatFixtures.ts';
import { decoded, joined } from './canonicalFixtures.ts';

const START: AnswerEvent = { type: 'start', id: 'chatcmpl-1', model: expect.any(String) as string };
const END: AnswerEvent = { type: 'end' };
const STOP = finish('stop');
const USAGE = { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 };
const COUNTED: AnswerEvent = { type: 'usage', usage: { input: { uncachedInput: 9 }, output: { outputText: 3 } } };

function finish(reason: string, choice = 0): AnswerEvent {
  return { type: 'finish', choice, reason, stopSequence: null } as AnswerEvent;
}

function text(said: string, choice = 0): AnswerEvent {
  return { type: 'text', choice, text: said };
}

function ended(reason: string) {
  return chunk({ finish: reason });
}

function calls(...fragments: readonly object[]) {
  return chunk({ delta: { tool_calls: fragments } });
}

/** The events of these chunks and `[DONE]`, without the start. */
function read(...values: readonly unknown[]): AnswerEvent[] {
  return decoded([sse(...values, '[DONE]')]).slice(1);
}

describe('A chat stream from upstream', () => {
  const golden = Buffer.concat([
    Buffer.from(': OPENROUTER PROCESSING\n\n'),
    sse(
      chunk({ delta: { role: 'assistant', content: '' } }, { usage: null }),
      chunk({ delta: { reasoning_content: '想' } }),
      chunk({ delta: { content: '你好🙂' } }),
      calls({ index: 0, id: 'call_a', type: 'function', function: { name: 'now', arguments: '' } }),
      calls({ index: 0, function: { arguments: '{"ort":"Köln"}' } }),
      ended('tool_calls'),
      usageChunk(USAGE),
      '[DONE]',
    ),
  ]);
  const expected: AnswerEvent[] = [
    START,
    { type: 'thinking', choice: 0, text: '想' },
    text('你好🙂'),
    { type: 'toolStart', choice: 0, call: 0, id: 'call_a', name: 'now' },
    { type: 'toolArguments', choice: 0, call: 0, json: '{"ort":"Köln"}' },
    { type: 'toolEnd', choice: 0, call: 0 },
    finish('tool_calls'),
    COUNTED,
    END,
  ];
  const crlf = Buffer.from(golden.toString('utf8').replaceAll('\n', '\r\n'));

  it('becomes events', () => {
    expect(decoded([golden])).toEqual(expected);
  });

  it('becomes the same events wherever its bytes are cut in two', () => {
    for (let at = 0; at <= golden.length; at += 1) {
      expect(decoded([golden.subarray(0, at), golden.subarray(at)])).toEqual(expected);
    }
  });

  it.each([1, 7])('becomes the same events in pieces of %i bytes, with any line end', (size) => {
    expect(decoded(cut(golden, size))).toEqual(expected);
    expect(decoded(cut(crlf, size))).toEqual(expected);
  });

  it('is read without spaces, blank lines between events and an end of the last one', () => {
    const tight = golden.toString('utf8').replaceAll('data: ', 'data:').replaceAll('\n\n', '\n').trimEnd();
    expect(decoded([Buffer.from(tight)])).toEqual(expected);
  });

  it('is at its end at the first end marker, in any spelling', () => {
    const events = decoded([
      sse(chunk({ delta: { content: 'a' }, finish: 'stop' }), '"[DONE]"', '[DONE]', chunk({ delta: { content: 'b' } })),
    ]);
    expect(events).toEqual([START, text('a'), STOP, END]);
  });

  it('has no end of its own when the upstream just closes', () => {
    expect(decoded([sse(chunk({ delta: { content: 'a' } }))])).toEqual([START, text('a')]);
    expect(decoded([sse(chunk({ delta: { content: 'a' }, finish: 'stop' }))])).toEqual([START, text('a'), STOP]);
  });

  it('has stopped when the end marker comes without a finish reason', () => {
    expect(read(chunk({ delta: { content: 'a' } }))).toEqual([text('a'), STOP, END]);
  });

  it('begins with the first chunk that has an id or a choice', () => {
    const first = { id: '', model: '', choices: [], prompt_filter_results: [{}] };
    expect(decoded([sse(first, chunk({ delta: { content: 'a' } }))])).toEqual([START, text('a')]);
    expect(decoded([sse({ choices: [{ delta: { content: 'a' } }] })])).toEqual([
      { type: 'start', id: null, model: null },
      text('a'),
    ]);
  });

  it('may hold several choices, in any order', () => {
    const events = read(
      chunk({ index: 1, delta: { content: 'b' } }),
      chunk({ index: 0, delta: { content: 'a' }, finish: 'length' }),
      chunk({ index: 1, finish: 'stop' }),
    );
    expect(events).toEqual([text('b', 1), text('a'), finish('length'), finish('stop', 1), END]);
  });

  it('is read past fields of the wrong type', () => {
    const odd = [
      { choices: null },
      {
        choices: [
          null,
          7,
          { index: -1, delta: null },
          { index: 0, delta: { content: 3, tool_calls: {}, images: 'x' } },
        ],
      },
      {
        choices: [
          { index: 'zero', delta: { content: [{ text: null }, 'x'], audio: 1, refusal: {} }, finish_reason: '' },
        ],
      },
    ];
    expect(read(chunk(), ...odd, chunk({ delta: { content: 'a' } }))).toEqual([text('a'), STOP, END]);
  });
});

describe('Content from upstream', () => {
  it.each([
    [
      { reasoning: 'hm', content: null },
      { type: 'thinking', choice: 0, text: 'hm' },
    ],
    [
      { reasoning: 'hm', reasoning_content: 'hm' },
      { type: 'thinking', choice: 0, text: 'hm' },
    ],
    [{ refusal: 'No.' }, { type: 'refusal', choice: 0, text: 'No.' }],
    [{ audio: { id: 'a', data: 'AAAA', transcript: 'Hello' } }, text('Hello')],
    [{ content: [{ type: 'text', text: 'a' }] }, text('a')],
    [
      { content: [{ type: 'thinking', thinking: [{ type: 'text', text: 'hm' }] }] },
      { type: 'thinking', choice: 0, text: 'hm' },
    ],
    [
      { images: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,QUJD' } }] },
      { type: 'image', choice: 0, mime: 'image/png', data: 'QUJD' },
    ],
    [{ images: [{ image_url: { url: 'https://x.test/a.png' } }] }, text('https://x.test/a.png')],
  ])('of the shape %j is understood', (delta, event) => {
    expect(read(chunk({ delta }))[0]).toEqual(event);
  });

  it('is thinking where the channel says that it is', () => {
    const events = decoded([sse(chunk({ delta: { thoughts: 'hm' } }))], { reasoningField: 'thoughts' });
    expect(events[1]).toEqual({ type: 'thinking', choice: 0, text: 'hm' });
  });

  it.each([
    ['stop', 'stop'],
    ['length', 'length'],
    ['content_filter', 'content_filter'],
    ['sensitive', 'content_filter'],
    ['insufficient_system_resource', 'error'],
    ['tool_calls', 'stop'],
    ['something new', 'stop'],
  ])('that ends with %s has the finish reason %s', (stated, reason) => {
    expect(read(chunk({ delta: { content: 'a' }, finish: stated }))[1]).toEqual(finish(reason));
  });

  it('that was refused ends as a refusal', () => {
    expect(read(chunk({ delta: { refusal: 'No.' }, finish: 'stop' }))[1]).toEqual(finish('refusal'));
  });
});

describe('Usage from upstream', () => {
  const more: AnswerEvent = { type: 'usage', usage: { input: { uncachedInput: 9 }, output: { outputText: 5 } } };

  it('is taken from any chunk, and the last one holds', () => {
    const growing = [3, 5].map((tokens) =>
      chunk({ delta: { content: 'a' } }, { usage: { prompt_tokens: 9, completion_tokens: tokens } }),
    );
    const events = read(...growing, chunk({ finish: 'stop' }, { usage: { prompt_tokens: 0, completion_tokens: 0 } }));
    expect(events.filter(({ type }) => type === 'usage')).toEqual([COUNTED, more]);
    expect(events.findLast(({ type }) => type === 'usage')).toEqual(more);
  });

  it('keeps of each half the last count that is not 0', () => {
    const usage = { prompt_tokens: 9, completion_tokens: 500, completion_tokens_details: { reasoning_tokens: 480 } };
    const events = read(
      chunk({ delta: { content: 'a' } }, { usage }),
      usageChunk({ prompt_tokens: 9, completion_tokens: 0, total_tokens: 9 }),
      usageChunk({ total_tokens: 509 }),
    );
    expect(events.findLast(({ type }) => type === 'usage')).toEqual({
      type: 'usage',
      usage: { input: { uncachedInput: 9 }, output: { outputText: 20, reasoning: 480 } },
    });
  });

  it('is found on the finish chunk and behind it', () => {
    expect(read(chunk({ finish: 'stop' }, { usage: USAGE }))).toEqual([STOP, COUNTED, END]);
    expect(read(chunk({ finish: 'stop' }), usageChunk(USAGE))).toEqual([STOP, COUNTED, END]);
  });

  it('is found where the channel has it', () => {
    const inChoice = { ...chunk(), choices: [{ index: 0, delta: {}, finish_reason: 'stop', usage: USAGE }] };
    expect(decoded([sse(inChoice)], { usagePath: 'choices.0.usage' }).at(-1)).toEqual(COUNTED);
    expect(decoded([sse(chunk({}, { x_groq: { usage: USAGE } }))], { usagePath: 'x_groq.usage' }).at(-1)).toEqual(
      COUNTED,
    );
  });

  it('counts reasoning that the completion leaves out', () => {
    const usage = {
      prompt_tokens: 10,
      completion_tokens: 4,
      total_tokens: 20,
      completion_tokens_details: { reasoning_tokens: 6 },
    };
    expect(read(usageChunk(usage))[0]).toEqual({
      type: 'usage',
      usage: { input: { uncachedInput: 10 }, output: { outputText: 4, reasoning: 6 } },
    });
  });
});

describe('A failure under a success status', () => {
  it.each([
    [
      { error: { code: 502, message: 'down' }, choices: [{ delta: {}, finish_reason: 'error' }] },
      { error: { code: 502, message: 'down' } },
    ],
    [{ choices: [{ index: 0, error: { message: 'down' }, finish_reason: 'error' }] }, { error: { message: 'down' } }],
    [{ error: 'down' }, { error: 'down' }],
    [{ object: 'error', message: 'down', code: 400 }, { error: { object: 'error', message: 'down', code: 400 } }],
    [
      { base_resp: { status_code: 1_008, status_msg: 'no balance' } },
      { error: { status_code: 1_008, status_msg: 'no balance' } },
    ],
  ])('is seen in %j, and nothing follows it', (stated, error) => {
    const events = decoded([
      sse(chunk({ delta: { content: 'a' } }), stated, chunk({ delta: { content: 'b' } }), '[DONE]'),
    ]);
    expect(events).toEqual([START, text('a'), { type: 'failed', error: JSON.stringify(error) }]);
  });

  it('is seen in a named error event', () => {
    const events = decoded([Buffer.from('event: error\ndata: {"message":"down"}\n\n')]);
    expect(events).toEqual([{ type: 'failed', error: '{"error":{"message":"down"}}' }]);
  });

  it('is seen in an event that is not JSON', () => {
    expect(decoded([Buffer.from('data: <html>\n\n')])).toEqual([
      { type: 'failed', error: '{"error":{"message":"an event was not JSON"}}' },
    ]);
  });

  it('is a call that never gets a name', () => {
    const events = decoded([
      sse(calls({ index: 0, id: 'call_a', function: { arguments: '{"a":1}' } }), ended('tool_calls'), '[DONE]'),
    ]);
    expect(events).toEqual([START, { type: 'failed', error: '{"error":{"message":"a tool call had no name"}}' }]);
  });
});

describe('Tool calls from upstream', () => {
  const whole = (call: number, id: string | null, name: string, json: string): AnswerEvent[] => [
    { type: 'toolStart', choice: 0, call, id, name },
    ...(json === '' ? [] : [{ type: 'toolArguments', choice: 0, call, json } as const]),
    { type: 'toolEnd', choice: 0, call },
  ];
  const two = [...whole(0, 'a', 'f', '{"x":1}'), ...whole(1, 'b', 'g', '{"y":2}'), finish('tool_calls'), END];
  const reading = (...values: readonly unknown[]): AnswerEvent[] => joined(read(...values));
  const f = (json: string, more: object = {}) => ({ ...more, function: { name: 'f', arguments: json } });
  const g = (json: string, more: object = {}) => ({ ...more, function: { name: 'g', arguments: json } });
  const rest = (json: string, more: object = {}) => ({ ...more, function: { arguments: json } });

  it('arrive as they are written', () => {
    const events = read(
      calls(f('', { index: 0, id: 'a' })),
      calls(rest('{"x"', { index: 0 })),
      calls(rest(':1}', { index: 0 })),
    );
    expect(events.slice(0, 3)).toEqual([
      { type: 'toolStart', choice: 0, call: 0, id: 'a', name: 'f' },
      { type: 'toolArguments', choice: 0, call: 0, json: '{"x"' },
      { type: 'toolArguments', choice: 0, call: 0, json: ':1}' },
    ]);
  });

  it('are put in line when their fragments are mixed', () => {
    const events = reading(
      calls(f('{"x"', { index: 0, id: 'a' }), g('{"y"', { index: 1, id: 'b' })),
      calls(rest(':2}', { index: 1 })),
      calls(rest(':1}', { index: 0 })),
      ended('tool_calls'),
    );
    expect(events).toEqual(two);
  });

  it.each([
    ['by id', [f('{"x":', { id: 'a' }), g('{"y":', { id: 'b' }), rest('1}', { id: 'a' }), rest('2}', { id: 'b' })]],
    ['by order', [f('{"x":', { id: 'a' }), rest('1}'), g('{"y":', { id: 'b' }), rest('2}')]],
    [
      'by new names',
      [f('{"x":', { id: 'a', index: 0 }), rest('1}', { index: 0 }), g('{"y":2}', { id: 'b', index: 0 })],
    ],
    [
      'by id, with the name repeated',
      [f('{"x":', { id: 'a' }), f('1}', { id: 'a' }), g('{"y":', { id: 'b' }), g('2}', { id: 'b' })],
    ],
    [
      'by index, with another id each time',
      [f('{"x":', { index: 0, id: 'a' }), rest('1}', { index: 0, id: 'z' }), g('{"y":2}', { index: 1, id: 'b' })],
    ],
    [
      'when complete ones are repeated',
      [f('{"x":1}', { index: 0, id: 'a' }), f('{"x":1}', { index: 0, id: 'a' }), g('{"y":2}', { index: 1, id: 'b' })],
    ],
  ])('are told apart %s', (_how, fragments) => {
    expect(reading(...fragments.map((fragment) => calls(fragment)), ended('stop'))).toEqual(two);
  });

  it('without ids or numbers are told apart by name, and by complete arguments', () => {
    const events = reading(calls(f('{"x":1}')), calls(f('{"x":2}')), calls(g('')), ended('tool_calls'));
    expect(events).toEqual([
      ...whole(0, null, 'f', '{"x":1}'),
      ...whole(1, null, 'f', '{"x":2}'),
      ...whole(2, null, 'g', ''),
      finish('tool_calls'),
      END,
    ]);
  });

  it('are not mixed with text', () => {
    const early = reading(
      calls(f('{"x":', { index: 0, id: 'a' })),
      chunk({ delta: { content: 'then' } }),
      calls(rest('1}', { index: 0 })),
    );
    const later = reading(calls(f('{"x":1}', { index: 0, id: 'a' })), chunk({ delta: { content: 'then' } }));
    const expected = [...whole(0, 'a', 'f', '{"x":1}'), text('then'), finish('tool_calls'), END];
    expect(early).toEqual(expected);
    expect(later).toEqual(expected);
  });

  it('that wait for their name are kept in their place', () => {
    const events = reading(
      calls({ index: 0, id: 'a', function: {} }),
      chunk({ delta: { content: 'then' } }),
      calls(f('{"x":1}', { index: 0 })),
      ended('tool_calls'),
    );
    expect(events).toEqual([...whole(0, 'a', 'f', '{"x":1}'), text('then'), finish('tool_calls'), END]);
  });

  it('force their finish reason, but not when the answer was cut', () => {
    expect(read(calls(f('{}', { index: 0, id: 'a' })), ended('stop')).at(-2)).toEqual(finish('tool_calls'));
    expect(read(calls(f('{"x', { index: 0, id: 'a' })), ended('length')).at(-2)).toEqual(finish('length'));
  });

  it('are not made of an empty entry', () => {
    expect(read(calls({ index: 0 }), chunk({ delta: { content: 'a' } }), ended('tool_calls'))).toEqual([
      text('a'),
      STOP,
      END,
    ]);
  });

  it('may have braces and quotes in their strings', () => {
    const json = '{"x":"}\\"}]","y":[{}]}';
    const events = reading(
      ...Array.from(json, (piece) => calls(f(piece, { index: 0, id: 'a' }))),
      calls(g('{"y":2}', { index: 1, id: 'b' })),
      ended('stop'),
    );
    expect(events).toEqual([...whole(0, 'a', 'f', json), ...whole(1, 'b', 'g', '{"y":2}'), finish('tool_calls'), END]);
  });

  it('may be the one function call of old, arguments that are an object, and have a thought signature', () => {
    expect(reading(chunk({ delta: { function_call: { name: 'f', arguments: '{"x":1}' } } })).slice(0, 3)).toEqual(
      whole(0, null, 'f', '{"x":1}'),
    );
    expect(reading(calls({ index: 0, function: { name: 'f', arguments: { x: 1 } } })).slice(0, 3)).toEqual(
      whole(0, null, 'f', '{"x":1}'),
    );
    const signed = calls(f('{}', { index: 0, id: 'a', extra_content: { google: { thought_signature: 'sig' } } }));
    expect(read(signed)[0]).toEqual({ type: 'toolStart', choice: 0, call: 0, id: 'a', name: 'f', signature: 'sig' });
  });
});
