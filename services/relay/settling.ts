import type { Attempt } from '../../events/request/request.events.ts';
import type { Runtime } from '../runtime.ts';
import type { Admitted } from './admission.ts';
import { withCosts } from './attemptCosts.ts';
import type { HoldLedger, RelayMetrics, Settlements } from './ports.ts';
import { settle, type Ending, type MeasuredUsage, type Settlement } from './settle.ts';

export interface SettlingParts {
  readonly settlements: Settlements;
  readonly holds: HoldLedger;
  readonly metrics: RelayMetrics;
  readonly runtime: Pick<Runtime, 'clock' | 'log'>;
}

/** A call that is over. Times are monotonic milliseconds. */
export interface EndedCall {
  readonly measured: MeasuredUsage;
  readonly attempts: readonly Attempt[];
  readonly ending: Ending;
  readonly startedAt: number;
  readonly firstOutputAt: number | null;
  readonly streamed: boolean;
}

/**
 * The second durable point. The concurrency slot is free afterwards, whatever happened; where nothing was used, the
 * client may try again with the same Idempotency-Key. Called once per hold. Rejects when the settlement became durable
 * nowhere.
 */
export async function settleDurably(parts: SettlingParts, admitted: Admitted, ended: EndedCall): Promise<Settlement> {
  const { settlements, holds, metrics, runtime } = parts;
  const { measured, ending, startedAt, firstOutputAt } = ended;
  const { requestId } = admitted.accepted;
  const latencyMs = runtime.clock.monotonic() - startedAt;
  const attempts = withCosts(ended.attempts, admitted, measured.usage);
  const settlement = settle(admitted, measured, attempts, ending, {
    now: runtime.clock.now(),
    latencyMs,
    firstByteMs: firstOutputAt === null ? null : firstOutputAt - startedAt,
  });
  try {
    const alone = admitted.acceptance.standsAlone();
    await settlements.append(alone && (await alone) ? settlement.append : withAccepted(admitted, settlement.append));
  } finally {
    holds.freeSlot(requestId);
  }
  if (measured.source === 'none') holds.forgetIdempotency(requestId);
  if (settlement.clamped) {
    metrics.anomaly('usage_above_hold');
    runtime.log.warn({ requestId, measured: measured.usage }, 'usage above its hold was cut to it');
  }
  metrics.callEnded(ending.type, ended.streamed, latencyMs / 1_000);
  metrics.tokens(settlement.usage);
  return settlement;
}

function withAccepted(admitted: Admitted, append: Settlement['append']): Settlement['append'] {
  return { ...append, expected: 'no_stream', events: [admitted.acceptedEvent, ...append.events] };
}
