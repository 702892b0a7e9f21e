import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { formatPicos } from '../../../events/money.ts';
import { Developer } from '../../support/developer.ts';
import { bookedCall, startBookedService, usageCount, type BookedService } from './bookedService.ts';
import { openai, saying } from './sdk.ts';

let service: BookedService;
let client: OpenAI;

beforeAll(async () => {
  service = await startBookedService();
  client = openai(service.baseUrl, service.firstRun.testKey);
});
afterAll(() => service.dispose());

/** One call with an Idempotency-Key; `saying` and the key decide whether it is a repetition. */
function call(key: string, content: string, by: OpenAI = client) {
  return by.chat.completions.create(saying(content), { headers: { 'Idempotency-Key': key } });
}

/** What a replay adds to a chat completion. */
type Replay = OpenAI.ChatCompletion & {
  readonly outcome: { readonly request_id: string; readonly status: string; readonly amount: string };
};

describe('a repeated Idempotency-Key', () => {
  it('gets the reference of the first outcome, and nothing is called or charged again', async () => {
    const first = await call('replay-1', 'Once').withResponse();
    const booked = await bookedCall(service, first.request_id);
    const before = await usageCount(service);

    const second = await call('replay-1', 'Once').withResponse();
    const replay = second.data as Replay;
    expect(second.response.status).toBe(200);
    expect(second.response.headers.get('idempotency-replayed')).toBe('true');
    expect(second.request_id).not.toBe(first.request_id);
    expect(second.response.headers.get('x-tallystick-cost')).toBe(first.response.headers.get('x-tallystick-cost'));
    expect(replay).toMatchObject({
      id: first.request_id,
      object: 'chat.completion',
      model: 'tallystick-sim',
      choices: [],
      outcome: {
        request_id: first.request_id,
        status: 'completed',
        amount: formatPicos(booked.amount),
        currency: 'USD',
      },
      usage: {
        prompt_tokens: first.data.usage?.prompt_tokens,
        completion_tokens: first.data.usage?.completion_tokens,
        cost: Number(formatPicos(booked.amount)),
      },
    });
    expect(await usageCount(service)).toBe(before);
  });

  it('gets it at once, however soon it comes after the first answer', async () => {
    for (let round = 0; round < 20; round += 1) {
      const first = await call(`at-once-${String(round)}`, 'Quick').withResponse();
      expect((await call(`at-once-${String(round)}`, 'Quick')) as Replay).toMatchObject({ id: first.request_id });
    }
  });

  it('does not replay a first answer that said nothing about replaying', async () => {
    const { response } = await call('replay-2', 'Fresh').withResponse();
    expect(response.headers.get('idempotency-replayed')).toBeNull();
  });

  it('is refused with 409 while the first call runs, and tells when to come again', async () => {
    const before = await claims();
    const first = call('slow', 'Wait [[sim latency_ms=1500]]').withResponse();
    await vi.waitFor(async () => expect(await claims()).toBe(before + 1));
    const refused = await call('slow', 'Wait [[sim latency_ms=1500]]').catch((error: unknown) => error);
    expect(refused).toMatchObject({ status: 409, code: 'idempotency_in_flight' });
    expect((refused as InstanceType<typeof OpenAI.APIError>).headers?.get('retry-after')).toBe('1');

    const { request_id: requestId } = await first;
    await bookedCall(service, requestId);
    expect((await call('slow', 'Wait [[sim latency_ms=1500]]')) as Replay).toMatchObject({ id: requestId });
  });

  it('lets the SDK’s own retry wait for the first call and get its outcome', async () => {
    const patient = openai(service.baseUrl, service.firstRun.testKey, { maxRetries: 2 });
    const [one, other] = await Promise.all([
      call('twin', 'Twins [[sim latency_ms=300]]', patient),
      call('twin', 'Twins [[sim latency_ms=300]]', patient),
    ]);
    const [answer, replay] = one.choices.length > 0 ? [one, other] : [other, one];
    expect(answer.choices).toHaveLength(1);
    expect(replay.choices).toEqual([]);
    expect(replay.usage).toMatchObject({ total_tokens: answer.usage?.total_tokens });
  });

  it('is refused with 422 when the body differs in a single character', async () => {
    await call('mismatch', 'Same');
    const before = await usageCount(service);
    const error: unknown = await call('mismatch', 'same').catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(OpenAI.UnprocessableEntityError);
    expect(error).toMatchObject({ status: 422, code: 'idempotency_mismatch', type: 'invalid_request_error' });
    expect(await usageCount(service)).toBe(before);
  });

  it('may be used again after a call that failed without charge', async () => {
    const failed: unknown = await call('again', 'Try [[sim status=500]]').catch((thrown: unknown) => thrown);
    expect(failed).toMatchObject({ status: 502, code: 'bad_gateway' });
    const requestId = (failed as InstanceType<typeof OpenAI.APIError>).requestID;
    expect(await bookedCall(service, requestId)).toMatchObject({ status: 'failed', amount: 0n });
    const answer = expect.poll(() => call('again', 'Now it works').catch(String), { timeout: 5_000 });
    await answer.toMatchObject({ choices: [{ finish_reason: 'stop' }] });
  });

  it('gets the reference of a call that its client left, with what the upstream had cost by then', async () => {
    const before = await claims();
    const leaving = new AbortController();
    const body = saying('Bye [[sim latency_ms=30000]]');
    const headers = { 'Idempotency-Key': 'left' };
    const left = client.chat.completions
      .create(body, { headers, signal: leaving.signal })
      .catch((error: unknown) => error);
    await vi.waitFor(async () => expect(await claims()).toBe(before + 1));
    leaving.abort();
    expect(await left).toBeInstanceOf(OpenAI.APIUserAbortError);
    const { data: replay } = await openai(service.baseUrl, service.firstRun.testKey, { maxRetries: 5 })
      .chat.completions.create(body, { headers })
      .withResponse();
    const { outcome } = replay as Replay;
    expect(outcome.status).toBe('aborted');
    const booked = await bookedCall(service, outcome.request_id);
    expect(booked).toMatchObject({ status: 'aborted', code: 'client_gone', source: 'estimated' });
    expect(outcome.amount).toBe(formatPicos(booked.amount));
  });

  it('is refused on a streamed call, which has no outcome to repeat', async () => {
    const error: unknown = await client.chat.completions
      .create({ ...saying('Stream'), stream: true }, { headers: { 'Idempotency-Key': 'streamed' } })
      .catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(OpenAI.BadRequestError);
    expect(error).toMatchObject({
      code: 'invalid_request',
      message: expect.stringContaining('not streamed') as unknown,
    });
  });

  it('is refused when it is longer than 255 characters', async () => {
    await expect(call('k'.repeat(256), 'Long')).rejects.toMatchObject({ status: 400, code: 'invalid_request' });
    await expect(call('k'.repeat(255), 'Long')).resolves.toMatchObject({ object: 'chat.completion' });
  });

  it('belongs to its owner: the same text of another tenant or of another key of theirs is another one', async () => {
    const stranger = await Developer.register(service.baseUrl);
    const theirs = openai(service.baseUrl, (await stranger.issueKey()).key);
    await call('shared', 'Mine');
    const answer = await call('shared', 'Theirs, with another body', theirs);
    expect(answer.choices).toHaveLength(1);
    const secondKey = openai(service.baseUrl, (await stranger.issueKey()).key);
    expect((await call('shared', 'A third body', secondKey)).choices).toHaveLength(1);
  });
});

/** How many Idempotency-Keys belong to a call, running or ended. */
async function claims(): Promise<number> {
  const { rows } = await service.pool.query<{ count: string }>('SELECT count(*) FROM idempotency_claims');
  return Number(rows[0]?.count);
}
