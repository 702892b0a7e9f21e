import { describe, expect, it } from 'vitest';
import type { UsageVector } from '../../../events/meters.ts';
import type { Picos } from '../../../events/money.ts';
import { asOneChunk, parseAnswer, type ChatAnswer } from '../../../services/relay/dialects/openai/chatAnswer.ts';
import { streamEnding, withCost } from '../../../services/relay/dialects/openai/chatReply.ts';
import { spliceUsage, usageWithCost } from '../../../services/relay/usage/usageCost.ts';
import type { Billed } from '../../../services/relay/call.ts';
import { MODEL } from '../../support/events.ts';
import { chatRequest, eventsOf } from './chatFixtures.ts';

const USAGE = { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 };
const BILLED: UsageVector = { uncachedInput: 9, outputText: 3 };
const COST = '"cost":0.00000855,"cost_currency":"USD"';

function settlement(usage: UsageVector = BILLED, picos: Picos = 8_550_000n): Billed {
  return { usage, picos, currency: 'USD' };
}

function answer(text: string): ChatAnswer {
  const parsed = parseAnswer(text);
  if (!parsed) throw new Error('not an answer');
  return parsed;
}

const reply = (text: string, billed = settlement()) => {
  const parsed = answer(text);
  return withCost(parsed, MODEL, parsed.body['usage'], billed);
};

/** An answer as a provider may write it, with odd spaces and numbers that a parser would change. */
const text = (usage: string, content = 'hi') =>
  `{ "id":"x","created":1763630000.0, "model" : "${MODEL}",
  "choices":[ {"index":0,"message":{"content":${JSON.stringify(content)}},"finish_reason":"stop"} ],${usage}"seed":9223372036854775807 }`;

describe('An answer with its cost', () => {
  it("is the provider's bytes, with the cost as an exact literal at the end of its usage", () => {
    const stated = '"usage" : { "prompt_tokens":9, "completion_tokens":3,"total_tokens":12 }, ';
    expect(reply(text(stated))).toBe(text(`"usage" : {${JSON.stringify(USAGE).slice(1, -1)},${COST}}, `));
  });

  it.each(['say "usage":{"prompt_tokens":1}', '\\"usage\\"', '"usage": {}', '\u2028{"usage"}'])(
    'is not misled by the content %j',
    (content) => {
      const stated = `"usage":${JSON.stringify(USAGE)},`;
      expect(reply(text(stated, content))).toBe(
        text(`"usage":${JSON.stringify(USAGE).slice(0, -1)},${COST}},`, content),
      );
    },
  );

  it('has its cost when the usage holds braces in strings', () => {
    const usage = { ...USAGE, tier: '}{"' };
    const told = JSON.parse(reply(text(`"usage":${JSON.stringify(usage)},`))) as Record<string, unknown>;
    expect(told['usage']).toEqual({ ...usage, cost: 0.00000855, cost_currency: 'USD' });
  });

  it('has the cost in its own usage when a choice repeats the same object', () => {
    const body = { model: MODEL, usage: USAGE, choices: [{ usage: USAGE }] };
    expect(JSON.parse(reply(JSON.stringify(body)))).toEqual({
      ...body,
      usage: { ...USAGE, cost: 0.00000855, cost_currency: 'USD' },
    });
  });

  it('takes the place of what the provider says of its own price', () => {
    const stated = { ...USAGE, cost: 0.95, cost_details: { upstream_inference_cost: 19 }, is_byok: true };
    const told = reply(JSON.stringify({ model: MODEL, choices: [], usage: stated }));
    expect(told).toBe(`{"model":"${MODEL}","choices":[],"usage":${JSON.stringify(USAGE).slice(0, -1)},${COST}}}`);
  });

  it.each(['', '"usage":null,', '"usage":[],', '"usage":"none",'])(
    'has a usage of its own in place of %j',
    (stated) => {
      const told = JSON.parse(reply(text(stated))) as Record<string, unknown>;
      expect(told['usage']).toEqual({ ...USAGE, cost: 0.00000855, cost_currency: 'USD' });
      expect(told['choices']).toEqual(answer(text('')).body['choices']);
    },
  );

  it('shows the counts that are billed, with the details of the provider', () => {
    const stated = { prompt_tokens: 0, completion_tokens: 4, completion_tokens_details: { reasoning_tokens: 6 } };
    const billed = settlement({ uncachedInput: 5, audioInput: 2, outputText: 4, reasoning: 6, imageOutput: 1 });
    const told = JSON.parse(reply(JSON.stringify({ model: MODEL, choices: [], usage: stated }), billed)) as object;
    expect(told).toMatchObject({
      usage: { ...stated, prompt_tokens: 7, completion_tokens: 11, total_tokens: 18 },
    });
  });

  it('names the model as the client did', () => {
    const told = reply(JSON.stringify({ id: 'x', usage: USAGE, model: 'vendor/m', choices: [] }));
    expect(JSON.parse(told)).toEqual({
      id: 'x',
      model: MODEL,
      choices: [],
      usage: { ...USAGE, cost: 0.00000855, cost_currency: 'USD' },
    });
  });

  it.each([
    [0n, '0'],
    [1n, '0.000000000001'],
    [123_450_000_000_000n, '123.45'],
    [10n ** 30n, '1000000000000000000'],
  ])('of %s picos costs exactly %s', (picos, literal) => {
    expect(usageWithCost({}, picos, 'CNY')).toBe(`{"cost":${literal},"cost_currency":"CNY"}`);
  });

  it('is not spliced where the usage cannot be found with certainty', () => {
    expect(spliceUsage('{"us\\u0061ge":{}}', {}, 'X')).toBeNull();
    expect(spliceUsage('{"a":"usage","b":{}}', {}, 'X')).toBeNull();
    expect(spliceUsage('{"usage":{"a":1', { a: 1 }, 'X')).toBeNull();
    expect(spliceUsage('{"usage":{"a":1}}', { a: 2 }, 'X')).toBeNull();
    expect(spliceUsage('{"usage":{"a":1}}', { a: 1 }, 'X')).toBe('{"usage":X}');
  });
});

describe('The end of a stream', () => {
  const template = { id: 'x', object: 'chat.completion.chunk', created: 1, model: MODEL };

  it('is [DONE] alone for a client that did not ask for usage', () => {
    expect(streamEnding(chatRequest({ stream: true }), template, USAGE, settlement())).toBe('data: [DONE]\n\n');
  });

  it.each([
    ['what the provider reported', { ...USAGE, extra: 1 }, { extra: 1 }],
    ['what was measured', null, {}],
  ])('has one chunk with the cost and %s', (_name, stated, more) => {
    const request = chatRequest({ stream: true, stream_options: { include_usage: true } });
    const ending = streamEnding(request, template, stated, settlement());
    expect(ending.endsWith('\n\ndata: [DONE]\n\n')).toBe(true);
    expect(eventsOf(ending.slice(0, -'data: [DONE]\n\n'.length))).toEqual([
      { ...template, choices: [], usage: { ...USAGE, ...more, cost: 0.00000855, cost_currency: 'USD' } },
    ]);
  });
});

describe('A whole answer', () => {
  it.each([
    '',
    '<html>',
    '[]',
    'null',
    '{"choices":null}',
    '{"error":{"message":"no"}}',
    '{"choices":[],"error":"no"}',
    '{"choices":[{"error":{"code":502}}]}',
    '{"choices":[null]}',
    '{"base_resp":{"status_code":1004},"choices":null}',
  ])('is not %j', (body) => {
    expect(parseAnswer(body)).toBeNull();
  });

  it('is freed of the blank lines and the BOM before it', () => {
    expect(parseAnswer('\uFEFF\n\n {"choices":[]}\n')).toEqual({ text: '{"choices":[]}', body: { choices: [] } });
  });

  it('becomes one chunk when the client wants a stream', () => {
    const calls = [
      { id: 'a', function: { name: 'f' } },
      { index: 5, id: 'b' },
    ];
    const { body } = answer(
      JSON.stringify({
        id: 'x',
        created: 1,
        model: 'vendor/m',
        choices: [
          { index: 0, message: { role: 'assistant', content: '你' }, finish_reason: 'length' },
          { message: { tool_calls: calls } },
          {},
        ],
        usage: USAGE,
      }),
    );
    const expected = {
      id: 'x',
      object: 'chat.completion.chunk',
      created: 1,
      model: MODEL,
      choices: [
        { index: 0, delta: { role: 'assistant', content: '你' }, finish_reason: 'length' },
        { index: 1, delta: { tool_calls: [{ index: 0, ...calls[0] }, calls[1]] }, finish_reason: 'stop' },
        { index: 2, delta: {}, finish_reason: 'stop' },
      ],
    };
    expect(eventsOf(asOneChunk(body, chatRequest({ stream: true })))).toEqual([expected]);
    expect(eventsOf(asOneChunk(body, chatRequest({ usage: { include: true } })))).toEqual([
      { ...expected, usage: null },
    ]);
  });
});
