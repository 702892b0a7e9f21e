import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import type OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatPicos } from '../../../events/money.ts';
import { CHANNEL_MODELS, PROVIDER_KEY, startAimockService, type AimockService } from './aimockService.ts';
import { bookedCall, expectWell } from './bookedService.ts';

const { steady, mute, impatient } = CHANNEL_MODELS;
/** Picos per token of `steady` and of `impatient`. */
const STEADY_PRICE = 150_000n;
const IMPATIENT_PRICE = 2_500_000n;
const STORY = 'Once upon a time there was a tally stick, split in two, so that each side could prove the debt.';

let world: AimockService;
let client: OpenAI;

beforeAll(async () => {
  world = await startAimockService();
  ({ client } = world);
});
afterAll(() => world.dispose());

function ask(content: string, model: string = steady) {
  return { model, messages: [{ role: 'user' as const, content }] };
}

async function readAll(stream: AsyncIterable<OpenAI.ChatCompletionChunk>) {
  const chunks: OpenAI.ChatCompletionChunk[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return { chunks, text: chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('') };
}

describe('an answer of a foreign upstream', () => {
  it('reaches the client whole, and is billed as the upstream counts', async () => {
    world.provider.onMessage('count me', {
      content: STORY,
      usage: { prompt_tokens: 11, completion_tokens: 25, total_tokens: 36 },
    });
    const {
      data,
      response,
      request_id: requestId,
    } = await client.chat.completions.create(ask('count me')).withResponse();
    expect(data.choices[0]?.message.content).toBe(STORY);
    expect(data.usage).toMatchObject({ prompt_tokens: 11, completion_tokens: 25, total_tokens: 36 });
    expect(response.headers.get('x-tallystick-cost')).toBe(formatPicos(36n * STEADY_PRICE));
    expect(await bookedCall(world.service, requestId)).toMatchObject({
      status: 'completed',
      source: 'reported',
      usage: { uncachedInput: 11, outputText: 25 },
      amount: 36n * STEADY_PRICE,
      currency: 'USD',
      channel: 'steady',
      finishReason: 'stop',
      attempts: [{ channel: 'steady', outcome: 'answered', status: 200 }],
    });
  });

  it('is asked for with the channel’s credential and model, a bounded length, and nothing of the client’s', async () => {
    world.provider.onMessage('look at me', { content: 'Seen' });
    const { request_id: requestId } = await client.chat.completions
      .create(ask('look at me'), { headers: { 'X-Secret-Of-Mine': 'hidden', Cookie: 'a=b' } })
      .withResponse();
    const seen = world.provider.getLastRequest();
    expect(seen?.path).toBe('/v1/chat/completions');
    expect(seen?.body).toMatchObject({ model: 'vendor/mini-2026', max_tokens: 16_384 });
    expect(seen?.headers['x-request-id']).toBe(requestId);
    expect(Object.keys(seen?.headers ?? {}).sort()).toEqual(
      [
        'accept',
        'accept-encoding',
        'authorization',
        'connection',
        'content-length',
        'content-type',
        'host',
        'user-agent',
        'x-request-id',
      ].sort(),
    );
    expect(JSON.stringify(seen)).not.toContain('tly_');
  });

  it('names the model that the client asked for, whatever the upstream calls it', async () => {
    world.provider.onMessage('who are you', { content: 'Me', model: 'vendor-internal-7b-canary' });
    const answer = await client.chat.completions.create(ask('who are you'));
    expect(answer.model).toBe(steady);
    const { chunks } = await readAll(await client.chat.completions.create({ ...ask('who are you'), stream: true }));
    expect(new Set(chunks.map(({ model }) => model))).toEqual(new Set([steady]));
  });

  it('may be a tool call', async () => {
    const args = { city: 'Łódź', days: [1, 2, 3], note: 'a "quoted" word and a \n line' };
    world.provider.onMessage('call a tool', {
      toolCalls: [{ name: 'get_weather', arguments: JSON.stringify(args), id: 'call_abc' }],
      usage: { prompt_tokens: 20, completion_tokens: 12 },
    });
    const { data, request_id: requestId } = await client.chat.completions
      .create({ ...ask('call a tool'), tools: [TOOL] })
      .withResponse();
    expect(data.choices[0]?.finish_reason).toBe('tool_calls');
    const [call] = data.choices[0]?.message.tool_calls ?? [];
    expect(call).toEqual({
      id: 'call_abc',
      type: 'function',
      function: { name: 'get_weather', arguments: JSON.stringify(args) },
    });
    expect((await bookedCall(world.service, requestId)).usage).toEqual({ uncachedInput: 20, outputText: 12 });
  });

  it('is billed in the currency of its model', async () => {
    world.provider.onMessage('in yuan', { content: 'Yes', usage: { prompt_tokens: 9, completion_tokens: 1 } });
    const {
      data,
      request_id: requestId,
      response,
    } = await client.chat.completions.create(ask('in yuan', impatient)).withResponse();
    expect(data.usage).toMatchObject({ cost: 0.000025, cost_currency: 'CNY' });
    expect(response.headers.get('x-tallystick-currency')).toBe('CNY');
    expect(await bookedCall(world.service, requestId)).toMatchObject({
      amount: 10n * IMPATIENT_PRICE,
      currency: 'CNY',
    });
  });
});

describe('a stream of a foreign upstream', () => {
  it('reaches the client piece by piece, and is billed as the upstream counts although the client did not ask', async () => {
    world.provider.onMessage(
      'tell me',
      { content: STORY, usage: { prompt_tokens: 13, completion_tokens: 27 } },
      { chunkSize: 5 },
    );
    const { data: stream, request_id: requestId } = await client.chat.completions
      .create({ ...ask('tell me'), stream: true })
      .withResponse();
    const { chunks, text } = await readAll(stream);
    expect(text).toBe(STORY);
    expect(chunks.length).toBeGreaterThan(STORY.length / 5);
    expect(chunks.every((chunk) => !('usage' in chunk) && chunk.choices.length === 1)).toBe(true);
    expect(world.provider.getLastRequest()?.body).toMatchObject({ stream_options: { include_usage: true } });
    expect(await bookedCall(world.service, requestId)).toMatchObject({
      status: 'completed',
      source: 'reported',
      usage: { uncachedInput: 13, outputText: 27 },
      amount: 40n * STEADY_PRICE,
    });
  });

  it('ends with the upstream’s usage and our cost for a client that asks', async () => {
    world.provider.onMessage('tell and count', { content: STORY, usage: { prompt_tokens: 13, completion_tokens: 27 } });
    const stream = await client.chat.completions.create({
      ...ask('tell and count'),
      stream: true,
      stream_options: { include_usage: true },
    });
    const { chunks } = await readAll(stream);
    expect(chunks.filter((chunk) => chunk.usage)).toHaveLength(1);
    expect(chunks.at(-1)).toMatchObject({
      choices: [],
      usage: {
        prompt_tokens: 13,
        completion_tokens: 27,
        total_tokens: 40,
        cost: Number(formatPicos(40n * STEADY_PRICE)),
        cost_currency: 'USD',
      },
    });
  });

  it('may carry tool calls in fragments, several at once', async () => {
    world.provider.onMessage(
      'two tools',
      {
        toolCalls: [
          { name: 'get_weather', arguments: '{"city":"Paris"}', id: 'call_1' },
          { name: 'get_weather', arguments: '{"city":"Oslo"}', id: 'call_2' },
        ],
      },
      { chunkSize: 3 },
    );
    const final = await client.chat.completions.stream({ ...ask('two tools'), tools: [TOOL] }).finalChatCompletion();
    expect(final.choices[0]?.message.tool_calls).toMatchObject([
      { id: 'call_1', type: 'function', function: { name: 'get_weather', arguments: '{"city":"Paris"}' } },
      { id: 'call_2', type: 'function', function: { name: 'get_weather', arguments: '{"city":"Oslo"}' } },
    ]);
  });

  it('is not held back: the first piece arrives long before the last', async () => {
    world.provider.onMessage(
      'slowly',
      { content: 'a b c d e f' },
      { chunkSize: 2, streamingProfile: { ttft: 150, tps: 10 } },
    );
    const startedAt = performance.now();
    const arrivals: number[] = [];
    for await (const chunk of await client.chat.completions.create({ ...ask('slowly'), stream: true })) {
      if (chunk.choices[0]?.delta.content) arrivals.push(performance.now() - startedAt);
    }
    const [first = 0, last = 0] = [arrivals[0], arrivals.at(-1)];
    expect(first).toBeGreaterThanOrEqual(145);
    expect(last - first).toBeGreaterThanOrEqual(450);
  });

  it('keeps text whole that is more than ASCII', async () => {
    const text = '早上好，世界 🌍 — naïve café ́ العربية \u2028 end';
    world.provider.onMessage('unicode', { content: text }, { chunkSize: 1 });
    const { text: received } = await readAll(await client.chat.completions.create({ ...ask('unicode'), stream: true }));
    // The upstream cuts between UTF-16 units; together they are the text again.
    expect(received).toBe(text);
  });
});

describe('where a foreign upstream reports no usage', () => {
  it('bills an estimate, says so in the log, and shows the client the same figures', async () => {
    world.provider.onMessage('estimate me', { content: STORY });
    const { data: stream, request_id: requestId } = await client.chat.completions
      .create({ ...ask('estimate me', mute), stream: true, stream_options: { include_usage: true } })
      .withResponse();
    const { chunks, text } = await readAll(stream);
    expect(text).toBe(STORY);
    expect(world.provider.getLastRequest()?.body).not.toHaveProperty('stream_options');
    const booked = await bookedCall(world.service, requestId);
    const output = countTokens(STORY);
    // Three tokens for the message and three of priming beside its text.
    const input = countTokens('estimate me') + 6;
    expect(booked).toMatchObject({
      status: 'completed',
      source: 'estimated',
      usage: { uncachedInput: input, outputText: output },
      amount: BigInt(input + output) * 2_500_000n,
    });
    expect(chunks.at(-1)?.usage).toMatchObject({ prompt_tokens: input, completion_tokens: output });
  });

  it.each([
    ['nothing at all', { prompt_tokens: 0, completion_tokens: 0 }],
    ['less than nothing', { prompt_tokens: -5, completion_tokens: -7 }],
    ['fractions', { prompt_tokens: 1.5, completion_tokens: 0.5 }],
    ['more than a number can hold', { prompt_tokens: 1e300, completion_tokens: 1e300 }],
  ])('or reports %s, bills an estimate', async (what, usage) => {
    world.provider.onMessage(`claims ${what}`, { content: STORY, usage });
    const { request_id: requestId } = await client.chat.completions.create(ask(`claims ${what}`)).withResponse();
    expect(await bookedCall(world.service, requestId)).toMatchObject({
      source: 'estimated',
      usage: { uncachedInput: countTokens(`claims ${what}`) + 6, outputText: countTokens(STORY) },
    });
  });

  it('bills no more than was held when the upstream claims a fortune', async () => {
    const fortune = { prompt_tokens: 1_000_000_000, completion_tokens: 1_000_000_000 };
    world.provider.onMessage('a fortune', { content: 'Ha', usage: fortune });
    const { data, request_id: requestId } = await client.chat.completions
      .create({ ...ask('a fortune'), max_completion_tokens: 10 })
      .withResponse();
    const booked = await bookedCall(world.service, requestId);
    expect(booked.usage?.outputText).toBe(10);
    expect(booked.usage?.uncachedInput).toBeLessThan(200);
    expect(data.usage).toMatchObject({
      prompt_tokens: booked.usage?.uncachedInput,
      completion_tokens: 10,
      cost: Number(formatPicos(booked.amount)),
    });
  });
});

describe('a foreign upstream that says odd things', () => {
  it.each(['\u0000stop', 'x'.repeat(5_000), '\ud800', 'a\u001fb'])(
    'leaves the books in order after the finish reason %j',
    async (finishReason) => {
      const name = `odd ${Buffer.from(finishReason.slice(0, 8)).toString('hex')}`;
      world.provider.onMessage(name, {
        content: 'Odd',
        finishReason,
        usage: { prompt_tokens: 5, completion_tokens: 1 },
      });
      const { data, request_id: requestId } = await client.chat.completions.create(ask(name)).withResponse();
      expect(data.choices[0]?.finish_reason).toBe(finishReason);
      expect(await bookedCall(world.service, requestId)).toMatchObject({
        status: 'completed',
        amount: 6n * STEADY_PRICE,
      });
      const { rows } = await world.service.pool.query('SELECT * FROM public.parked_accounts');
      expect(rows).toEqual([]);
    },
  );

  it('leaves the service well', async () => {
    await expectWell(world.service);
    expect(world.service.output()).not.toContain(PROVIDER_KEY);
  });
});

const TOOL = {
  type: 'function' as const,
  function: { name: 'get_weather', parameters: { type: 'object', properties: { city: { type: 'string' } } } },
};
