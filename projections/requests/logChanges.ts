import { totalTokens } from '../../events/meters.ts';
import type {
  RequestAborted,
  RequestAccepted,
  RequestCompleted,
  RequestFailed,
} from '../../events/request/request.events.ts';
import type { UsageCorrected, UsageRecorded } from '../../events/usage/usage.events.ts';
import { storable, storableJson } from '../columns.ts';
import { ofTypes } from '../ofTypes.ts';
import type { ProjectedEvent } from '../projection.ts';

type End = RequestCompleted | RequestFailed | RequestAborted;

/** What a page says of one call. Null: nothing, so what the log has stays. */
export interface LogChange {
  readonly requestId: string;
  readonly accepted: Accepted | null;
  readonly settled: Settled | null;
  readonly ended: Ended | null;
}

/** The changes of a page, one per call. */
export function logChanges(events: readonly ProjectedEvent[]): readonly LogChange[] {
  const changes = new Map<string, LogChange>();
  const change = (requestId: string, news: Partial<LogChange>) => {
    const before = changes.get(requestId) ?? { requestId, accepted: null, settled: null, ended: null };
    changes.set(requestId, { ...before, ...news });
  };
  for (const { event, recorded } of ofTypes(events, 'RequestAccepted')) {
    change(event.requestId, { accepted: acceptedOf(event, recorded.position) });
  }
  for (const { event } of ofTypes(events, 'UsageRecorded', 'UsageCorrected')) {
    const earlier = changes.get(event.requestId)?.settled ?? null;
    change(event.requestId, {
      settled: event.type === 'UsageRecorded' ? settledOf(event) : correctedOf(event, earlier),
    });
  }
  for (const { event } of ofTypes(events, 'RequestCompleted', 'RequestFailed', 'RequestAborted')) {
    change(event.requestId, { ended: endedOf(event) });
  }
  return [...changes.values()];
}

export type Accepted = ReturnType<typeof acceptedOf>;
function acceptedOf(event: RequestAccepted, position: bigint) {
  const { accountId, keyId, mode, streamed, currency, priceVersion, heldTokens } = event;
  return {
    ...{ accountId, keyId, mode, streamed, currency, priceVersion, heldTokens, position },
    model: storable(event.model),
    route: storable(event.route),
    acceptedAt: event.occurredAt,
    heldAmount: event.heldPicos,
  };
}

export type Settled = ReturnType<typeof settledOf>;
function settledOf(event: UsageRecorded) {
  return { ...figures(event), channel: event.channel === null ? null : storable(event.channel), policy: event.policy };
}

/** The corrected figures follow from no policy any more; the channel is the one that was recorded. */
function correctedOf(event: UsageCorrected, earlier: Settled | null): Settled {
  return { ...figures(event.corrected), channel: earlier?.channel ?? null, policy: null };
}

function figures({ usage, source, amountPicos }: Pick<UsageRecorded, 'usage' | 'source' | 'amountPicos'>) {
  return { usage: JSON.stringify(usage), tokens: totalTokens(usage), source, amount: amountPicos };
}

export type Ended = ReturnType<typeof endedOf>;
function endedOf(event: End) {
  const { latencyMs, firstByteMs, occurredAt: endedAt } = event;
  const common = { latencyMs, firstByteMs, endedAt, attempts: storableJson(event.attempts) };
  const ordinary = { code: null, httpStatus: null, finishReason: null };
  switch (event.type) {
    case 'RequestCompleted': {
      const finishReason = event.finishReason === null ? null : storable(event.finishReason);
      return { ...common, ...ordinary, status: 'completed', finishReason };
    }
    case 'RequestFailed':
      return { ...common, ...ordinary, status: 'failed', code: storable(event.code), httpStatus: event.httpStatus };
    case 'RequestAborted':
      return { ...common, ...ordinary, status: 'aborted', code: event.reason };
  }
}
