import type { QuotaEvent } from '../../../events/quota/quota.events.ts';
import type {
  RequestAborted,
  RequestAccepted,
  RequestCompleted,
  RequestFailed,
} from '../../../events/request/request.events.ts';
import type { UsageCorrected, UsageRecorded } from '../../../events/usage/usage.events.ts';
import {
  DEFAULT_REQUEST,
  envelope,
  requestIdOf,
  KEY,
  MODEL,
  NOW,
  PERIOD,
  PRICE_VERSION,
  type Change,
  type OfType,
} from './shared.ts';

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
