import { describe, expect, it } from 'vitest';
import { decode } from '../../../events/codec.ts';
import { deriveId } from '../../../events/ids.ts';
import type { UsageVector } from '../../../events/meters.ts';
import type { Attempt } from '../../../events/request/request.events.ts';
import { NOTHING_USED, settle, type AdmittedCall, type Ending } from '../../../services/relay/settle.ts';
import { MODEL, PRICE_VERSION, requestAccepted } from '../../support/events.ts';

const NOW = Date.parse('2026-11-20T09:30:01.500Z');
const TIMES = { now: NOW, latencyMs: 840.6, firstByteMs: 119.5 };
const COMPLETED: Ending = { type: 'RequestCompleted', finishReason: 'stop' };

const accepted = requestAccepted();
const call: AdmittedCall = {
  accepted,
  priced: {
    model: MODEL,
    currency: 'USD',
    priceVersion: PRICE_VERSION,
    price: { meters: { uncachedInput: 150_000, cacheRead: 75_000, outputText: 600_000, reasoning: 700_000 } },
    maxOutputTokens: 500,
  },
  bounds: { inputTokens: 1_000, outputTokens: 500, other: {} },
};

function attempt(number: number, outcome: Attempt['outcome']): Attempt {
  return {
    number,
    channel: `channel-${String(number)}`,
    outcome,
    status: 200,
    upstreamRequestId: null,
    costPicos: null,
  };
}

const ANSWERED = [attempt(1, 'answered')];
const reported = (usage: UsageVector) => ({ usage, source: 'reported' as const });

/** The two events of a settlement, as a reader of the store gets them. */
function eventsOf(...given: Parameters<typeof settle>) {
  const { append } = settle(...given);
  return append.events.map((stored) => decode(stored));
}

describe('A settlement', () => {
  it('is one append of usage and end after RequestAccepted, rated at the pinned price', () => {
    const usage = { uncachedInput: 100, cacheRead: 20, outputText: 30, reasoning: 10 };
    const settlement = settle(call, reported(usage), ANSWERED, COMPLETED, TIMES);
    expect(settlement).toMatchObject({ usage, picos: 41_500_000n, clamped: false });
    expect(settlement.append.stream).toBe(`request-${accepted.requestId}`);
    expect(settlement.append.expected).toBe(0n);
    expect(settlement.append.events.map((stored) => decode(stored))).toEqual([
      {
        type: 'UsageRecorded',
        version: 2,
        eventId: deriveId(accepted.requestId, 1, 'UsageRecorded'),
        occurredAt: '2026-11-20T09:30:01.500Z',
        accountId: accepted.accountId,
        correlationId: accepted.requestId,
        causationId: accepted.eventId,
        requestId: accepted.requestId,
        attempt: 1,
        keyId: accepted.keyId,
        model: MODEL,
        channel: 'channel-1',
        mode: 'live',
        priceVersion: PRICE_VERSION,
        currency: 'USD',
        quotaPeriod: '2026-11',
        usage,
        source: 'reported',
        amountPicos: '41500000',
        policy: null,
      },
      {
        type: 'RequestCompleted',
        version: 1,
        eventId: deriveId(accepted.requestId, 1, 'RequestCompleted'),
        occurredAt: '2026-11-20T09:30:01.500Z',
        accountId: accepted.accountId,
        correlationId: accepted.requestId,
        causationId: deriveId(accepted.requestId, 1, 'UsageRecorded'),
        requestId: accepted.requestId,
        attempts: ANSWERED,
        latencyMs: 841,
        firstByteMs: 120,
        finishReason: 'stop',
      },
    ]);
  });

  it('repeats itself to the byte, so that a retry is recognised', () => {
    const given = [call, reported({ outputText: 3 }), ANSWERED, COMPLETED, TIMES] as const;
    expect(settle(...given)).toEqual(settle(...given));
  });

  it.each<[string, Ending]>([
    ['a failure', { type: 'RequestFailed', code: 'bad_gateway', httpStatus: 502 }],
    ['a client that left', { type: 'RequestAborted', reason: 'client_gone', policy: 'cancel' }],
    ['a client that stalled', { type: 'RequestAborted', reason: 'client_stalled', policy: 'drain' }],
    ['a shutdown', { type: 'RequestAborted', reason: 'shutdown', policy: null }],
    ['an end without a reason', { type: 'RequestCompleted', finishReason: null }],
  ])('states %s', (_name, ending) => {
    const [, ended] = eventsOf(call, reported({ outputText: 1 }), ANSWERED, ending, TIMES);
    expect(ended).toMatchObject(ending);
  });

  it('charges nothing where nothing was used, and names no channel', () => {
    const attempts = [attempt(1, 'refused'), attempt(2, 'timeout')];
    const failed: Ending = { type: 'RequestFailed', code: 'gateway_timeout', httpStatus: 504 };
    const [usage, ended] = eventsOf(call, NOTHING_USED, attempts, failed, { ...TIMES, firstByteMs: null });
    expect(usage).toMatchObject({
      usage: {},
      source: 'none',
      amountPicos: '0',
      channel: null,
      attempt: 2,
      policy: null,
    });
    expect(ended).toMatchObject({ attempts, firstByteMs: null });
  });

  it('has an attempt of 0 when no channel was tried', () => {
    const aborted: Ending = { type: 'RequestAborted', reason: 'client_gone', policy: null };
    const [usage, ended] = eventsOf(call, NOTHING_USED, [], aborted, TIMES);
    expect(usage).toMatchObject({ attempt: 0, channel: null });
    expect(ended).toMatchObject({ attempts: [] });
  });

  it.each<Attempt['outcome']>(['answered', 'cut', 'cancelled'])(
    'charges the attempt that gave output when it was %s after a fail-over',
    (outcome) => {
      const attempts = [attempt(1, 'unreachable'), attempt(2, outcome)];
      const [usage] = eventsOf(call, reported({ outputText: 4 }), attempts, COMPLETED, TIMES);
      expect(usage).toMatchObject({ attempt: 2, channel: 'channel-2' });
    },
  );
});

describe('A settlement above its hold', () => {
  it('is cut on each side, meter by meter, and says so', () => {
    const usage = { uncachedInput: 900, cacheRead: 300, outputText: 400, reasoning: 400 };
    const settlement = settle(call, reported(usage), ANSWERED, COMPLETED, TIMES);
    expect(settlement.usage).toEqual({ uncachedInput: 900, cacheRead: 100, outputText: 400, reasoning: 100 });
    expect(settlement.clamped).toBe(true);
    const [recorded] = settlement.append.events.map((stored) => decode(stored));
    expect(recorded).toMatchObject({ policy: 'clamped_to_hold', usage: settlement.usage, source: 'reported' });
    expect(usage.cacheRead).toBe(300);
  });

  it('is not cut where one side is small and the other within its bound', () => {
    const usage = { uncachedInput: 1_000, outputText: 500 };
    const settlement = settle(call, reported(usage), ANSWERED, COMPLETED, TIMES);
    expect(settlement).toMatchObject({ usage, clamped: false });
  });
});
