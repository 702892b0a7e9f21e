import { describe, expect, it } from 'vitest';
import { MODEL } from '../../support/events.ts';
import { chunk, eventsOf, sse, usageChunk } from './chatFixtures.ts';
import { JSON_HEAD, settleDown, startExchange } from './exchangeHarness.ts';

const USAGE = { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 };
const ANSWER = JSON.stringify({
  id: 'chatcmpl-1',
  created: 1_763_630_000,
  model: MODEL,
  choices: [{ index: 0, message: { role: 'assistant', content: 'one two three' }, finish_reason: 'stop' }],
  usage: USAGE,
});
const ROLE = chunk({ delta: { role: 'assistant', content: '' } });
const ONE = chunk({ delta: { content: 'one' } });
const TWO = chunk({ delta: { content: ' two' } });
const STOP = chunk({ finish: 'stop' });
/** 1 word and 6 of overhead. */
const PROMPT_ESTIMATE = 7;

const streamed = { stream: true };
const COST = { cost: 0.00000315, cost_currency: 'USD' };

/** The events of a stream without its [DONE]. */
const forwarded = (body: string) => eventsOf(body.replace(/data: \[DONE\]\n\n$/, ''));

describe('A whole answer', () => {
  it('goes out after its settlement is durable, with its cost', async () => {
    const durable = Promise.withResolvers<undefined>();
    const call = startExchange({ append: () => durable.promise });
    call.current().head(200, JSON_HEAD).data(ANSWER).end();
    await settleDown();
    expect(call.appends).toHaveLength(1);
    expect(call.sent().head).toBe('');
    durable.resolve(undefined);
    await call.done;
    expect(call.sent().head).toContain('x-tallystick-cost: 0.00000315');
    expect(JSON.parse(call.sent().body)).toEqual({
      ...(JSON.parse(ANSWER) as object),
      usage: { ...USAGE, ...COST },
    });
    expect(call.settled()).toMatchObject({
      usage: { usage: { uncachedInput: 9, outputText: 3 }, source: 'reported', amountPicos: '3150000' },
      ended: { type: 'RequestCompleted', finishReason: 'stop', attempts: [{ outcome: 'answered', status: 200 }] },
    });
    expect(call.told).toEqual(['channel-1 succeeded', 'slot freed']);
    expect(call.timers.pending).toBe(0);
  });

  it('settles together with its acceptance when that did not become durable', async () => {
    const call = startExchange({ acceptedDurable: false });
    call.current().head(200, JSON_HEAD).data(ANSWER).end();
    await call.done;
    expect(call.appends[0]?.expected).toBe('no_stream');
    expect(call.settled().events.map((event) => event?.type)).toEqual([
      'RequestAccepted',
      'UsageRecorded',
      'RequestCompleted',
    ]);
  });

  it('is not told when its settlement is lost, and its slot is free all the same', async () => {
    const call = startExchange({ append: () => Promise.reject(new Error('disk full')) });
    call.current().head(200, JSON_HEAD).data(ANSWER).end();
    await expect(call.done).rejects.toThrow('disk full');
    expect(call.sent().head).toBe('');
    expect(call.told).toContain('slot freed');
  });

  it('is settled without charge, once, when something breaks inside the relay', async () => {
    const call = startExchange({ sendThrows: new Error('no such channel') });
    await expect(call.done).rejects.toThrow('no such channel');
    expect(call.appends).toHaveLength(1);
    expect(call.settled()).toMatchObject({
      usage: { usage: {}, source: 'none', amountPicos: '0' },
      ended: { type: 'RequestFailed', code: 'internal_error', httpStatus: 500, attempts: [] },
    });
    expect(call.told).toEqual(['slot freed', 'idempotency forgotten']);
    expect(call.timers.pending).toBe(0);
  });

  it('is cut to its hold, which is told and counted', async () => {
    const call = startExchange({ outputBound: 2 });
    call.current().head(200, JSON_HEAD).data(ANSWER).end();
    await call.done;
    expect(call.settled().usage).toMatchObject({ usage: { outputText: 2 }, policy: 'clamped_to_hold' });
    expect(call.told).toContain('usage_above_hold');
    expect(JSON.parse(call.sent().body)).toMatchObject({ usage: { completion_tokens: 2, total_tokens: 11 } });
  });
});

describe('A streamed answer', () => {
  it('asks nothing more of its upstream after its [DONE], and goes out though the upstream does not end', async () => {
    const call = startExchange({ body: streamed });
    call
      .current()
      .head()
      .data(sse(ROLE, ONE, STOP));
    expect(call.current().released).toBe(false);
    call.current().data(sse('[DONE]'));
    expect(call.current().released).toBe(true);
    await call.done;
    expect(call.settled().ended.type).toBe('RequestCompleted');
    call.current().data(sse(TWO)).fail('aborted');
    expect(call.sent().body.endsWith('data: [DONE]\n\n')).toBe(true);
    expect(call.told).toEqual(['channel-1 succeeded', 'slot freed']);
  });

  it('is forwarded as it comes, and its [DONE] waits for the settlement', async () => {
    const durable = Promise.withResolvers<undefined>();
    const call = startExchange({ body: streamed, append: () => durable.promise });
    call.current().head().data(sse(ROLE, ONE));
    await settleDown();
    expect(forwarded(call.sent().body)).toEqual([ROLE, ONE]);
    call
      .current()
      .data(sse(STOP, usageChunk(USAGE), '[DONE]'))
      .end();
    await settleDown();
    expect(call.sent().body).not.toContain('[DONE]');
    durable.resolve(undefined);
    await call.done;
    expect(call.sent().body.endsWith('data: [DONE]\n\n')).toBe(true);
    expect(forwarded(call.sent().body)).toEqual([ROLE, ONE, STOP]);
    expect(call.settled()).toMatchObject({
      usage: { usage: { uncachedInput: 9, outputText: 3 }, source: 'reported' },
      ended: { type: 'RequestCompleted' },
    });
  });

  it('comes from an upstream that ignores the wish for a stream as one chunk, with one usage chunk', async () => {
    const call = startExchange({ body: { ...streamed, stream_options: { include_usage: true } } });
    call.current().head(200, JSON_HEAD).data(ANSWER).end();
    await call.done;
    const shared = { id: 'chatcmpl-1', object: 'chat.completion.chunk', created: 1_763_630_000, model: MODEL };
    expect(forwarded(call.sent().body)).toEqual([
      {
        ...shared,
        choices: [{ index: 0, delta: { role: 'assistant', content: 'one two three' }, finish_reason: 'stop' }],
        usage: null,
      },
      { ...shared, choices: [], usage: { ...USAGE, ...COST } },
    ]);
  });

  it('without [DONE] is whole when every choice has finished', async () => {
    const call = startExchange({ body: { ...streamed, n: 2 } });
    const second = chunk({ index: 1, delta: { content: 'other' } });
    call
      .current()
      .head()
      .data(sse(ONE, second, STOP))
      .end();
    await call.done;
    expect(call.settled().ended.type).toBe('RequestFailed');

    const whole = startExchange({ body: { ...streamed, n: 2 } });
    whole
      .current()
      .head()
      .data(sse(ONE, second, STOP, chunk({ index: 1, finish: 'length' })))
      .end();
    await whole.done;
    expect(whole.settled().ended).toMatchObject({ type: 'RequestCompleted', finishReason: 'length' });
    expect(whole.sent().body.endsWith('data: [DONE]\n\n')).toBe(true);
  });

  it('gets its status line when the upstream is silent for long, and may still fail over', async () => {
    const call = startExchange({ body: streamed, channels: [{}, {}] });
    call.timers.advance(10_000);
    await settleDown();
    expect(call.sent().head).toContain('200 OK');
    call.current().fail('timeout');
    await settleDown();
    call
      .current()
      .head()
      .data(sse(ONE, STOP, '[DONE]'))
      .end();
    await call.done;
    expect(forwarded(call.sent().body)).toEqual([ONE, STOP]);
    expect(call.settled().ended.attempts.map(({ outcome }) => outcome)).toEqual(['timeout', 'answered']);
  });

  it('asks its upstream for no pause once it is done', async () => {
    const call = startExchange({ body: streamed });
    call
      .current()
      .head()
      .data(sse(chunk({ delta: { content: 'x'.repeat(200_000) } }), STOP, '[DONE]'));
    expect(call.current().paused).toBe(false);
    await call.done;
  });
});

describe('An upstream that fails before any output', () => {
  it.each([
    ['an HTML page under 502', 502, { 'content-type': 'text/html' }, '<html>Bad Gateway</html>'],
    ['an HTML page under 200', 200, { 'content-type': 'text/html' }, '<html>Sorry</html>'],
    ['an error under 200', 200, JSON_HEAD, '{"error":{"message":"no"}}'],
    ['an error event', 200, { 'content-type': 'TEXT/event-stream' }, 'event: error\ndata: {}\n\n'],
    [
      'an error chunk with running usage',
      200,
      { 'content-type': 'text/event-stream' },
      sse({ error: { code: 500 }, usage: USAGE }),
    ],
    ['a stream without content', 200, { 'content-type': 'text/event-stream' }, ': ping\n\n'],
  ])('makes room for the next channel: %s', async (_name, status, headers, body) => {
    const call = startExchange({ body: streamed, channels: [{}, {}] });
    call.current().head(status, headers).data(body).end();
    await settleDown();
    expect(call.attempts).toHaveLength(2);
    call
      .current()
      .head()
      .data(sse(ONE, STOP, usageChunk(USAGE), '[DONE]'))
      .end();
    await call.done;
    expect(forwarded(call.sent().body)).toEqual([ONE, STOP]);
    expect(call.settled()).toMatchObject({
      usage: { channel: 'channel-2', attempt: 2, source: 'reported' },
      ended: { attempts: [{ outcome: 'refused', status }, { outcome: 'answered' }] },
    });
    expect(call.told).toEqual(['channel-1 failed', 'channel-2 succeeded', 'slot freed']);
  });

  it('costs nothing when no channel is left, and the same Idempotency-Key may try again', async () => {
    const call = startExchange({ channels: [{}, {}] });
    call.current().fail('unreachable');
    await settleDown();
    call.current().head(503, JSON_HEAD).data('{}').end();
    await call.done;
    expect(call.settled()).toMatchObject({
      usage: { usage: {}, source: 'none', amountPicos: '0', channel: null },
      ended: { type: 'RequestFailed', code: 'service_unavailable', httpStatus: 503 },
    });
    expect(call.sent().head).toContain('503 Service Unavailable');
    expect(call.told).toEqual(['channel-1 failed', 'channel-2 failed', 'slot freed', 'idempotency forgotten']);
  });

  it('costs nothing when only a role and a running usage without output were sent', async () => {
    const call = startExchange({ body: streamed });
    const running = { ...ROLE, usage: { prompt_tokens: 9, completion_tokens: 0, total_tokens: 9 } };
    call.current().head().data(sse(running)).fail('cut');
    await call.done;
    expect(call.settled()).toMatchObject({
      usage: { source: 'none', amountPicos: '0' },
      ended: { type: 'RequestFailed' },
    });
    expect(call.sent().body).toContain('"code":"bad_gateway"');
    expect(call.sent().body).not.toContain('[DONE]');
  });

  it('is not read for ever when it streams to a caller that wants none', async () => {
    const call = startExchange();
    call.current().head();
    for (let piece = 0; piece < 100; piece += 1) call.current().data(Buffer.alloc(65_536, 'x'));
    call.current().end();
    await call.done;
    expect(call.settled()).toMatchObject({ ended: { type: 'RequestFailed', code: 'bad_gateway' } });
  });

  it.each([true, false])(
    'is settled when its answer is nested too deeply to be handled, streamed %s',
    async (stream) => {
      const call = startExchange({ body: { stream }, channels: [{ upstreamModel: 'vendor/m' }] });
      const deep = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
      const body = `{"choices":[{"index":0,"delta":{"content":"hi"}}],"deep":${deep}}`;
      if (stream) call.current().head().data(sse(body));
      else call.current().head(200, JSON_HEAD).data(body).end();
      await call.done.catch((error: unknown) => expect(error).toBeInstanceOf(RangeError));
      expect(call.settled().usage.requestId).toBe(call.accepted.requestId);
      expect(call.told).toContain('slot freed');
      if (stream) expect(call.settled().usage.source).toBe('none');
    },
  );
});

describe('A stream that is cut after output', () => {
  it.each([
    ['by the network', (call: ReturnType<typeof startExchange>) => call.current().fail('cut')],
    ['by an early end', (call: ReturnType<typeof startExchange>) => call.current().end()],
    ['by an error', (call: ReturnType<typeof startExchange>) => call.current().data(sse({ error: { code: 500 } }))],
    ['in the middle of an event', (call: ReturnType<typeof startExchange>) => call.current().data('data: {"cho').end()],
  ])('%s bills what was received, tells the client, and tries no other channel', async (_name, cut) => {
    const call = startExchange({ body: streamed, channels: [{}, {}] });
    call
      .current()
      .head()
      .data(sse(ROLE, ONE, TWO));
    cut(call);
    await call.done;
    expect(call.attempts).toHaveLength(1);
    expect(call.settled()).toMatchObject({
      usage: { usage: { uncachedInput: PROMPT_ESTIMATE, outputText: 2 }, source: 'estimated', channel: 'channel-1' },
      ended: { type: 'RequestFailed', code: 'bad_gateway', httpStatus: 200, attempts: [{ outcome: 'cut' }] },
    });
    expect(call.sent().body).toContain('data: {"error":{');
    expect(call.sent().body).not.toContain('[DONE]');
    expect(call.told).toEqual(['channel-1 failed', 'slot freed']);
  });

  it('bills what was received where the running usage has fallen behind', async () => {
    const call = startExchange({ body: streamed });
    const running = { ...ONE, usage: { prompt_tokens: 9, completion_tokens: 1, total_tokens: 10 } };
    call
      .current()
      .head()
      .data(sse(running, TWO, TWO))
      .fail('cut');
    await call.done;
    expect(call.settled().usage).toMatchObject({ usage: { uncachedInput: 9, outputText: 3 }, source: 'mixed' });
  });
});
