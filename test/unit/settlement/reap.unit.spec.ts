import { describe, expect, it } from 'vitest';
import { decode, encode, MalformedEvent } from '../../../events/codec.ts';
import { deriveId } from '../../../events/ids.ts';
import { reap } from '../../../services/relay/settlement/reap.ts';
import { recorded, requestAccepted, requestAborted } from '../../support/events.ts';
import { exampleCall } from './calls.ts';

const call = exampleCall('lost');
const now = Date.parse('2026-11-20T09:46:00.250Z');
const derived = (type: string) => deriveId(call.requestId, 'reaper', type);

describe('reaping an orphaned hold', () => {
  it('states that it expired, that its usage is unknown and waived, and that the relay was lost', () => {
    const decision = reap(call.orphan, recorded([call.accepted]), now);
    expect(decision).toMatchObject({ kind: 'reap', append: { stream: call.stream, expected: 0n } });
    if (decision.kind !== 'reap') return;
    const common = {
      occurredAt: '2026-11-20T09:46:00.250Z',
      accountId: 'acct_live1',
      correlationId: 'example',
      requestId: call.requestId,
    };
    expect(decision.append.events.map((event) => decode(event))).toEqual([
      {
        type: 'HoldExpired',
        version: 1,
        eventId: derived('HoldExpired'),
        causationId: call.accepted.eventId,
        ...common,
        deadline: '2026-11-20T09:45:00.000Z',
        cause: 'deadline',
      },
      {
        type: 'UsageRecorded',
        version: 2,
        eventId: derived('UsageRecorded'),
        causationId: derived('HoldExpired'),
        ...common,
        attempt: 0,
        keyId: 'key_1',
        model: 'gpt-4o-mini',
        channel: null,
        mode: 'live',
        priceVersion: call.accepted.priceVersion,
        currency: 'USD',
        quotaPeriod: '2026-11',
        usage: {},
        source: 'unknown',
        amountPicos: '0',
        policy: 'unknown_waived',
      },
      {
        type: 'RequestAborted',
        version: 1,
        eventId: derived('RequestAborted'),
        causationId: derived('UsageRecorded'),
        ...common,
        attempts: [],
        latencyMs: 960_250,
        firstByteMs: null,
        reason: 'relay_lost',
        policy: null,
      },
    ]);
  });

  it('begins the stream with the very RequestAccepted of the hold when the relay died before it did', () => {
    const decision = reap({ ...call.orphan, cause: 'owner_lost' }, [], now);
    expect(decision).toMatchObject({ kind: 'reap', append: { expected: 'no_stream' } });
    if (decision.kind !== 'reap') return;
    expect(decision.append.events[0]).toEqual(call.orphan.accepted);
    expect(decision.append.events.map((event) => event.type)).toEqual([
      'RequestAccepted',
      'HoldExpired',
      'UsageRecorded',
      'RequestAborted',
    ]);
    expect(decode(decision.append.events[1] ?? call.orphan.accepted)).toMatchObject({ cause: 'owner_lost' });
  });

  it('leaves a call alone whose usage stands already, and says where', () => {
    const stream = recorded([call.accepted, call.used, call.completed], 40n);
    expect(reap(call.orphan, stream, now)).toEqual({ kind: 'settled', accountId: 'acct_live1', position: 42n });
  });

  it('does not say a negative duration when clocks differ', () => {
    const decision = reap(call.orphan, recorded([call.accepted]), Date.parse(call.accepted.occurredAt) - 5_000);
    if (decision.kind !== 'reap') throw new Error('not reaped');
    const [, , aborted] = decision.append.events;
    expect(aborted && decode(aborted)).toMatchObject({ latencyMs: 0 });
  });

  it('touches no stream that is not the hold’s', () => {
    const other = exampleCall('other');
    const foreign = (why: string) => ({ kind: 'foreign', why });
    expect(reap(call.orphan, recorded([requestAccepted({ requestId: call.requestId })]), now)).toEqual(
      foreign(`the stream begins with another event, ${requestAccepted({ requestId: call.requestId }).eventId}`),
    );
    expect(reap({ ...call.orphan, accepted: other.orphan.accepted }, [], now)).toEqual(
      foreign('the hold has no RequestAccepted of its own'),
    );
    const aborted = encode(requestAborted({ requestId: call.requestId }));
    expect(reap({ ...call.orphan, accepted: aborted }, [], now)).toEqual(
      foreign('the hold has no RequestAccepted of its own'),
    );
    expect(() => reap({ ...call.orphan, accepted: { ...call.orphan.accepted, data: '{}' } }, [], now)).toThrow(
      MalformedEvent,
    );
  });
});
