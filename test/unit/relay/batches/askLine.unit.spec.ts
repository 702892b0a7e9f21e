import { describe, expect, it } from 'vitest';
import { encode } from '../../../../events/codec.ts';
import { askLine } from '../../../../services/relay/batches/askLine.ts';
import type { Batch } from '../../../../services/relay/batches/ports.ts';
import { ChatCall } from '../../../../services/relay/dialects/openai/chatCall.ts';
import { protocolsWith } from '../../../../services/relay/dialects/protocols.ts';
import type { Channel, UpstreamCall, UpstreamSink } from '../../../../services/relay/ports.ts';
import { MODEL, PRICE_VERSION, requestAccepted } from '../../../support/events.ts';
import { silentLog } from '../../../support/log.ts';
import { chatRequest, PLAIN_QUIRKS, wordEstimator } from '../chatFixtures.ts';
import { settleDown } from '../exchangeHarness.ts';
import { ManualTimers } from '../manualTimers.ts';

const answer = (usage: object | null = { prompt_tokens: 10, completion_tokens: 4 }) =>
  JSON.stringify(
    {
      id: 'x',
      object: 'chat.completion',
      created: 1,
      model: 'up',
      choices: [{ index: 0, message: { role: 'assistant', content: 'four\nwords are here' }, finish_reason: 'stop' }],
      ...(usage && { usage }),
    },
    null,
    2,
  );

interface Scripted {
  readonly call: UpstreamCall;
  readonly sink: UpstreamSink;
  aborted: boolean;
}

interface Setting {
  readonly body?: Parameters<typeof chatRequest>[0];
  readonly channels?: readonly Partial<Channel>[];
  readonly outputTokens?: number;
}

/** A line that is being asked, its upstream in the hand of the test. */
function asked(setting: Setting = {}) {
  const timers = new ManualTimers();
  const sent: Scripted[] = [];
  const told: string[] = [];
  const stop = new AbortController();
  const channels = (setting.channels ?? [{}]).map((channel, index): Channel => ({
    ...{ name: `channel-${String(index + 1)}`, protocol: 'openai', upstreamModel: 'up', quirks: PLAIN_QUIRKS },
    ...{ clientGone: 'drain', drainMaxMs: 30_000, timeouts: { firstByteMs: 1, idleMs: 1, totalMs: 1 }, cost: null },
    ...channel,
  }));
  const runtime = {
    clock: { now: () => 0, monotonic: () => 0 },
    ids: { uuid: () => 'unused' },
    random: { bytes: (length: number) => Buffer.alloc(length), fraction: () => 0 },
    timers,
    log: silentLog,
  };
  const parts = {
    upstream: {
      send(call: UpstreamCall, sink: UpstreamSink) {
        const scripted: Scripted = { call, sink, aborted: false };
        sent.push(scripted);
        const abort = () => {
          scripted.aborted = true;
          sink.failed({ kind: 'aborted' });
        };
        return { sent: true, resume: () => undefined, release: () => undefined, abort };
      },
    },
    router: {
      candidates: () => channels,
      models: () => null,
      succeeded: ({ name }: Channel) => told.push(`${name} succeeded`),
      failed: ({ name }: Channel) => told.push(`${name} failed`),
    },
    estimator: wordEstimator,
    runtime,
  };
  const price = {
    meters: { uncachedInput: 150_000, outputText: 600_000 },
    variants: { batch: { meters: { uncachedInput: 75_000, outputText: 300_000 } } },
  };
  const batch = {
    ...{ accountId: 'acct_1', model: MODEL, mode: 'live', createdAt: 0, accepted: encode(requestAccepted()) },
    priced: { model: MODEL, currency: 'USD', priceVersion: PRICE_VERSION, price, maxOutputTokens: 500 },
  } as unknown as Batch;
  const call = new ChatCall(
    chatRequest(setting.body),
    protocolsWith({ fetch: () => Promise.reject(new Error('not fetched')) }),
  );
  const bounds = { inputTokens: 100, outputTokens: setting.outputTokens ?? 50, other: { requests: 1 } };
  const done = askLine(parts, batch, call, bounds, '00000000-0000-4000-8000-000000000001', stop.signal);
  const reply = async (status: number, body: string) => {
    await settleDown();
    const { sink } = sent.at(-1) ?? {};
    sink?.head(status, { 'content-type': 'application/json' });
    sink?.data(Buffer.from(body));
    sink?.end();
    await settleDown();
  };
  return { done, reply, sent, stop, timers, told };
}

describe('A line of a batch', () => {
  it('is answered on one line, under the name that the client gave the model, with its own bill', async () => {
    const line = asked();
    await line.reply(200, answer());
    const { body, ...rest } = (await line.done) ?? { body: '' };
    expect(rest).toEqual({
      ...{ succeeded: true, status: 200, source: 'reported', channel: 'channel-1', costPicos: null },
      usage: { uncachedInput: 10, outputText: 4 },
    });
    expect(body).not.toMatch(/[\r\n]/);
    expect(JSON.parse(body)).toMatchObject({
      model: MODEL,
      choices: [{ message: { content: 'four\nwords are here' } }],
      // At the price that the book has for batches: 10 × 0.075 + 4 × 0.30 USD per million.
      usage: { prompt_tokens: 10, completion_tokens: 4, cost: 0.00000195 },
    });
    expect(line.told).toEqual(['channel-1 succeeded']);
  });

  it('that the provider does not count is estimated', async () => {
    const line = asked();
    await line.reply(200, answer(null));
    expect(await line.done).toMatchObject({ source: 'estimated', usage: { outputText: 4 } });
  });

  it('is billed what was held for it, and no more', async () => {
    const line = asked({ outputTokens: 3 });
    await line.reply(200, answer());
    expect(await line.done).toMatchObject({ usage: { uncachedInput: 10, outputText: 3 } });
  });

  it('asks for no service tier, whatever its client says, for it is billed as a line of a batch', async () => {
    const line = asked({ body: { service_tier: 'priority' } });
    await line.reply(200, answer());
    expect(await line.done).toMatchObject({ succeeded: true });
    expect(line.sent[0]?.call.request.body?.toString()).not.toContain('service_tier');
  });

  it('goes to the next channel when one fails', async () => {
    const line = asked({ channels: [{}, {}] });
    await line.reply(500, '{}');
    await line.reply(200, answer());
    expect(await line.done).toMatchObject({ succeeded: true, channel: 'channel-2' });
    expect(line.sent.map(({ call }) => call.channel.name)).toEqual(['channel-1', 'channel-2']);
  });

  it('is asked again after a pause, and after another, and then given up without a charge', async () => {
    const line = asked();
    await line.reply(503, '{}');
    expect(line.sent).toHaveLength(1);
    line.timers.advance(2_000);
    await line.reply(503, '{}');
    line.timers.advance(14_999);
    await settleDown();
    expect(line.sent).toHaveLength(2);
    line.timers.advance(1);
    await line.reply(503, '{}');
    expect(await line.done).toMatchObject({ succeeded: false, usage: {}, source: 'none', channel: null });
    expect(line.timers.pending).toBe(0);
  });

  it('that is at fault itself is not asked again', async () => {
    const line = asked();
    await line.reply(400, '{"error":{"message":"no such tool","type":"invalid_request_error"}}');
    const { body = '', ...rest } = (await line.done) ?? {};
    expect(rest).toMatchObject({ succeeded: false, status: 400, source: 'none' });
    expect(JSON.parse(body)).toMatchObject({ error: { code: 'upstream_invalid_request' } });
    expect(line.sent).toHaveLength(1);
  });

  it('waits when no channel is there', async () => {
    const line = asked({ channels: [] });
    await settleDown();
    line.timers.advance(2_000);
    await settleDown();
    line.timers.advance(15_000);
    const result = await line.done;
    expect(result).toMatchObject({ succeeded: false, status: 503 });
    expect(result?.body).toContain('no_channel');
  });

  it('is left when the process stops, also where a client that leaves would be waited for', async () => {
    const line = asked();
    await settleDown();
    line.stop.abort();
    expect(await line.done).toBeNull();
    expect(line.sent[0]?.aborted).toBe(true);
  });

  it('is left in a pause too', async () => {
    const line = asked();
    await line.reply(503, '{}');
    line.stop.abort();
    expect(await line.done).toBeNull();
    expect(line.timers.pending).toBe(0);
  });
});
