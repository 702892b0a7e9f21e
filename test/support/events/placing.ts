import { encode, type DomainEvent } from '../../../events/codec.ts';
import type { EventStore, RecordedEvent } from '../../../events/eventStore.ts';
import {
  accountStream,
  billingStream,
  invoiceSeriesStream,
  invoiceStream,
  keyStream,
  priceBookStream,
  requestStream,
  userStream,
} from '../../../events/ids.ts';

/** The stream on which an event belongs. */
export function streamOf(event: DomainEvent): string {
  switch (event.type) {
    case 'UserRegistered':
    case 'AdminRightsGranted':
    case 'AdminRightsRevoked':
      return userStream(event.userId);
    case 'AccountOpened':
    case 'AccountLimitsSet':
      return accountStream(event.accountId);
    case 'PriceBookPublished':
      return priceBookStream(event.priceVersion);
    case 'PeriodOpened':
    case 'PeriodClosed':
      return billingStream(event.accountId);
    case 'InvoiceNumberAllocated':
      return invoiceSeriesStream(event.series);
    case 'InvoiceDrafted':
    case 'InvoiceFinalized':
      return invoiceStream(event.invoiceId);
    case 'RequestAccepted':
    case 'UsageRecorded':
    case 'UsageCorrected':
    case 'HoldExpired':
    case 'RequestCompleted':
    case 'RequestFailed':
    case 'RequestAborted':
      return requestStream(event.requestId);
    case 'ApiKeyIssued':
    case 'ApiKeyRestricted':
    case 'ApiKeyRotated':
    case 'ApiKeyDisabled':
    case 'ApiKeyEnabled':
    case 'ApiKeySuspended':
    case 'ApiKeyReinstated':
    case 'ApiKeyRenamed':
    case 'ApiKeyRevoked':
    case 'ApiKeyExpired':
      return keyStream(event.keyId);
  }
}

/** Appends each event to its stream, one append per event. Returns the position of the last. */
export async function appendAll(store: EventStore, events: readonly DomainEvent[]): Promise<bigint> {
  let position = await store.head();
  for (const event of events) {
    const stream = streamOf(event);
    const [last] = await store.readStream(stream, { direction: 'backwards', limit: 1 });
    const result = await store.append({ stream, expected: last?.revision ?? 'no_stream', events: [encode(event)] });
    if (result.outcome !== 'appended') throw new Error(`${event.type} on ${stream}: ${result.outcome}`);
    position = result.position;
  }
  return position;
}

/** The events as a store that holds nothing else would record them. */
export function recorded(events: readonly DomainEvent[], after = 0n): RecordedEvent[] {
  const revisions = new Map<string, bigint>();
  return events.map((event, index) => {
    const stream = streamOf(event);
    const revision = (revisions.get(stream) ?? -1n) + 1n;
    revisions.set(stream, revision);
    return { ...encode(event), stream, revision, position: after + BigInt(index) + 1n };
  });
}
