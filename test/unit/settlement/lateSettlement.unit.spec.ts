import { describe, expect, it } from 'vitest';
import { decode, encode, type DomainEvent } from '../../../events/codec.ts';
import type { RecordedEvent } from '../../../events/eventStore.ts';
import { deriveId } from '../../../events/ids.ts';
import { settleLate } from '../../../services/relay/settlement/lateSettlement.ts';
import { reap } from '../../../services/relay/settlement/reap.ts';
import { recorded, requestFailed, usageCorrected } from '../../support/events.ts';
import { exampleCall } from './calls.ts';

const call = exampleCall('late', { occurredAt: '2026-11-20T09:44:59.999Z' });
const now = Date.parse('2026-11-20T09:46:00.000Z');

/** The stream after the reaper was there. */
function reaped(...later: readonly DomainEvent[]): RecordedEvent[] {
  const decision = reap(call.orphan, [], now);
  if (decision.kind !== 'reap') throw new Error('not reaped');
  const events = decision.append.events.flatMap((event) => decode(event) ?? []);
  return recorded([...events, ...later], 10n);
}

/** The correction that a late settlement becomes. */
function correction(stream: readonly RecordedEvent[]): DomainEvent {
  const decision = settleLate(call.settlement, stream);
  if (decision.kind !== 'append') throw new Error(`not corrected but ${decision.kind}`);
  const event = decision.append.events[0] && decode(decision.append.events[0]);
  if (!event) throw new Error('the append is empty');
  return event;
}

describe('a settlement that comes after the reaper', () => {
  it('becomes one correction of the waived usage, at the time of service', () => {
    expect(settleLate(call.settlement, reaped())).toMatchObject({
      kind: 'append',
      corrects: true,
      append: { stream: call.stream, expected: 3n, events: [{ type: 'UsageCorrected', version: 1 }] },
    });
    expect(correction(reaped())).toEqual({
      type: 'UsageCorrected',
      version: 1,
      eventId: deriveId(call.requestId, 'late', 'UsageCorrected'),
      occurredAt: '2026-11-20T09:44:59.999Z',
      accountId: call.used.accountId,
      correlationId: 'example',
      causationId: deriveId(call.requestId, 'reaper', 'UsageRecorded'),
      requestId: call.requestId,
      correctsEventId: deriveId(call.requestId, 'reaper', 'UsageRecorded'),
      keyId: 'key_1',
      model: 'gpt-4o-mini',
      mode: 'live',
      priceVersion: call.used.priceVersion,
      currency: 'USD',
      quotaPeriod: '2026-11',
      previous: { usage: {}, source: 'unknown', amountPicos: '0' },
      corrected: { usage: { uncachedInput: 1_000, outputText: 500 }, source: 'reported', amountPicos: '450000000' },
      reason: 'late_settlement',
    });
  });

  it('is the same correction whether it carries its RequestAccepted or not', () => {
    expect(settleLate(call.whole, reaped())).toEqual(settleLate(call.settlement, reaped()));
  });

  it('says nothing a second time', () => {
    const stream = reaped(correction(reaped()));
    expect(settleLate(call.settlement, stream)).toEqual({ kind: 'stands', position: 15n });
    expect(settleLate(call.whole, stream)).toEqual({ kind: 'stands', position: 15n });
  });

  it('corrects the latest figure when somebody else has corrected meanwhile', () => {
    const corrected = { usage: { outputText: 3 }, source: 'estimated' as const, amountPicos: '7' };
    const other = usageCorrected({ requestId: call.requestId, reason: 'operator', corrected });
    expect(correction(reaped(other))).toMatchObject({ correctsEventId: other.eventId, previous: corrected });
  });
});

describe('an append that met a conflict', () => {
  it('stands when an earlier try had written all of it', () => {
    const stream = recorded([call.accepted, call.used, call.completed], 5n);
    expect(settleLate(call.settlement, stream)).toEqual({ kind: 'stands', position: 8n });
    expect(settleLate(call.whole, stream)).toEqual({ kind: 'stands', position: 8n });
    expect(settleLate(call.acceptance, stream)).toEqual({ kind: 'stands', position: 8n });
    expect(settleLate(call.acceptance, reaped())).toEqual({ kind: 'stands', position: 14n });
  });

  it('says what is left when an earlier try had written its beginning', () => {
    expect(settleLate(call.whole, recorded([call.accepted]))).toEqual({
      kind: 'append',
      append: call.settlement,
      corrects: false,
    });
  });

  it('does not fit a stream that is missing, or that another call has begun', () => {
    const other = exampleCall('other');
    expect(settleLate(call.settlement, [])).toEqual({ kind: 'foreign', why: 'the stream does not exist' });
    expect(settleLate(call.settlement, recorded([other.accepted]))).toEqual({
      kind: 'foreign',
      why: 'the stream is at revision 0 without a settlement',
    });
    expect(settleLate(call.settlement, recorded([other.accepted, other.used, other.completed]))).toEqual({
      kind: 'foreign',
      why: 'the usage is of another request',
    });
  });

  it('does not fit a stream that is settled with another end', () => {
    const failed = requestFailed({ requestId: call.requestId });
    expect(settleLate(call.settlement, recorded([call.accepted, call.used, failed]))).toEqual({
      kind: 'foreign',
      why: 'the usage stands, and the rest of the append does not',
    });
    const onlyEnd = { ...call.settlement, events: [encode(failed)] };
    expect(settleLate(onlyEnd, recorded([call.accepted, call.used, call.completed]))).toEqual({
      kind: 'foreign',
      why: 'the call is settled and the append says something else',
    });
  });
});
