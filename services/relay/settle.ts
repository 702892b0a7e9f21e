import { encode, type DomainEvent } from '../../events/codec.ts';
import type { Append } from '../../events/eventStore.ts';
import { deriveId, requestStream } from '../../events/ids.ts';
import {
  INPUT_METERS,
  OTHER_METERS,
  OUTPUT_METERS,
  totalTokens,
  type UsageSource,
  type UsageVector,
} from '../../events/meters.ts';
import type { Picos } from '../../events/money.ts';
import type { Attempt, RequestAccepted } from '../../events/request/request.events.ts';
import { charge } from '../billing/rating/charge.ts';
import { toInstant } from '../runtime.ts';
import type { Bounds } from './call.ts';
import type { PricedModel } from './ports.ts';

/** A call that was authorised, priced and held. */
export interface AdmittedCall {
  readonly accepted: RequestAccepted;
  readonly priced: PricedModel;
  /** The hold covers this much; a bill is cut to it. */
  readonly bounds: Bounds;
}

/** How a call ended, without its usage. */
export type Ending =
  | { readonly type: 'RequestCompleted'; readonly finishReason: string | null }
  | { readonly type: 'RequestFailed'; readonly code: string; readonly httpStatus: number }
  | {
      readonly type: 'RequestAborted';
      readonly reason: 'client_gone' | 'client_stalled' | 'shutdown';
      readonly policy: 'cancel' | 'drain' | null;
    };

export interface MeasuredUsage {
  readonly usage: UsageVector;
  readonly source: UsageSource;
  /** What the call turned out to be, where its model has prices for that: `hd:1024x1792`. */
  readonly variant?: string | null;
}

/** Nothing was delivered, so nothing is charged. */
export const NOTHING_USED: MeasuredUsage = { usage: {}, source: 'none' };

/** Outcomes of an attempt that may have given output: a cancelled one was cut by us. */
export const GAVE_OUTPUT: readonly Attempt['outcome'][] = ['answered', 'cut', 'cancelled'];

export interface Settlement {
  /** The second durable point: usage and end in one append, after `RequestAccepted`. */
  readonly append: Append;
  readonly usage: UsageVector;
  readonly picos: Picos;
  /** The measured usage was larger than the hold. */
  readonly clamped: boolean;
}

/** Rates what was used, never above the hold, and states the end. Ids derive from the request, so a retry repeats itself. */
export function settle(
  call: AdmittedCall,
  measured: MeasuredUsage,
  attempts: readonly Attempt[],
  ending: Ending,
  times: { readonly now: number; readonly latencyMs: number; readonly firstByteMs: number | null },
): Settlement {
  const { accepted, priced } = call;
  const { usage: held, clamped } = clampToHold(measured.usage, call.bounds);
  const charged = charge(priced.price, accepted.model, { usage: held, source: measured.source }, measured.variant);
  const { usage, picos } = charged;
  const answered = attempts.findLast((attempt) => GAVE_OUTPUT.includes(attempt.outcome));
  const attempt = answered?.number ?? attempts.length;
  const common = {
    occurredAt: toInstant(times.now),
    accountId: accepted.accountId,
    correlationId: accepted.requestId,
    requestId: accepted.requestId,
  };
  const recorded: DomainEvent = {
    type: 'UsageRecorded',
    version: 2,
    eventId: deriveId(accepted.requestId, attempt, 'UsageRecorded'),
    causationId: accepted.eventId,
    ...common,
    attempt,
    keyId: accepted.keyId,
    model: charged.model,
    channel: answered?.channel ?? null,
    mode: accepted.mode,
    priceVersion: accepted.priceVersion,
    currency: accepted.currency,
    quotaPeriod: accepted.quotaPeriod,
    usage,
    source: measured.source,
    amountPicos: picos.toString(),
    policy: clamped ? 'clamped_to_hold' : null,
  };
  const ended: DomainEvent = {
    version: 1,
    eventId: deriveId(accepted.requestId, attempt, ending.type),
    causationId: recorded.eventId,
    ...common,
    attempts: [...attempts],
    latencyMs: Math.round(times.latencyMs),
    firstByteMs: times.firstByteMs === null ? null : Math.round(times.firstByteMs),
    ...ending,
  };
  return {
    append: { stream: requestStream(accepted.requestId), expected: 0n, events: [encode(recorded), encode(ended)] },
    usage,
    picos,
    clamped,
  };
}

/** Cuts each side of a vector to what was held for it, meter by meter in the order of the lists. */
function clampToHold(usage: UsageVector, bounds: Bounds): { usage: UsageVector; clamped: boolean } {
  const { inputTokens, outputTokens, other } = bounds;
  const counted = OTHER_METERS.some((meter) => usage[meter]);
  if (!counted && totalTokens(usage) <= Math.min(inputTokens, outputTokens)) return { usage, clamped: false };
  const cut: UsageVector = { ...usage };
  const clamped = [cutTo(cut, INPUT_METERS, inputTokens), cutTo(cut, OUTPUT_METERS, outputTokens)];
  for (const meter of OTHER_METERS) clamped.push(cutTo(cut, [meter], other[meter] ?? 0));
  return { usage: cut, clamped: clamped.includes(true) };
}

function cutTo(usage: UsageVector, meters: readonly (keyof UsageVector)[], bound: number): boolean {
  let left = bound;
  let cut = false;
  for (const meter of meters) {
    const quantity = usage[meter];
    if (quantity === undefined) continue;
    if (quantity > left) {
      usage[meter] = left;
      cut = true;
    }
    left -= usage[meter] ?? 0;
  }
  return cut;
}
