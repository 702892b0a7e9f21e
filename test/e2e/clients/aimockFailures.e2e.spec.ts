import OpenAI from 'openai';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { CHANNEL_MODELS, PROVIDER_KEY, startAimockService, type AimockService } from './aimockService.ts';
import { bookedCall, expectWell } from './bookedService.ts';

type ApiError = InstanceType<typeof OpenAI.APIError>;

const { steady, doubled, cooling, impatient } = CHANNEL_MODELS;
const STORY = 'Once upon a time there was a tally stick, split in two, so that each side could prove the debt.';
const USAGE = { prompt_tokens: 21, completion_tokens: 9 };

let world: AimockService;
let client: OpenAI;

beforeAll(async () => {
  world = await startAimockService();
  ({ client } = world);
});
beforeEach(() => {
  world.provider.clearRequests();
  world.secondProvider.clearRequests();
});
afterEach(() => {
  world.provider.clearFixtures();
  world.secondProvider.clearFixtures();
});
afterAll(() => world.dispose());

function ask(content: string, model: string = steady) {
  return { model, messages: [{ role: 'user' as const, content }] };
}

/** The error of a call that must fail. */
async function failure(call: Promise<unknown>): Promise<ApiError> {
  const error: unknown = await call.then(
    () => 'answered',
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(OpenAI.APIError);
  return error as ApiError;
}

/** Reads a stream that must break: what came before, and the error. */
async function brokenStream(model: string, content: string) {
  const { data: stream, request_id: requestId } = await client.chat.completions
    .create({ ...ask(content, model), stream: true })
    .withResponse();
  const pieces: string[] = [];
  const error = await failure(
    (async () => {
      for await (const chunk of stream) pieces.push(chunk.choices[0]?.delta.content ?? '');
    })(),
  );
  return { pieces: pieces.filter((piece) => piece !== ''), error, requestId };
}

describe('an error of a foreign upstream', () => {
  it.each([
    [400, { message: 'The image is too small', type: 'invalid_request_error' }, 400, 'upstream_invalid_request'],
    [422, { message: 'Not like this', type: 'invalid_request_error' }, 400, 'upstream_invalid_request'],
    [401, { message: `Incorrect API key: ${PROVIDER_KEY}`, code: 'invalid_api_key' }, 502, 'bad_gateway'],
    [403, { message: 'Your country is not supported' }, 502, 'bad_gateway'],
    [402, { message: 'Pay first', type: 'insufficient_quota' }, 503, 'service_unavailable'],
    [429, { message: 'You exceeded your quota', code: 'insufficient_quota' }, 503, 'service_unavailable'],
    [404, { message: 'No such model', code: 'model_not_found' }, 404, 'model_not_found'],
    [500, { message: 'Oops at 10.0.0.7' }, 502, 'bad_gateway'],
    [503, { message: 'Overloaded' }, 503, 'service_unavailable'],
    [504, { message: 'Too slow' }, 504, 'gateway_timeout'],
  ])('%i %j is told as %i %s, and costs nothing', async (status, error, told, code) => {
    world.provider.onMessage('fail', { error, status });
    for (const streamed of [false, true]) {
      const failed = await failure(client.chat.completions.create({ ...ask('fail'), stream: streamed }));
      expect({ status: failed.status, code: failed.code }).toEqual({ status: told, code });
      expect(failed.message).not.toMatch(/sk-provider|10\.0\.0\.7/);
      expect(await bookedCall(world.service, failed.requestID)).toMatchObject({
        status: 'failed',
        source: 'none',
        usage: {},
        amount: 0n,
        code,
        httpStatus: told,
        attempts: [{ channel: 'steady', outcome: 'refused', status }],
      });
    }
  });

  it('is told in the upstream’s words only where the request is at fault', async () => {
    world.provider.onMessage('yours', { error: { message: 'The image is too small' }, status: 400 });
    world.provider.onMessage('theirs', { error: { message: 'Database on fire' }, status: 500 });
    expect((await failure(client.chat.completions.create(ask('yours')))).message).toContain('The image is too small');
    expect((await failure(client.chat.completions.create(ask('theirs')))).message).not.toContain('fire');
  });

  it.each([
    ['malformed JSON', { malformedRate: 1 }, 502, 'bad_gateway'],
    ['a connection that it drops', { disconnectRate: 1 }, 503, 'service_unavailable'],
    ['an error that it makes at random', { dropRate: 1 }, 502, 'bad_gateway'],
  ])('may be %s, and costs nothing', async (_what, chaos, status, code) => {
    world.provider.onMessage('chaos', { content: STORY }, { chaos });
    const failed = await failure(client.chat.completions.create(ask('chaos')));
    expect(failed).toMatchObject({ status, code });
    expect(await bookedCall(world.service, failed.requestID)).toMatchObject({ status: 'failed', amount: 0n });
  });
});

describe('a foreign upstream that limits', () => {
  it('passes on how long to wait', async () => {
    world.provider.onMessage('limited', { error: { message: 'Slow down' }, status: 429, retryAfter: 7 });
    const failed = await failure(client.chat.completions.create(ask('limited')));
    expect(failed).toBeInstanceOf(OpenAI.RateLimitError);
    expect(failed.code).toBe('upstream_rate_limited');
    expect(failed.headers?.get('retry-after')).toBe('7');
    expect(failed.headers?.get('x-should-retry')).toBe('true');
    expect(failed.headers?.get('x-ratelimit-limit-requests')).not.toBe('60');
  });

  it('is left alone for as long as it asked, and used again after that', async () => {
    world.provider.onMessage('once', { content: 'Fine now', usage: USAGE });
    world.provider.nextRequestError(429, { message: 'Slow down' });
    const limited = await failure(client.chat.completions.create(ask('once', cooling)));
    expect(limited.headers?.get('retry-after')).toBe('1');
    const refused = await failure(client.chat.completions.create(ask('once', cooling)));
    expect(refused).toMatchObject({ status: 503, code: 'no_channel' });
    expect(world.provider.getRequests()).toHaveLength(1);
    await vi.waitFor(
      async () => expect((await client.chat.completions.create(ask('once', cooling))).usage).toMatchObject(USAGE),
      { timeout: 5_000, interval: 100 },
    );
    expect(world.provider.getRequests()).toHaveLength(2);
  });

  it('is waited for by the SDK’s own retry', async () => {
    world.provider.onMessage('patience', { content: 'At last', usage: USAGE });
    world.provider.nextRequestError(429, { message: 'Slow down' });
    const answer = await client.chat.completions.create(ask('patience'), { maxRetries: 1 });
    expect(answer.choices[0]?.message.content).toBe('At last');
  });
});

describe('a foreign upstream that is cut', () => {
  it('in a stream leaves the client an error after what came, and a bill for that alone', async () => {
    world.provider.onMessage(
      'cut',
      { content: STORY, usage: USAGE },
      { chunkSize: 6, streamingProfile: { ttft: 0, tps: 50 }, truncateAfterChunks: 6 },
    );
    const { pieces, error, requestId } = await brokenStream(steady, 'cut');
    expect(error).toMatchObject({ code: 'bad_gateway', type: 'server_error' });
    const received = pieces.join('');
    expect(STORY.startsWith(received)).toBe(true);
    expect(pieces.length).toBeGreaterThanOrEqual(2);
    const booked = await bookedCall(world.service, requestId);
    expect(booked).toMatchObject({
      status: 'failed',
      source: 'estimated',
      code: 'bad_gateway',
      attempts: [{ channel: 'steady', outcome: 'cut', status: 200 }],
    });
    expect(booked.usage?.outputText).toBeGreaterThanOrEqual(pieces.length);
    expect(booked.usage?.outputText).toBeLessThanOrEqual(STORY.length);
  });

  it('by time, not by count, is told and billed the same way', async () => {
    const pace = { chunkSize: 6, streamingProfile: { ttft: 0, tps: 20 }, disconnectAfterMs: 250 };
    world.provider.onMessage('cut by time', { content: STORY }, pace);
    const { pieces, error, requestId } = await brokenStream(steady, 'cut by time');
    expect(error.code).toBe('bad_gateway');
    expect(pieces.length).toBeGreaterThan(0);
    expect((await bookedCall(world.service, requestId)).usage?.outputText).toBeGreaterThanOrEqual(pieces.length);
  });

  it('before its first piece is a proper HTTP error that costs nothing', async () => {
    world.provider.onMessage(
      'cut at once',
      { content: STORY },
      { streamingProfile: { ttft: 5_000 }, disconnectAfterMs: 50 },
    );
    const failed = await failure(client.chat.completions.create({ ...ask('cut at once'), stream: true }));
    expect(failed).toMatchObject({ status: 503, code: 'service_unavailable' });
    expect(await bookedCall(world.service, failed.requestID)).toMatchObject({ status: 'failed', amount: 0n });
  });
});

describe('a foreign upstream that is slow', () => {
  it('and does not begin in time is a 504 that costs nothing', async () => {
    world.provider.onMessage('late', { content: STORY }, { chaos: { latencyMs: 2_000 } });
    const startedAt = performance.now();
    const failed = await failure(client.chat.completions.create(ask('late', impatient)));
    expect(performance.now() - startedAt).toBeLessThan(1_900);
    expect(failed).toMatchObject({ status: 504, code: 'gateway_timeout' });
    expect(await bookedCall(world.service, failed.requestID)).toMatchObject({
      status: 'failed',
      amount: 0n,
      attempts: [{ channel: 'impatient', outcome: 'timeout', status: null }],
    });
  });

  it('and falls silent in the middle ends with an error, and a bill for what came', async () => {
    const pace = {
      chunkSize: 10,
      recordedTimings: { ttftMs: 0, interChunkDelaysMs: [0, 0, 5_000], totalDurationMs: 5_000 },
    };
    world.provider.onMessage('silence', { content: STORY }, pace);
    const { pieces, error, requestId } = await brokenStream(impatient, 'silence');
    expect(error.code).toBe('gateway_timeout');
    expect(pieces.length).toBeGreaterThan(0);
    const booked = await bookedCall(world.service, requestId);
    expect(booked).toMatchObject({ status: 'failed', code: 'gateway_timeout', currency: 'CNY', source: 'estimated' });
    expect(booked.amount).toBeGreaterThan(0n);
  });

  it('but steady is waited for, however long the whole takes', async () => {
    world.provider.onMessage(
      'steady',
      { content: STORY, usage: USAGE },
      { chunkSize: 12, streamingProfile: { ttft: 200, tps: 10 } },
    );
    const stream = await client.chat.completions.create({ ...ask('steady', impatient), stream: true });
    let text = '';
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    expect(text).toBe(STORY);
  });
});

/** The router allows ten fail-overs in ten seconds before it suspects an outage, so each case below makes one. */
describe('fail-over to the second of two foreign upstreams', () => {
  beforeEach(() => {
    world.secondProvider.onMessage('please', { content: STORY, usage: USAGE });
  });

  it.each([
    ['answers 503', false, { error: { message: 'Overloaded' }, status: 503 }, {}],
    ['answers 429 with retry-after', true, { error: { message: 'Slow down' }, status: 429, retryAfter: 30 }, {}],
    ['answers 401', false, { error: { message: 'Bad key' }, status: 401 }, {}],
    ['drops the connection', true, { content: STORY }, { chaos: { disconnectRate: 1 } }],
    ['answers with malformed JSON', false, { content: STORY }, { chaos: { malformedRate: 1 } }],
  ])('happens when the first %s, and only the second is billed', async (_what, streamed, response, options) => {
    world.provider.onMessage('please', response, options);
    const { data, request_id: requestId } = await client.chat.completions
      .create({ ...ask('please', doubled), stream: streamed })
      .withResponse();
    let text = '';
    if ('choices' in data) text = data.choices[0]?.message.content ?? '';
    else for await (const chunk of data) text += chunk.choices[0]?.delta.content ?? '';
    expect(text).toBe(STORY);
    const booked = await bookedCall(world.service, requestId);
    expect(booked).toMatchObject({
      status: 'completed',
      channel: 'second',
      usage: { uncachedInput: 21, outputText: 9 },
      amount: 30n * 1_000_000n,
    });
    expect(booked.attempts.map(({ channel, outcome }) => `${channel} ${outcome}`)).toEqual([
      expect.stringMatching(/^first (refused|unreachable)$/),
      'second answered',
    ]);
    expect(world.secondProvider.getLastRequest()?.body).toMatchObject({ model: 'other/llama' });
  });

  it('happens when a stream of the first ends before its first piece', async () => {
    world.provider.onMessage(
      'please',
      { content: STORY },
      { streamingProfile: { ttft: 5_000 }, disconnectAfterMs: 50 },
    );
    const stream = await client.chat.completions.create({ ...ask('please', doubled), stream: true });
    let text = '';
    for await (const chunk of stream) text += chunk.choices[0]?.delta.content ?? '';
    expect(text).toBe(STORY);
  });

  it('does not happen once a piece has reached the client', async () => {
    world.provider.onMessage(
      'please',
      { content: STORY },
      { chunkSize: 6, streamingProfile: { ttft: 0, tps: 50 }, truncateAfterChunks: 6 },
    );
    const { pieces, error, requestId } = await brokenStream(doubled, 'please');
    expect(error.code).toBe('bad_gateway');
    expect(STORY.startsWith(pieces.join(''))).toBe(true);
    expect(world.secondProvider.getRequests()).toEqual([]);
    expect((await bookedCall(world.service, requestId)).attempts).toMatchObject([{ channel: 'first', outcome: 'cut' }]);
  });

  it('does not happen when the request is at fault', async () => {
    world.provider.onMessage('please', { error: { message: 'Bad request' }, status: 400 });
    const failed = await failure(client.chat.completions.create(ask('please', doubled)));
    expect(failed.code).toBe('upstream_invalid_request');
    expect(world.secondProvider.getRequests()).toEqual([]);
  });

  it('fails with the last error when the second fails too', async () => {
    world.secondProvider.clearFixtures();
    world.provider.onMessage('please', { error: { message: 'Overloaded' }, status: 503 });
    world.secondProvider.onMessage('please', { error: { message: 'Slow down' }, status: 429, retryAfter: 3 });
    const failed = await failure(client.chat.completions.create(ask('please', doubled)));
    expect(failed).toMatchObject({ status: 429, code: 'upstream_rate_limited' });
    expect(failed.headers?.get('retry-after')).toBe('3');
    const booked = await bookedCall(world.service, failed.requestID);
    expect(booked.amount).toBe(0n);
    expect(booked.attempts.map(({ status }) => status)).toEqual([503, 429]);
  });
});

describe('after all that, the service', () => {
  it('is well, holds nothing, and has printed no credential of a provider', async () => {
    await vi.waitFor(async () => {
      const { rows } = await world.service.pool.query('SELECT * FROM holds');
      expect(rows).toEqual([]);
    });
    await expectWell(world.service);
    expect(world.service.output()).not.toContain(PROVIDER_KEY);
  });
});
