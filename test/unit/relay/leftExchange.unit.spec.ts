import { describe, expect, it } from 'vitest';
import type { RelayCall } from '../../../services/relay/call.ts';
import { speechCall } from '../../../services/relay/operations/audio/speechCall.ts';
import { transcriptionCall } from '../../../services/relay/operations/audio/transcriptionCall.ts';
import { chunk, sse, usageChunk } from './chatFixtures.ts';
import { JSON_HEAD, settleDown, startExchange } from './exchangeHarness.ts';
import { bodyOf, FORM_TYPE, formOf, wavOf } from './operations/fixtures.ts';

const USAGE = { prompt_tokens: 9, completion_tokens: 3, total_tokens: 12 };
const ROLE = chunk({ delta: { role: 'assistant', content: '' } });
const ONE = chunk({ delta: { content: 'one' } });
const TWO = chunk({ delta: { content: ' two' } });
const STOP = chunk({ finish: 'stop' });
/** 1 word and 6 of overhead. */
const PROMPT_ESTIMATE = 7;

/** Two and a half seconds. */
const RECORDING = formOf(['model', 'whisper-1'], ['file', { fileName: 'a.wav', bytes: wavOf(20_000) }]);
const SPOKEN = speechCall(bodyOf({ model: 'tts-1', input: 'say it' }), 64);

const streamed = { stream: true };

describe('A client that leaves', () => {
  it('stops its upstream by the policy cancel, and pays for what was received', async () => {
    const call = startExchange({ body: streamed });
    call.current().head().data(sse(ROLE, ONE));
    await call.leave();
    expect(call.current().aborted).toBe(true);
    await call.done;
    expect(call.settled()).toMatchObject({
      usage: { usage: { uncachedInput: PROMPT_ESTIMATE, outputText: 1 }, channel: 'channel-1' },
      ended: { type: 'RequestAborted', reason: 'client_gone', policy: 'cancel', attempts: [{ outcome: 'cancelled' }] },
    });
    expect(call.told).toEqual(['slot freed']);
    expect(call.timers.pending).toBe(0);
  });

  it('lets its upstream finish by the policy drain, and pays what is reported', async () => {
    const call = startExchange({ body: streamed, channels: [{ clientGone: 'drain' }] });
    call.current().head().data(sse(ROLE, ONE));
    await call.leave();
    expect(call.current().aborted).toBe(false);
    call
      .current()
      .data(sse(TWO, STOP, usageChunk(USAGE), '[DONE]'))
      .end();
    await call.done;
    expect(call.settled()).toMatchObject({
      usage: { usage: { uncachedInput: 9, outputText: 3 }, source: 'reported' },
      ended: { type: 'RequestAborted', policy: 'drain' },
    });
    expect(call.timers.pending).toBe(0);
  });

  it('has its upstream drained for a bounded time', async () => {
    const call = startExchange({ body: streamed, channels: [{ clientGone: 'drain', drainMaxMs: 5_000 }] });
    call.current().head().data(sse(ONE));
    await call.leave();
    call.timers.advance(4_999);
    expect(call.current().over).toBe(false);
    call.timers.advance(1);
    expect(call.current().aborted).toBe(true);
    await call.done;
    expect(call.settled().usage.usage).toEqual({ uncachedInput: PROMPT_ESTIMATE, outputText: 1 });
  });

  it.each([
    ['fails to connect', (call: ReturnType<typeof startExchange>) => call.current().fail('unreachable')],
    ['refuses', (call: ReturnType<typeof startExchange>) => call.current().head(500, JSON_HEAD).data('{}').end()],
    ['ends a stream without content', (call: ReturnType<typeof startExchange>) => call.current().head().end()],
  ])('pays nothing when its draining upstream %s', async (_name, fail) => {
    const call = startExchange({ body: streamed, channels: [{ clientGone: 'drain' }, {}] });
    await call.leave();
    fail(call);
    await call.done;
    expect(call.attempts).toHaveLength(1);
    expect(call.settled()).toMatchObject({
      usage: { source: 'none', amountPicos: '0' },
      ended: { type: 'RequestAborted', reason: 'client_gone' },
    });
    expect(call.told).toContain('idempotency forgotten');
  });

  it('between two attempts costs nothing', async () => {
    const call = startExchange({ channels: [{}, {}] });
    call.current().fail('unreachable');
    call.client.leave('client_gone');
    await call.done;
    expect(call.attempts).toHaveLength(1);
    expect(call.settled()).toMatchObject({ usage: { source: 'none' }, ended: { policy: null } });
  });

  it('while its upstream works on an answer pays the prompt', async () => {
    const call = startExchange();
    await call.leave();
    await call.done;
    expect(call.settled()).toMatchObject({
      usage: { usage: { uncachedInput: PROMPT_ESTIMATE }, source: 'estimated' },
      ended: { type: 'RequestAborted', policy: 'cancel' },
    });
  });

  it.each(['cancel', 'drain'] as const)(
    'while its call waits for a connection pays nothing, and the call is not sent for nobody: %s',
    async (clientGone) => {
      const call = startExchange({ queued: true, channels: [{ clientGone }, {}] });
      await call.leave();
      expect(call.current().aborted).toBe(true);
      await call.done;
      expect(call.attempts).toHaveLength(1);
      expect(call.settled()).toMatchObject({
        usage: { usage: {}, source: 'none', amountPicos: '0' },
        ended: { type: 'RequestAborted', reason: 'client_gone', policy: null, attempts: [{ outcome: 'cancelled' }] },
      });
      expect(call.told).toEqual(['slot freed', 'idempotency forgotten']);
      expect(call.timers.pending).toBe(0);
    },
  );

  it.each(['cancel', 'drain'] as const)(
    'while an error of its upstream is being read pays nothing: %s',
    async (clientGone) => {
      const call = startExchange({ channels: [{ clientGone, drainMaxMs: 5_000 }, {}] });
      call.current().head(429, JSON_HEAD).data('{"error":');
      await call.leave();
      call.timers.advance(5_000);
      await call.done;
      expect(call.attempts).toHaveLength(1);
      expect(call.settled()).toMatchObject({
        usage: { usage: {}, source: 'none', amountPicos: '0', channel: null },
        ended: { type: 'RequestAborted', reason: 'client_gone', attempts: [{ outcome: 'refused', status: 429 }] },
      });
      expect(call.told).toEqual(['slot freed', 'idempotency forgotten']);
    },
  );

  it('while its call is made ready for a channel pays nothing, and no upstream is called', async () => {
    const ready = Promise.withResolvers<undefined>();
    const passage: RelayCall['passage'] = async (...given) => {
      await ready.promise;
      return SPOKEN.passage(...given);
    };
    const call = startExchange({ call: { ...SPOKEN, passage } });
    await call.leave();
    ready.resolve(undefined);
    await call.done;
    expect(call.attempts).toHaveLength(0);
    expect(call.settled()).toMatchObject({
      usage: { source: 'none' },
      ended: { type: 'RequestAborted', policy: null },
    });
  });

  it.each([
    ['seconds', transcriptionCall(RECORDING, FORM_TYPE, 'transcriptions'), { seconds: 3 }, '300000000'],
    ['characters', SPOKEN, { characters: 6 }, '600000000'],
  ])('of what is sold by %s pays these before any output', async (_meter, asked, used, amountPicos) => {
    for (const begun of [false, true]) {
      const call = startExchange({ call: asked, otherBound: { seconds: 30, characters: 30 } });
      if (begun) call.current().head(200, { 'content-type': 'application/octet-stream' });
      await call.leave();
      await call.done;
      expect(call.settled()).toMatchObject({
        usage: { usage: used, source: 'estimated', amountPicos },
        ended: { type: 'RequestAborted', policy: 'cancel' },
      });
    }
  });

  it.each(['waits', 'was sent', 'is being answered'])(
    'because the relay stops pays nothing for nothing, and may try again: its call %s',
    async (phase) => {
      const call = startExchange({ body: streamed, queued: phase === 'waits', channels: [{}, {}] });
      if (phase === 'is being answered') call.current().head().data(sse(ROLE));
      call.client.leave('shutdown');
      await call.done;
      expect(call.attempts).toHaveLength(1);
      expect(call.settled()).toMatchObject({
        usage: { usage: {}, source: 'none', amountPicos: '0' },
        ended: { type: 'RequestAborted', reason: 'shutdown', policy: null },
      });
      expect(call.told).toEqual(['slot freed', 'idempotency forgotten']);
      expect(call.sent().body).toContain('"code":"service_unavailable"');
    },
  );

  it.each([
    ['client_gone', { usage: { uncachedInput: PROMPT_ESTIMATE, outputText: 2 }, source: 'estimated' }, 'cancel', false],
    ['shutdown', { usage: {}, source: 'none', amountPicos: '0' }, null, true],
  ] as const)(
    'before a byte could reach it, though its upstream streams: %s',
    async (reason, usage, policy, mayTryAgain) => {
      const call = startExchange({ channels: [{ protocol: 'dify' }] });
      await settleDown();
      call
        .current()
        .head()
        .data(sse({ event: 'message', task_id: 't', message_id: 'm', answer: 'Hello world' }));
      call.client.leave(reason);
      await call.done;
      expect(call.settled()).toMatchObject({ usage, ended: { type: 'RequestAborted', reason, policy } });
      expect(call.told.includes('idempotency forgotten')).toBe(mayTryAgain);
    },
  );

  it('is not waited for when the relay stops, and pays as it would have', async () => {
    const call = startExchange({ body: streamed, channels: [{ clientGone: 'drain' }] });
    call.current().head().data(sse(ONE));
    await call.leave();
    expect(call.current().aborted).toBe(false);
    call.client.leave('shutdown');
    expect(call.current().aborted).toBe(true);
    await call.done;
    expect(call.settled()).toMatchObject({
      usage: { usage: { uncachedInput: PROMPT_ESTIMATE, outputText: 1 }, source: 'estimated' },
      ended: { type: 'RequestAborted', reason: 'client_gone', policy: 'drain' },
    });
    expect(call.timers.pending).toBe(0);
  });

  it('because the relay stops is told so, and pays for what was received', async () => {
    const call = startExchange({ body: streamed, channels: [{ clientGone: 'drain' }] });
    call.current().head().data(sse(ONE));
    call.client.leave('shutdown');
    expect(call.current().aborted).toBe(true);
    await call.done;
    expect(call.settled()).toMatchObject({
      usage: { usage: { uncachedInput: PROMPT_ESTIMATE, outputText: 1 }, source: 'estimated' },
      ended: { type: 'RequestAborted', reason: 'shutdown' },
    });
    expect(call.sent().body).toContain('"code":"service_unavailable"');
  });
});
