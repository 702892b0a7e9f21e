import { describe, expect, it } from 'vitest';
import type { RelayCall } from '../../../services/relay/call.ts';
import { speechCall } from '../../../services/relay/operations/audio/speechCall.ts';
import { chunk, sse } from './chatFixtures.ts';
import { settleDown, startExchange } from './exchangeHarness.ts';
import { bodyOf } from './operations/fixtures.ts';

const ONE = chunk({ delta: { content: 'one' } });
const SPOKEN = speechCall(bodyOf({ model: 'tts-1', input: 'say it' }), 64);

const totalMs = 15_000;
/** A channel that has all the time in the world. */
const patient = { timeouts: { firstByteMs: 1, idleMs: 1, totalMs: 900_000 } };
const channels = [patient, patient, patient];

describe('The time of a call', () => {
  it('is what each attempt may take at most, less what the ones before it took', async () => {
    const hasty = { timeouts: { firstByteMs: 1, idleMs: 1, totalMs: 10_000 } };
    const call = startExchange({ channels: [hasty, patient, hasty], totalMs });
    expect(call.current().call.totalMs).toBe(10_000);
    call.timers.advance(4_000);
    call.current().fail('unreachable');
    await settleDown();
    expect(call.current().call.totalMs).toBe(11_000);
    call.timers.advance(10_999.5);
    call.current().fail('unreachable');
    await settleDown();
    expect(call.current().call.totalMs).toBe(1);
    expect(call.attempts).toHaveLength(3);
  });

  it('ends an attempt like its own time-out, and begins no further one', async () => {
    const call = startExchange({ channels, totalMs });
    call.timers.advance(totalMs);
    call.current().fail('timeout');
    await call.done;
    expect(call.attempts).toHaveLength(1);
    expect(call.settled()).toMatchObject({
      usage: { source: 'none', amountPicos: '0' },
      ended: { type: 'RequestFailed', code: 'gateway_timeout', httpStatus: 504, attempts: [{ outcome: 'timeout' }] },
    });
    expect(call.sent().head).toContain(' 504 ');
    expect(call.timers.pending).toBe(0);
  });

  it('cuts a stream like its own time-out', async () => {
    const call = startExchange({ body: { stream: true }, channels, totalMs });
    call.current().head().data(sse(ONE));
    call.timers.advance(totalMs);
    call.current().fail('timeout');
    await call.done;
    expect(call.settled()).toMatchObject({
      usage: { usage: { outputText: 1 }, source: 'estimated' },
      ended: { type: 'RequestFailed', code: 'gateway_timeout', attempts: [{ outcome: 'cut' }] },
    });
  });

  it('lets the last attempt before its end say what failed', async () => {
    const call = startExchange({ channels, totalMs });
    call.timers.advance(totalMs);
    call.current().fail('unreachable');
    await call.done;
    expect(call.attempts).toHaveLength(1);
    expect(call.settled().ended).toMatchObject({ type: 'RequestFailed', code: 'service_unavailable' });
  });

  it('bounds what is read for a client that has left', async () => {
    const call = startExchange({
      body: { stream: true },
      channels: [{ ...patient, clientGone: 'drain', drainMaxMs: 5_000 }],
      totalMs,
    });
    call.current().head().data(sse(ONE));
    call.timers.advance(totalMs - 1_000);
    await call.leave();
    call.timers.advance(999);
    expect(call.current().aborted).toBe(false);
    call.timers.advance(1);
    expect(call.current().aborted).toBe(true);
    await call.done;
    expect(call.settled()).toMatchObject({
      usage: { usage: { outputText: 1 } },
      ended: { type: 'RequestAborted', reason: 'client_gone', policy: 'drain' },
    });
  });
});

/** As when something that the call names by URL is slow in coming. */
describe('A call that is not made ready for a channel', () => {
  const never: RelayCall['passage'] = () => new Promise(() => undefined);

  it('in its time is ended like by a time-out, and no upstream is called', async () => {
    const call = startExchange({ call: { ...SPOKEN, passage: never }, channels, totalMs });
    call.timers.advance(totalMs);
    await call.done;
    expect(call.attempts).toHaveLength(0);
    expect(call.settled()).toMatchObject({
      usage: { source: 'none' },
      ended: { type: 'RequestFailed', code: 'gateway_timeout', attempts: [] },
    });
    expect(call.timers.pending).toBe(0);
  });

  it('is not waited for when the relay stops', async () => {
    const call = startExchange({ call: { ...SPOKEN, passage: never }, channels, totalMs });
    call.client.leave('shutdown');
    await call.done;
    expect(call.settled().ended).toMatchObject({ type: 'RequestAborted', reason: 'shutdown', policy: null });
    expect(call.sent().body).toContain('"code":"service_unavailable"');
    expect(call.timers.pending).toBe(0);
  });
});
