import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatPicos } from '../../../events/money.ts';
import { DEFAULT_PRICE_BOOK, loadPriceBookFile } from '../../../infra/pricebook/loadPriceBookFile.ts';
import { parsePriceBook } from '../../../services/billing/pricebook/priceBookFile.ts';
import { charge } from '../../../services/billing/rating/charge.ts';
import { Developer } from '../../support/developer.ts';
import { bookedCall, startBookedService, usageCount, type BookedService } from './bookedService.ts';
import { openai, saying, simulatedPrice } from './sdk.ts';

let service: BookedService;
let client: OpenAI;

beforeAll(async () => {
  service = await startBookedService();
  client = openai(service.baseUrl, service.firstRun.testKey);
});
afterAll(() => service.dispose());

/** The members that Tallystick adds to OpenAI's usage object. */
type PricedUsage = OpenAI.CompletionUsage & { readonly cost: number; readonly cost_currency: string };

describe('the official OpenAI client, not streamed', () => {
  it('gets an answer, its usage and its exact cost, and the books say the same', async () => {
    const {
      data,
      response,
      request_id: requestId,
    } = await client.chat.completions.create(saying('Hello there')).withResponse();
    expect(data.object).toBe('chat.completion');
    expect(data.model).toBe('tallystick-sim');
    expect(data.choices).toEqual([
      {
        index: 0,
        message: { role: 'assistant', content: 'This is a simulated answer. You said: Hello there', refusal: null },
        logprobs: null,
        finish_reason: 'stop',
      },
    ]);
    const usage = data.usage as PricedUsage;
    expect(usage.total_tokens).toBe(usage.prompt_tokens + usage.completion_tokens);
    const picos = simulatedPrice({ uncachedInput: usage.prompt_tokens, outputText: usage.completion_tokens });
    expect(usage.cost).toBe(Number(formatPicos(picos)));
    expect(usage.cost_currency).toBe('USD');
    expect(response.headers.get('x-tallystick-cost')).toBe(formatPicos(picos));
    expect(response.headers.get('x-tallystick-currency')).toBe('USD');
    expect(response.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(await bookedCall(service, requestId)).toMatchObject({
      status: 'completed',
      source: 'reported',
      usage: { uncachedInput: usage.prompt_tokens, outputText: usage.completion_tokens },
      amount: picos,
      currency: 'USD',
      channel: 'simulated',
      finishReason: 'stop',
    });
  });

  it('states the cost in the body as the very digits of the header, not as a rounded float', async () => {
    const response = await client.chat.completions.create(saying('[[sim chunks=3 cached=7]]')).asResponse();
    const body = await response.text();
    const cost = response.headers.get('x-tallystick-cost') ?? '';
    expect(cost).toMatch(/^0\.\d{1,12}$/);
    expect(body).toContain(`"cost":${cost},"cost_currency":"USD"`);
  });

  it('prices cached and reasoning tokens apart', async () => {
    const { data, response } = await client.chat.completions
      .create(saying(`${'Think again. '.repeat(20)}[[sim cached=100 reasoning=20]]`))
      .withResponse();
    const { prompt_tokens: prompt = 0, completion_tokens: completion = 0 } = data.usage ?? {};
    expect(data.usage).toMatchObject({
      prompt_tokens_details: { cached_tokens: 100 },
      completion_tokens_details: { reasoning_tokens: 20 },
    });
    const vector = { uncachedInput: prompt - 100, cacheRead: 100, outputText: completion - 20, reasoning: 20 };
    expect(response.headers.get('x-tallystick-cost')).toBe(formatPicos(simulatedPrice(vector)));
    const booked = await bookedCall(service, response.headers.get('x-request-id'));
    expect(booked.usage).toEqual(vector);
  });

  it('ends with `length` when its limit cuts the answer, and is charged for no more', async () => {
    const answer = await client.chat.completions.create({ ...saying('A long story'), max_completion_tokens: 3 });
    expect(answer.choices[0]?.finish_reason).toBe('length');
    expect(answer.usage?.completion_tokens).toBeLessThanOrEqual(3);
  });

  it('gets the tool call that the model makes, with its arguments as one JSON text', async () => {
    const answer = await client.chat.completions.create({
      ...saying('Weather in Paris [[sim tool=get_weather]]'),
      tools: [WEATHER],
    });
    expect(answer.choices[0]?.finish_reason).toBe('tool_calls');
    const [call] = answer.choices[0]?.message.tool_calls ?? [];
    expect(call).toMatchObject({ type: 'function', function: { name: 'get_weather' } });
    expect(JSON.parse(call?.type === 'function' ? call.function.arguments : '')).toBeTypeOf('object');
  });

  it('goes on after a tool result', async () => {
    const answer = await client.chat.completions.create({
      model: 'tallystick-sim',
      tools: [WEATHER],
      messages: [
        { role: 'user', content: 'Weather?' },
        {
          role: 'assistant',
          content: null,
          tool_calls: [{ id: 'call_1', type: 'function', function: { name: 'get_weather', arguments: '{}' } }],
        },
        { role: 'tool', tool_call_id: 'call_1', content: 'Rain' },
      ],
    });
    expect(answer.choices[0]?.finish_reason).toBe('stop');
    expect(answer.usage?.prompt_tokens).toBeGreaterThan(0);
  });
});

describe('the official OpenAI client, streamed', () => {
  it('gets the pieces of the answer and no usage unless it asks', async () => {
    const stream = await client.chat.completions.create({ ...saying('Hello there'), stream: true });
    const chunks = await all(stream);
    expect(textOf(chunks)).toBe('This is a simulated answer. You said: Hello there');
    expect(chunks.at(-1)?.choices[0]?.finish_reason).toBe('stop');
    expect(new Set<string>(chunks.map(({ object }) => object))).toEqual(new Set(['chat.completion.chunk']));
    expect(new Set(chunks.map(({ id, created, model }) => `${id} ${String(created)} ${model}`)).size).toBe(1);
    expect(chunks.some((chunk) => 'usage' in chunk)).toBe(false);
  });

  it('gets one usage chunk with the exact cost when it asks, and the books say the same', async () => {
    const { data: stream, response } = await client.chat.completions
      .create({ ...saying('Hello there'), stream: true, stream_options: { include_usage: true } })
      .withResponse();
    expect(response.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    const chunks = await all(stream);
    const stated = chunks.filter((chunk) => chunk.usage);
    expect(stated).toHaveLength(1);
    const last = chunks.at(-1);
    expect(last).toBe(stated[0]);
    expect(last?.choices).toEqual([]);
    expect(chunks.slice(0, -1).every((chunk) => chunk.usage === null)).toBe(true);
    const usage = last?.usage as PricedUsage;
    const picos = simulatedPrice({ uncachedInput: usage.prompt_tokens, outputText: usage.completion_tokens });
    expect(usage.cost).toBe(Number(formatPicos(picos)));
    expect(usage.cost_currency).toBe('USD');
    const booked = await bookedCall(service, response.headers.get('x-request-id'));
    expect(booked).toMatchObject({ status: 'completed', source: 'reported', amount: picos });
  });

  it('is charged the same with and without usage, streamed or not', async () => {
    const amounts = new Set<string>();
    for (const options of [
      {},
      { stream: true as const },
      { stream: true as const, stream_options: { include_usage: true } },
    ]) {
      const response = await client.chat.completions.create({ ...saying('The same words'), ...options }).asResponse();
      await response.text();
      const booked = await bookedCall(service, response.headers.get('x-request-id'));
      amounts.add(`${booked.amount.toString()} ${JSON.stringify(booked.usage)}`);
    }
    expect(amounts.size).toBe(1);
  });

  it('puts together a streamed tool call with the SDK’s own helper', async () => {
    const runner = client.chat.completions.stream({
      ...saying('Weather in Oslo [[sim tool=get_weather]]'),
      tools: [WEATHER],
      stream_options: { include_usage: true },
    });
    const final = await runner.finalChatCompletion();
    expect(final.choices[0]?.finish_reason).toBe('tool_calls');
    const [call] = final.choices[0]?.message.tool_calls ?? [];
    expect(call).toMatchObject({ type: 'function', function: { name: 'get_weather' } });
    expect(JSON.parse(call?.type === 'function' ? call.function.arguments : '')).toBeTypeOf('object');
    expect(final.usage?.completion_tokens).toBeGreaterThan(0);
  });

  it('books what it received, and no more than its hold, when it aborts', async () => {
    const { data: stream, response } = await client.chat.completions
      .create({ ...saying('[[sim chunks=200 chunk_delay_ms=20]]'), stream: true, max_completion_tokens: 1_000 })
      .withResponse();
    let pieces = 0;
    for await (const chunk of stream) {
      if (chunk.choices[0]?.delta.content) pieces += 1;
      if (pieces === 5) stream.controller.abort();
    }
    const booked = await bookedCall(service, response.headers.get('x-request-id'));
    expect(booked).toMatchObject({ status: 'aborted', code: 'client_gone' });
    expect(booked.usage?.outputText).toBeGreaterThanOrEqual(pieces);
    expect(booked.usage?.outputText).toBeLessThan(200);
    expect(booked.source).toBe('estimated');
  });

  it('throws an APIError when the upstream fails in the middle, after the pieces that came', async () => {
    const { data: stream, response } = await client.chat.completions
      .create({ ...saying('[[sim chunks=10 error_after=4]]'), stream: true })
      .withResponse();
    const received: string[] = [];
    const reading = (async () => {
      for await (const chunk of stream) received.push(chunk.choices[0]?.delta.content ?? '');
    })();
    const error: unknown = await reading.catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(OpenAI.APIError);
    expect(error).toMatchObject({ code: 'bad_gateway', type: 'server_error' });
    expect(received.filter((piece) => piece !== '')).toHaveLength(4);
    const booked = await bookedCall(service, response.headers.get('x-request-id'));
    expect(booked).toMatchObject({ status: 'failed', code: 'bad_gateway' });
    expect(booked.usage?.outputText).toBeGreaterThanOrEqual(4);
  });

  it('is not charged when the upstream fails before the first piece', async () => {
    const { data: stream, response } = await client.chat.completions
      .create({ ...saying('[[sim error_after=0]]'), stream: true })
      .withResponse()
      .catch((error: unknown) => ({ data: null, response: error as InstanceType<typeof OpenAI.APIError> }));
    if (stream) await all(stream).catch(() => []);
    const requestId = response.headers?.get('x-request-id') ?? '';
    expect(await bookedCall(service, requestId)).toMatchObject({ status: 'failed', amount: 0n, usage: {} });
  });
});

describe('the models that the official OpenAI client is told of', () => {
  it('are exactly those that the test key can call, each at its price', async () => {
    const models = await all(client.models.list());
    const ids = models.map(({ id }) => id);
    expect(ids).toContain('tallystick-sim');
    expect(new Set(ids).size).toBe(ids.length);
    expect(new Set(models.map(({ object, owned_by: owner }) => `${object} of ${owner}`))).toEqual(
      new Set(['model of tallystick']),
    );
    const book = parsePriceBook(await loadPriceBookFile(DEFAULT_PRICE_BOOK));
    expect(ids.toSorted()).toEqual(book.models.map(({ model }) => model).toSorted());
    for (const { model, price } of book.models) {
      const { data, response } = await client.chat.completions.create({ ...saying('Hi'), model }).withResponse();
      expect(data.model).toBe(model);
      const usage = { uncachedInput: data.usage?.prompt_tokens ?? 0, outputText: data.usage?.completion_tokens ?? 0 };
      const { picos } = charge(price, model, { usage, source: 'reported' });
      expect(response.headers.get('x-tallystick-cost'), model).toBe(formatPicos(picos));
    }
  });

  it('are only those that the key may use', async () => {
    const developer = await Developer.register(service.baseUrl);
    const restricted = await developer.issueKey({ models: ['gpt-4o', 'gpt-99'] });
    const models = await all(openai(service.baseUrl, restricted.key).models.list());
    expect(models.map(({ id }) => id)).toEqual(['gpt-4o']);
    await expect(openai(service.baseUrl, restricted.key).models.retrieve('tallystick-sim')).rejects.toMatchObject({
      status: 404,
      code: 'model_not_found',
    });
  });

  it('are none for a live key without channels', async () => {
    const developer = await Developer.register(service.baseUrl);
    const { key } = await developer.issueKey({ mode: 'live' });
    expect(await all(openai(service.baseUrl, key).models.list())).toEqual([]);
  });

  it('can be retrieved one by one, also when their name holds a colon', async () => {
    for (const id of ['tallystick-sim', 'grok-4-fast:free']) {
      expect(await client.models.retrieve(id)).toMatchObject({ id, object: 'model', created: 0 });
    }
  });

  it('do not include what has no price', async () => {
    await expect(client.models.retrieve('gpt-99')).rejects.toMatchObject({ status: 404, code: 'model_not_found' });
  });
});

describe('every accepted call', () => {
  it('has exactly one usage event', async () => {
    const before = await usageCount(service);
    await Promise.all(
      Array.from({ length: 10 }, (_, at) => client.chat.completions.create(saying(`Call ${String(at)}`))),
    );
    expect(await usageCount(service)).toBe(before + 10);
  });
});

const WEATHER = {
  type: 'function' as const,
  function: {
    name: 'get_weather',
    parameters: { type: 'object', properties: { city: { type: 'string' } } },
  },
};

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

function textOf(chunks: readonly OpenAI.ChatCompletionChunk[]): string {
  return chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('');
}
