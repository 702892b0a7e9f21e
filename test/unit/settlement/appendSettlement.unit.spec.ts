import { beforeEach, describe, expect, it } from 'vitest';
import { decode } from '../../../events/codec.ts';
import { StoreUnavailable, type EventStore } from '../../../events/eventStore.ts';
import { MemoryEventStore } from '../../../infra/memory/eventStore.ts';
import { appendSettlement, SettlementRefused } from '../../../services/relay/settlement/appendSettlement.ts';
import { reap } from '../../../services/relay/settlement/reap.ts';
import { exampleCall } from './calls.ts';

const call = exampleCall('call');
let store: MemoryEventStore;

beforeEach(() => {
  store = new MemoryEventStore();
});

async function typesOf(source: EventStore): Promise<string[]> {
  const events = await source.readStream(call.stream, { direction: 'forwards', limit: 100 });
  return events.map((event) => event.type);
}

async function reapCall(): Promise<void> {
  const events = await store.readStream(call.stream, { direction: 'forwards', limit: 100 });
  const decision = reap(call.orphan, events, Date.parse('2026-11-20T10:00:00.000Z'));
  if (decision.kind === 'reap') await store.append(decision.append);
}

describe('appending a settlement', () => {
  it('appends it as it is, and a repetition changes nothing', async () => {
    await appendSettlement(store, call.acceptance);
    expect(await appendSettlement(store, call.settlement)).toEqual({ as: 'itself', position: 3n });
    expect(await appendSettlement(store, call.settlement)).toEqual({ as: 'itself', position: 3n });
    expect(await typesOf(store)).toEqual(['RequestAccepted', 'UsageRecorded', 'RequestCompleted']);
  });

  it('becomes one correction when the reaper was first, however often it is repeated', async () => {
    await appendSettlement(store, call.acceptance);
    await reapCall();
    expect(await appendSettlement(store, call.settlement)).toEqual({ as: 'correction', position: 5n });
    await appendSettlement(store, call.settlement);
    await appendSettlement(store, call.whole);
    await appendSettlement(store, call.acceptance);
    expect(await typesOf(store)).toEqual([
      'RequestAccepted',
      'HoldExpired',
      'UsageRecorded',
      'RequestAborted',
      'UsageCorrected',
    ]);
    const [corrected] = await store.readStream(call.stream, { direction: 'backwards', limit: 1 });
    expect(corrected && decode(corrected)).toMatchObject({ corrected: { amountPicos: '450000000' } });
  });

  it('is repeated after a lost answer without a second event', async () => {
    await appendSettlement(store, call.acceptance);
    store.failNext('after');
    await expect(appendSettlement(store, call.settlement)).rejects.toThrow(StoreUnavailable);
    expect(await appendSettlement(store, call.settlement)).toEqual({ as: 'itself', position: 3n });
  });

  it('carries its RequestAccepted when nobody knows whether that was written', async () => {
    expect(await appendSettlement(store, call.whole)).toEqual({ as: 'itself', position: 3n });
    const second = new MemoryEventStore();
    await appendSettlement(second, call.acceptance);
    expect(await appendSettlement(second, call.whole)).toEqual({ as: 'itself', position: 3n });
    expect(await typesOf(second)).toEqual(await typesOf(store));
  });

  it('is refused when its ids stand there with another body, or when its stream does not exist', async () => {
    const other = exampleCall('call', { amountPicos: '1' });
    await appendSettlement(store, call.whole);
    const refused = await appendSettlement(store, other.settlement).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(SettlementRefused);
    expect((refused as Error).message).toBe(
      `${call.stream}: event id ${call.used.eventId} stands there with another body`,
    );
    const nowhere = exampleCall('nowhere');
    await expect(appendSettlement(store, nowhere.settlement)).rejects.toThrow(SettlementRefused);
  });

  it('is refused when what stands there does not parse', async () => {
    const damaged = call.settlement.events.map((event) => ({
      ...event,
      eventId: event.eventId.replace(/^./, '0'),
      data: '{}',
    }));
    await store.append(call.acceptance);
    await store.append({ ...call.settlement, events: damaged });
    await expect(appendSettlement(store, call.settlement)).rejects.toThrow(SettlementRefused);
  });
});
