import { countTokens } from 'gpt-tokenizer/encoding/o200k_base';
import OpenAI from 'openai';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import {
  startSimulatedUpstream,
  type SimulatedUpstream,
  type SimulatedUpstreamOptions,
} from '../../../infra/upstreams/simulated/simulatedUpstream.ts';

type Body = OpenAI.ChatCompletionCreateParams;

async function start(options: SimulatedUpstreamOptions = {}): Promise<SimulatedUpstream> {
  const simulated = await startSimulatedUpstream(options);
  onTestFinished(() => simulated.close());
  return simulated;
}

function asking(content: string, rest: Partial<Body> = {}): Body {
  return { model: 'gpt-4o', messages: [{ role: 'user', content }], ...rest };
}

function post(simulated: SimulatedUpstream, body: unknown, signal?: AbortSignal): Promise<Response> {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return fetch(`${simulated.baseUrl}/chat/completions`, { method: 'POST', body: text, signal: signal ?? null });
}

async function events(response: Response): Promise<OpenAI.ChatCompletionChunk[]> {
  const lines = (await response.text()).split('\n\n').filter((line) => line !== '' && line !== 'data: [DONE]');
  return lines.map((line) => JSON.parse(line.slice('data: '.length)) as OpenAI.ChatCompletionChunk);
}

function contentOf(chunks: readonly OpenAI.ChatCompletionChunk[]): string[] {
  return chunks
    .flatMap((chunk) => chunk.choices.map((choice) => choice.delta.content ?? ''))
    .filter((text) => text !== '');
}

describe('the simulated upstream', () => {
  it('repeats what was said and counts it', async () => {
    const response = await post(await start(), asking('Hello, 世界!'));
    const answer = (await response.json()) as OpenAI.ChatCompletion;
    const text = 'This is a simulated answer. You said: Hello, 世界!';
    expect(answer.choices[0]?.message.content).toBe(text);
    expect(answer.choices[0]?.finish_reason).toBe('stop');
    expect(answer.usage).toEqual({
      prompt_tokens: countTokens('user') + countTokens('Hello, 世界!') + 3 + 3,
      completion_tokens: countTokens(text),
      total_tokens: countTokens('user') + countTokens('Hello, 世界!') + 6 + countTokens(text),
      prompt_tokens_details: { cached_tokens: 0 },
      completion_tokens_details: { reasoning_tokens: 0 },
    });
  });

  it('gives the same bytes for the same request, also in another process', async () => {
    const [first, second] = await Promise.all([post(await start(), asking('Hi')), post(await start(), asking('Hi'))]);
    expect(await first.text()).toBe(await second.text());
  });

  it('streams one word per chunk, and usage only when asked', async () => {
    const simulated = await start();
    const plain = await events(await post(simulated, asking('Hi', { stream: true })));
    expect(contentOf(plain)).toEqual(['This', ' is', ' a', ' simulated', ' answer.', ' You', ' said:', ' Hi']);
    expect(plain.every((chunk) => !('usage' in chunk))).toBe(true);

    const counted = await events(
      await post(simulated, asking('Hi', { stream: true, stream_options: { include_usage: true } })),
    );
    expect(counted.at(-1)?.choices).toEqual([]);
    expect(counted.at(-1)?.usage?.completion_tokens).toBe(countTokens(contentOf(counted).join('')));
    expect(counted.slice(0, -1).every((chunk) => chunk.usage === null)).toBe(true);
    expect(new Set(counted.map((chunk) => chunk.id)).size).toBe(1);
  });

  it.each(['max_tokens', 'max_completion_tokens'] as const)('keeps to %s', async (field) => {
    const response = await post(await start(), asking('Hi', { [field]: 3 }));
    const answer = (await response.json()) as OpenAI.ChatCompletion;
    expect(answer.choices[0]?.message.content).toBe('This is a');
    expect(answer.choices[0]?.finish_reason).toBe('length');
    expect(answer.usage?.completion_tokens).toBe(3);
  });

  it('calls a tool when told to', async () => {
    const simulated = await start();
    const tools = [{ type: 'function' as const, function: { name: 'get_weather', parameters: {} } }];
    const client = new OpenAI({ baseURL: simulated.baseUrl, apiKey: 'none' });
    const runner = client.chat.completions.stream({
      model: 'gpt-4o',
      messages: [{ role: 'user', content: 'Rome? [[sim tool=get_weather]]' }],
      tools,
    });
    const { choices } = await runner.finalChatCompletion();
    expect(choices[0]?.finish_reason).toBe('tool_calls');
    expect(choices[0]?.message.tool_calls?.[0]).toMatchObject({
      function: { name: 'get_weather', arguments: '{"query":"Rome?"}' },
    });

    const without = await post(simulated, asking('Rome? [[sim tool=get_weather]]'));
    expect(((await without.json()) as OpenAI.ChatCompletion).choices[0]?.finish_reason).toBe('stop');
  });

  it('lists its models and knows nothing else', async () => {
    const simulated = await start({ models: ['a', 'b'] });
    const client = new OpenAI({ baseURL: simulated.baseUrl, apiKey: 'none' });
    expect((await client.models.list()).data.map(({ id }) => id)).toEqual(['a', 'b']);
    expect((await fetch(`${simulated.baseUrl}/nothing`, { method: 'POST' })).status).toBe(404);
  });

  it('fails with the status it is told to', async () => {
    const response = await post(await start(), asking('[[sim status=429 retry_after=2]]'));
    expect(response.status).toBe(429);
    expect(response.headers.get('retry-after')).toBe('2');
    expect(await response.json()).toMatchObject({ error: { type: 'rate_limit_error', code: 'rate_limit_exceeded' } });
  });

  it.each([
    ['none', undefined],
    ['zero', { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 }],
    ['absurd', { prompt_tokens: 1e18, completion_tokens: 1e18, total_tokens: 2e18 }],
    ['negative', { prompt_tokens: -5, completion_tokens: -7, total_tokens: -12 }],
  ])('reports %s usage when told to', async (usage, expected) => {
    const response = await post(await start(), asking(`Hi [[sim usage=${usage}]]`));
    expect(((await response.json()) as { usage?: unknown }).usage).toEqual(expected);
  });

  it('reports usage twice when told to', async () => {
    const body = asking('Hi [[sim usage=twice]]', { stream: true, stream_options: { include_usage: true } });
    const chunks = await events(await post(await start(), body));
    expect(chunks.filter((chunk) => chunk.usage).map((chunk) => chunk.choices.length)).toEqual([1, 0]);
  });

  it('adds reasoning and cached tokens', async () => {
    const response = await post(await start(), asking('Hi [[sim reasoning=20 cached=100 chunks=2]]'));
    const { usage } = (await response.json()) as OpenAI.ChatCompletion;
    expect(usage?.completion_tokens).toBe(22);
    expect(usage?.completion_tokens_details?.reasoning_tokens).toBe(20);
    expect(usage?.prompt_tokens_details?.cached_tokens).toBe(100);
    expect(usage?.prompt_tokens).toBeGreaterThan(100);
  });

  it('closes the connection in the middle when told to', async () => {
    const simulated = await start();
    const streamed = await post(simulated, asking('Hi [[sim cut_after=3]]', { stream: true }));
    await expect(streamed.text()).rejects.toThrow();
    const whole = await post(simulated, asking('Hi [[sim cut_after=3]]'));
    await expect(whole.text()).rejects.toThrow();
    await vi.waitFor(() => expect(simulated.stats).toEqual({ started: 2, open: 0, finished: 0, cut: 2, aborted: 0 }));
  });

  it('announces a failure inside a stream when told to', async () => {
    const response = await post(await start(), asking('Hi [[sim error_after=2]]', { stream: true }));
    const text = await response.text();
    expect(text).toContain('"content":" is"');
    expect(text).not.toContain('"content":" a"');
    expect(text).toMatch(/data: \{"error":\{"message":"Simulated failure in the stream\.".*\}\n\n$/);
  });

  it.each(['[[sim hang=before]]', '[[sim hang=mid]]', '[[sim chunk_delay_ms=10000]]', '[[sim latency_ms=60000]]'])(
    'notices that the caller has left: %s',
    async (directive) => {
      const simulated = await start();
      const abort = new AbortController();
      const reading = post(simulated, asking(directive, { stream: true }), abort.signal).then((response) =>
        response.text(),
      );
      await vi.waitFor(() => expect(simulated.stats.open).toBe(1));
      abort.abort();
      await expect(reading).rejects.toThrow('aborted');
      await vi.waitFor(() => expect(simulated.stats).toEqual({ started: 1, open: 0, finished: 0, cut: 0, aborted: 1 }));
    },
  );

  it('waits as configured', async () => {
    const simulated = await start({ latencyMs: 120, chunkDelayMs: 20, chunks: 5 });
    const startedAt = performance.now();
    const chunks = await events(await post(simulated, asking('Hi', { stream: true })));
    expect(contentOf(chunks)).toHaveLength(5);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(120 + 6 * 20 - 20);
  });

  it.each([
    ['{"model":', 'The body is not JSON'],
    [{ model: 'x', messages: [] }, 'messages'],
    [{ model: 'x', messages: 'hello' }, 'messages'],
    [{ messages: [{ role: 'user', content: 'x' }] }, 'model'],
    [asking('x', { n: 2 }), 'one choice'],
    [asking('x', { max_tokens: -1 }), 'max_tokens'],
    [asking('[[sim nonsense=1]]'), 'means nothing'],
    [asking('[[sim usage=lots]]'), 'means nothing'],
  ])('refuses %j', async (body, expected) => {
    const response = await post(await start(), body);
    expect(response.status).toBe(400);
    expect(((await response.json()) as { error: { message: string } }).error.message).toContain(expected);
  });
});
