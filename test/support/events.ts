import type { AccountOpened, UserRegistered } from '../../events/account/account.events.ts';
import { encode, type DomainEvent } from '../../events/codec.ts';
import type { EventStore, RecordedEvent } from '../../events/eventStore.ts';
import {
  accountStream,
  billingStream,
  deriveId,
  invoiceIdOf,
  invoiceSeriesStream,
  invoiceStream,
  keyStream,
  priceBookStream,
  requestStream,
  userStream,
} from '../../events/ids.ts';
import type {
  InvoiceDrafted,
  InvoiceFinalized,
  InvoiceLine,
  InvoiceNumberAllocated,
  PeriodClosed,
  PeriodOpened,
} from '../../events/invoice/invoice.events.ts';
import type { ApiKeyIssued, KeyEvent } from '../../events/key/key.events.ts';
import type { PriceBookPublished } from '../../events/pricebook/pricebook.events.ts';
import { NO_LIMITS } from '../../events/quota/limits.ts';
import type { QuotaEvent } from '../../events/quota/quota.events.ts';
import type {
  RequestAborted,
  RequestAccepted,
  RequestCompleted,
  RequestFailed,
} from '../../events/request/request.events.ts';
import type { UsageCorrected, UsageRecorded } from '../../events/usage/usage.events.ts';

/** Fields to set on an example; the others have plausible values. */
type Change<E> = Partial<Omit<E, 'type' | 'version'>>;
type OfType<E extends DomainEvent, T extends E['type']> = Extract<E, { type: T }>;

export const LIVE_ACCOUNT = 'acct_live1';
export const TEST_ACCOUNT = 'acct_test1';
export const USER = 'user_1';
export const KEY = 'key_1';
export const MODEL = 'gpt-4o-mini';
export const PRICE_VERSION = 'a1'.repeat(32);
export const NOW = '2026-11-20T09:30:00.000Z';
export const PERIOD = '2026-11';

/** A hash-like text that depends on `name`: 64 hexadecimal digits. */
export function exampleHash(name: string): string {
  return `${deriveId('hash', name)}${deriveId('more', name)}`.replaceAll('-', '').padEnd(64, '0');
}

/** A request id that depends on `name`. */
export function requestIdOf(name: string | number): string {
  return deriveId('request', name);
}

const DEFAULT_REQUEST = requestIdOf('example');

/** The id names everything that tells the example from others, so equal examples have equal ids. */
function envelope(type: string, change: Change<DomainEvent>, ...identity: readonly (string | number)[]) {
  const accountId = change.accountId ?? LIVE_ACCOUNT;
  const occurredAt = change.occurredAt ?? NOW;
  return {
    eventId: deriveId('example', type, accountId, occurredAt, ...identity),
    occurredAt,
    accountId,
    correlationId: 'example',
    causationId: null,
  };
}

export function userRegistered(change: Change<UserRegistered> = {}): UserRegistered {
  const userId = change.userId ?? USER;
  return {
    type: 'UserRegistered',
    version: 1,
    ...envelope('UserRegistered', change, userId),
    userId,
    emailIndex: exampleHash(userId),
    sealedProfile: 'v1.aXY.cHJvZmlsZQ.dGFn',
    sealedPasswordHash: 'v1.aXY.cGFzc3dvcmQ.dGFn',
    accounts: { live: LIVE_ACCOUNT, test: TEST_ACCOUNT },
    ...change,
  };
}

export function accountOpened(change: Change<AccountOpened> = {}): AccountOpened {
  return {
    type: 'AccountOpened',
    version: 1,
    ...envelope('AccountOpened', change),
    userId: USER,
    mode: 'live',
    zone: 'UTC',
    limits: NO_LIMITS,
    maxKeys: 10,
    ...change,
  };
}

export function accountLimitsSet(
  change: Change<OfType<QuotaEvent, 'AccountLimitsSet'>> = {},
): OfType<QuotaEvent, 'AccountLimitsSet'> {
  return {
    type: 'AccountLimitsSet',
    version: 1,
    ...envelope('AccountLimitsSet', change),
    limits: NO_LIMITS,
    reason: 'example',
    ...change,
  };
}

export function apiKeyIssued(change: Change<ApiKeyIssued> = {}): ApiKeyIssued {
  const keyId = change.keyId ?? KEY;
  return {
    type: 'ApiKeyIssued',
    version: 1,
    ...envelope('ApiKeyIssued', change, keyId),
    keyId,
    userId: USER,
    name: 'example',
    mode: 'live',
    secretHash: exampleHash(keyId),
    prefix: 'tly_live_abc',
    last4: 'wxyz',
    limits: NO_LIMITS,
    models: null,
    expiresAt: null,
    ...change,
  };
}

export function apiKeyRestricted(
  change: Change<OfType<KeyEvent, 'ApiKeyRestricted'>> = {},
): OfType<KeyEvent, 'ApiKeyRestricted'> {
  const keyId = change.keyId ?? KEY;
  return {
    type: 'ApiKeyRestricted',
    version: 1,
    ...envelope('ApiKeyRestricted', change, keyId),
    keyId,
    limits: NO_LIMITS,
    models: null,
    expiresAt: null,
    ...change,
  };
}

export function apiKeyRotated(
  change: Change<OfType<KeyEvent, 'ApiKeyRotated'>> = {},
): OfType<KeyEvent, 'ApiKeyRotated'> {
  const keyId = change.keyId ?? KEY;
  return {
    type: 'ApiKeyRotated',
    version: 1,
    ...envelope('ApiKeyRotated', change, keyId),
    keyId,
    secretHash: exampleHash(`${keyId} rotated`),
    prefix: 'tly_live_def',
    last4: 'stuv',
    previousValidUntil: '2026-11-21T09:30:00.000Z',
    ...change,
  };
}

/** One of the key's changes of state. */
export function apiKeyChanged<T extends 'ApiKeyDisabled' | 'ApiKeyEnabled' | 'ApiKeyRevoked' | 'ApiKeyExpired'>(
  type: T,
  change: Change<OfType<KeyEvent, T>> = {},
): KeyEvent {
  const keyId = change.keyId ?? KEY;
  const common = { version: 1 as const, ...envelope(type, change, keyId), keyId };
  if (type === 'ApiKeyExpired') return { type, ...common, ...change };
  return { type, ...common, reason: 'example', ...change };
}

export function priceBookPublished(change: Change<PriceBookPublished> = {}): PriceBookPublished {
  return {
    type: 'PriceBookPublished',
    version: 1,
    ...envelope('PriceBookPublished', { accountId: 'system', ...change }),
    priceVersion: PRICE_VERSION,
    effectiveFrom: '2026-01-01T00:00:00.000Z',
    models: [
      {
        model: MODEL,
        currency: 'USD',
        price: { meters: { uncachedInput: 150_000, cacheRead: 75_000, outputText: 600_000 } },
        maxOutputTokens: 16_384,
      },
    ],
    ...change,
  };
}

export function requestAccepted(change: Change<RequestAccepted> = {}): RequestAccepted {
  const requestId = change.requestId ?? DEFAULT_REQUEST;
  return {
    type: 'RequestAccepted',
    version: 1,
    ...envelope('RequestAccepted', change, requestId),
    requestId,
    keyId: KEY,
    model: MODEL,
    route: '/v1/chat/completions',
    streamed: false,
    mode: 'live',
    priceVersion: PRICE_VERSION,
    currency: 'USD',
    quotaPeriod: PERIOD,
    heldTokens: 1_000,
    heldPicos: '600000000',
    ...change,
  };
}

/** 1 000 uncached input and 500 output tokens at the example's price: 450 micro-dollars. */
export function usageRecorded(change: Change<UsageRecorded> = {}): UsageRecorded {
  const requestId = change.requestId ?? DEFAULT_REQUEST;
  return {
    type: 'UsageRecorded',
    version: 2,
    ...envelope('UsageRecorded', change, requestId),
    requestId,
    attempt: 1,
    keyId: KEY,
    model: MODEL,
    channel: 'primary',
    mode: 'live',
    priceVersion: PRICE_VERSION,
    currency: 'USD',
    quotaPeriod: PERIOD,
    usage: { uncachedInput: 1_000, outputText: 500 },
    source: 'reported',
    amountPicos: '450000000',
    policy: null,
    ...change,
  };
}

/** The output was 400 tokens, not 500. */
export function usageCorrected(change: Change<UsageCorrected> = {}): UsageCorrected {
  const requestId = change.requestId ?? DEFAULT_REQUEST;
  return {
    type: 'UsageCorrected',
    version: 1,
    ...envelope('UsageCorrected', change, requestId),
    requestId,
    correctsEventId: usageRecorded({ requestId }).eventId,
    keyId: KEY,
    model: MODEL,
    mode: 'live',
    priceVersion: PRICE_VERSION,
    currency: 'USD',
    quotaPeriod: PERIOD,
    previous: { usage: { uncachedInput: 1_000, outputText: 500 }, source: 'reported', amountPicos: '450000000' },
    corrected: { usage: { uncachedInput: 1_000, outputText: 400 }, source: 'reported', amountPicos: '390000000' },
    reason: 'late_settlement',
    ...change,
  };
}

export function holdExpired(change: Change<OfType<QuotaEvent, 'HoldExpired'>> = {}): OfType<QuotaEvent, 'HoldExpired'> {
  const requestId = change.requestId ?? DEFAULT_REQUEST;
  return {
    type: 'HoldExpired',
    version: 1,
    ...envelope('HoldExpired', change, requestId),
    requestId,
    deadline: NOW,
    cause: 'deadline',
    ...change,
  };
}

const ending = {
  attempts: [
    {
      number: 1,
      channel: 'primary',
      outcome: 'answered' as const,
      status: 200,
      upstreamRequestId: 'upstream-1',
      costPicos: null,
    },
  ],
  latencyMs: 840,
  firstByteMs: 120,
};

export function requestCompleted(change: Change<RequestCompleted> = {}): RequestCompleted {
  const requestId = change.requestId ?? DEFAULT_REQUEST;
  return {
    type: 'RequestCompleted',
    version: 1,
    ...envelope('RequestCompleted', change, requestId),
    requestId,
    ...ending,
    finishReason: 'stop',
    ...change,
  };
}

export function requestFailed(change: Change<RequestFailed> = {}): RequestFailed {
  const requestId = change.requestId ?? DEFAULT_REQUEST;
  return {
    type: 'RequestFailed',
    version: 1,
    ...envelope('RequestFailed', change, requestId),
    requestId,
    ...ending,
    code: 'bad_gateway',
    httpStatus: 502,
    ...change,
  };
}

export function requestAborted(change: Change<RequestAborted> = {}): RequestAborted {
  const requestId = change.requestId ?? DEFAULT_REQUEST;
  return {
    type: 'RequestAborted',
    version: 1,
    ...envelope('RequestAborted', change, requestId),
    requestId,
    ...ending,
    reason: 'client_gone',
    policy: 'cancel',
    ...change,
  };
}

export function periodOpened(change: Change<PeriodOpened> = {}): PeriodOpened {
  return {
    type: 'PeriodOpened',
    version: 1,
    ...envelope('PeriodOpened', change, change.period ?? PERIOD),
    period: PERIOD,
    start: '2026-11-01T00:00:00.000Z',
    end: '2026-12-01T00:00:00.000Z',
    zone: 'UTC',
    ...change,
  };
}

export function periodClosed(change: Change<PeriodClosed> = {}): PeriodClosed {
  return {
    type: 'PeriodClosed',
    version: 1,
    ...envelope('PeriodClosed', change, change.period ?? PERIOD),
    period: PERIOD,
    end: '2026-12-01T00:00:00.000Z',
    cutoff: '100',
    ...change,
  };
}

/** 10 000 output tokens at 0.6 USD per million: exactly 0.006 USD, rounded to one cent. */
export function invoiceLine(change: Partial<InvoiceLine> = {}): InvoiceLine {
  return {
    line: 1,
    keyId: KEY,
    model: MODEL,
    meter: 'outputText',
    priceVersion: PRICE_VERSION,
    quantity: 10_000,
    unitPriceMicrosPerMillion: 600_000,
    exactPicos: '6000000000',
    amount: '1',
    requestCount: 1,
    requestsHash: exampleHash('requests'),
    ...change,
  };
}

export function invoiceDrafted(change: Change<InvoiceDrafted> = {}): InvoiceDrafted {
  const accountId = change.accountId ?? LIVE_ACCOUNT;
  const invoiceId = change.invoiceId ?? invoiceIdOf(accountId, change.period ?? PERIOD, change.currency ?? 'USD');
  return {
    type: 'InvoiceDrafted',
    version: 1,
    ...envelope('InvoiceDrafted', change, invoiceId),
    invoiceId,
    period: PERIOD,
    start: '2026-11-01T00:00:00.000Z',
    end: '2026-12-01T00:00:00.000Z',
    cutoff: '100',
    mode: 'live',
    currency: 'USD',
    lines: [invoiceLine()],
    exactTotalPicos: '6000000000',
    total: '1',
    roundingAmount: '0',
    ...change,
  };
}

export function invoiceNumberAllocated(change: Change<InvoiceNumberAllocated> = {}): InvoiceNumberAllocated {
  const invoiceId = change.invoiceId ?? invoiceIdOf(change.accountId ?? LIVE_ACCOUNT, PERIOD, 'USD');
  return {
    type: 'InvoiceNumberAllocated',
    version: 1,
    ...envelope('InvoiceNumberAllocated', change, invoiceId),
    invoiceId,
    series: 'INV-2026',
    sequence: 1,
    ...change,
  };
}

export function invoiceFinalized(change: Change<InvoiceFinalized> = {}): InvoiceFinalized {
  const invoiceId = change.invoiceId ?? invoiceIdOf(change.accountId ?? LIVE_ACCOUNT, PERIOD, 'USD');
  return {
    type: 'InvoiceFinalized',
    version: 1,
    ...envelope('InvoiceFinalized', change, invoiceId),
    invoiceId,
    number: 'INV-2026-000001',
    currency: 'USD',
    exactTotalPicos: '6000000000',
    total: '1',
    ...change,
  };
}

/** The stream on which an event belongs. */
export function streamOf(event: DomainEvent): string {
  switch (event.type) {
    case 'UserRegistered':
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

/** A whole answered call, from acceptance to its end. `amount` and `usage` are those of `usageRecorded` unless given. */
export function answeredCall(
  name: string | number,
  change: Pick<Change<UsageRecorded>, 'accountId' | 'occurredAt' | 'keyId' | 'model' | 'usage' | 'amountPicos'> = {},
): [RequestAccepted, UsageRecorded, RequestCompleted] {
  const requestId = requestIdOf(name);
  const { usage: _usage, amountPicos: _amount, ...call } = change;
  const { keyId: _key, model: _model, ...envelopeChange } = call;
  return [
    requestAccepted({ requestId, ...call }),
    usageRecorded({ requestId, ...change }),
    requestCompleted({ requestId, ...envelopeChange }),
  ];
}
