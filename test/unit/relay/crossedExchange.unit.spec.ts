import { describe, expect, it } from 'vitest';
import { MODEL } from '../../support/events.ts';
import { chunk, PLAIN_QUIRKS, sse } from './chatFixtures.ts';
import { JSON_HEAD, settleDown, SSE_HEAD, startExchange } from './exchangeHarness.ts';

const gemini = (...fragments: readonly object[]) =>
  fragments.map((fragment) => `data: ${JSON.stringify(fragment)}\r\n\r\n`).join('');
const USAGE_METADATA = { promptTokenCount: 9, candidatesTokenCount: 3, totalTokenCount: 12 };
const WHOLE = {
  candidates: [{ content: { role: 'model', parts: [{ text: 'one two three' }] }, finishReason: 'STOP' }],
  usageMetadata: USAGE_METADATA,
};

/** An exchange whose first attempt is under way. */
async function begun(...given: Parameters<typeof startExchange>) {
  const call = startExchange(...given);
  await settleDown();
  return call;
}

describe('A call whose channel speaks another dialect', () => {
  it('is asked and answered in both, and settled at what the provider reports', async () => {
    const call = await begun({ channels: [{ protocol: 'gemini', upstreamModel: 'gemini-2.5-flash' }] });
    expect(call.current().call.request.path).toBe('/models/gemini-2.5-flash:generateContent');
    call.current().head(200, JSON_HEAD).data(JSON.stringify(WHOLE)).end();
    await call.done;
    expect(JSON.parse(call.sent().body)).toMatchObject({
      object: 'chat.completion',
      choices: [{ message: { content: 'one two three' }, finish_reason: 'stop' }],
      usage: { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12, cost: 0.00000315 },
    });
    expect(call.settled()).toMatchObject({
      usage: { usage: { uncachedInput: 9, outputText: 3 }, source: 'reported', amountPicos: '3150000' },
      ended: { type: 'RequestCompleted', finishReason: 'stop' },
    });
  });

  it('may get its whole answer from an upstream that streams', async () => {
    const call = await begun({ channels: [{ protocol: 'gemini' }] });
    const { candidates, usageMetadata } = WHOLE;
    call.current().head(200, SSE_HEAD).data(gemini({ candidates }, { usageMetadata })).end();
    await call.done;
    expect(JSON.parse(call.sent().body)).toMatchObject({ choices: [{ message: { content: 'one two three' } }] });
  });

  it('fails in the stream when the upstream is cut after output, and pays for what came', async () => {
    const call = await begun({ body: { stream: true }, channels: [{ protocol: 'gemini' }] });
    const piece = { candidates: [{ content: { role: 'model', parts: [{ text: 'one two' }] } }] };
    call.current().head(200, SSE_HEAD).data(gemini(piece)).end();
    await call.done;
    expect(call.sent().body).toContain('"error"');
    expect(call.sent().body).not.toContain('[DONE]');
    expect(call.settled()).toMatchObject({
      usage: { usage: { uncachedInput: 7, outputText: 2 }, source: 'estimated' },
      ended: { type: 'RequestFailed', code: 'bad_gateway', httpStatus: 200 },
    });
  });
});

describe('A model that two providers have under names of their own', () => {
  const channels = [
    { name: 'openrouter', upstreamModel: 'openai/gpt-4o-mini' },
    { name: 'gemini', protocol: 'gemini', upstreamModel: 'gemini-2.5-flash' },
  ] as const;
  const REFUSALS = [
    [402, { error: { code: 402, message: 'Insufficient credits' } }],
    [502, { error: { code: 502, message: 'The model is down' } }],
    [200, { id: 'g', choices: [{ error: { code: 502, message: 'down' }, finish_reason: 'error', message: {} }] }],
  ] as const;

  it.each(REFUSALS)(
    'is asked of the second when OpenRouter answers %d %j, and keeps the client’s name',
    async (status, body) => {
      const call = await begun({ channels });
      const asked = JSON.parse(call.current().call.request.body?.toString() ?? '') as Record<string, unknown>;
      expect(asked['model']).toBe('openai/gpt-4o-mini');
      call.current().head(status, JSON_HEAD).data(JSON.stringify(body)).end();
      await settleDown();
      expect(call.current().call.request.path).toBe('/models/gemini-2.5-flash:generateContent');
      call
        .current()
        .head(200, JSON_HEAD)
        .data(JSON.stringify({ ...WHOLE, modelVersion: 'gemini-2.5-flash-001' }))
        .end();
      await call.done;
      expect(JSON.parse(call.sent().body)).toMatchObject({
        model: MODEL,
        choices: [{ message: { content: 'one two three' } }],
      });
      expect(call.settled()).toMatchObject({
        usage: { model: MODEL, channel: 'gemini', attempt: 2, amountPicos: '3150000' },
        ended: {
          type: 'RequestCompleted',
          attempts: [
            { number: 1, channel: 'openrouter', outcome: 'refused', status },
            { number: 2, channel: 'gemini', outcome: 'answered', status: 200 },
          ],
        },
      });
    },
  );
});

describe('A channel that cannot carry a call', () => {
  const body = { n: 2 };

  it('is passed over for one that can, and no attempt is made there', async () => {
    const call = await begun({ body, channels: [{ protocol: 'claude' }, { protocol: 'openai' }] });
    expect(call.current().call.channel.name).toBe('channel-2');
    call.current().head(429, JSON_HEAD).end();
    await call.done;
    expect(call.settled().ended).toMatchObject({ attempts: [{ channel: 'channel-2', outcome: 'refused' }] });
  });

  it('makes the call a clear 400 that costs nothing when there is no other', async () => {
    const call = await begun({ body, channels: [{ protocol: 'claude' }, { protocol: 'ollama' }] });
    await call.done;
    expect(call.attempts).toHaveLength(0);
    expect(call.sent().head).toMatch(/^HTTP\/1\.1 400 /);
    expect(JSON.parse(call.sent().body)).toMatchObject({
      error: { code: 'unsupported_parameter', type: 'invalid_request_error', param: 'n' },
    });
    expect(call.settled()).toMatchObject({
      usage: { source: 'none', amountPicos: '0', usage: {} },
      ended: { type: 'RequestFailed', code: 'unsupported_parameter', httpStatus: 400, attempts: [] },
    });
    expect(call.told).toEqual(['slot freed', 'idempotency forgotten']);
  });
});

describe('A channel that does not know stream_options', () => {
  const REFUSAL = JSON.stringify({ error: { message: 'Unrecognized request argument: stream_options' } });
  const bodyOf = (call: Awaited<ReturnType<typeof begun>>) =>
    JSON.parse(call.current().call.request.body?.toString() ?? '') as Record<string, unknown>;

  it('is asked once more without them, and not with them again', async () => {
    const quirks = { ...PLAIN_QUIRKS };
    const call = await begun({ body: { stream: true }, channels: [{ quirks }] });
    expect(bodyOf(call)).toHaveProperty('stream_options');
    call.current().head(400, JSON_HEAD).data(REFUSAL).end();
    await settleDown();
    expect(call.attempts).toHaveLength(2);
    expect(call.current().call.channel.name).toBe('channel-1');
    expect(bodyOf(call)).not.toHaveProperty('stream_options');
    call
      .current()
      .head()
      .data(sse(chunk({ delta: { content: 'one' }, finish: 'stop' }), '[DONE]'))
      .end();
    await call.done;
    expect(call.settled()).toMatchObject({
      usage: { source: 'estimated' },
      ended: { type: 'RequestCompleted', attempts: [{ outcome: 'refused', status: 400 }, { outcome: 'answered' }] },
    });
    const next = await begun({ body: { stream: true }, channels: [{ quirks }] });
    expect(bodyOf(next)).not.toHaveProperty('stream_options');
    next.current().head(400, JSON_HEAD).data(REFUSAL).end();
    await next.done;
    expect(next.attempts).toHaveLength(1);
  });

  it('is not asked again for another fault, or when nothing was streamed', async () => {
    for (const [body, text] of [
      [{ stream: true }, '{"error":{"message":"bad"}}'],
      [{}, REFUSAL],
    ] as const) {
      const call = await begun({ body, channels: [{ quirks: { ...PLAIN_QUIRKS } }] });
      call.current().head(400, JSON_HEAD).data(text).end();
      await call.done;
      expect(call.attempts).toHaveLength(1);
    }
  });
});

describe('A prompt that a provider blocks', () => {
  const blocked = {
    promptFeedback: { blockReason: 'SAFETY' },
    usageMetadata: { promptTokenCount: 9, totalTokenCount: 9 },
  };

  it.each([true, false])(
    'is refused with 400 and pays for the tokens that the provider bills; streamed: %s',
    async (stream) => {
      const call = await begun({ body: { stream }, channels: [{ protocol: 'gemini' }, { protocol: 'gemini' }] });
      const [head, bytes] = stream ? [SSE_HEAD, gemini(blocked)] : [JSON_HEAD, JSON.stringify(blocked)];
      call.current().head(200, head).data(bytes).end();
      await call.done;
      expect(call.attempts).toHaveLength(1);
      expect(call.sent().head).toMatch(/^HTTP\/1\.1 400 /);
      expect(JSON.parse(call.sent().body)).toMatchObject({ error: { code: 'content_filter' } });
      expect(call.settled()).toMatchObject({
        usage: { usage: { uncachedInput: 9 }, source: 'reported', amountPicos: '1350000' },
        ended: { type: 'RequestFailed', code: 'content_filter', httpStatus: 400 },
      });
    },
  );
});

describe('What an attempt costs the operator', () => {
  const cost = { currency: 'USD', perMillionTokensMicroUnits: { uncachedInput: 100, outputText: 1_000 } } as const;

  it('is recorded for the one that answered, and nothing for those that did not', async () => {
    const call = await begun({ channels: [{ cost }, { cost, protocol: 'gemini' }] });
    call.current().fail('unreachable');
    await settleDown();
    call.current().head(200, JSON_HEAD).data(JSON.stringify(WHOLE)).end();
    await call.done;
    expect(call.settled().ended).toMatchObject({
      attempts: [
        { outcome: 'unreachable', costPicos: '0' },
        { outcome: 'answered', costPicos: String(9 * 100 + 3 * 1_000) },
      ],
    });
  });

  it('is not known for a channel without costs, or with costs in another currency', async () => {
    const call = await begun({ channels: [{}, { cost: { ...cost, currency: 'CNY' } }] });
    call.current().fail('unreachable');
    await settleDown();
    call.current().fail('timeout');
    await call.done;
    expect(call.settled().ended).toMatchObject({ attempts: [{ costPicos: null }, { costPicos: null }] });
  });
});
