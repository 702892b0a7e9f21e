import { METERS, type UsageVector } from '../../events/meters.ts';
import type { Attempt } from '../../events/request/request.events.ts';
import type { Admitted } from './admission.ts';
import type { ChannelCost } from './ports.ts';
import { GAVE_OUTPUT } from './settle.ts';

/**
 * The attempts with what each cost the operator: the last that may have given output cost what was measured, the others
 * nothing. Null for a channel without stated costs, and where they are in another currency than the call, because an
 * attempt has no currency of its own.
 */
export function withCosts(
  attempts: readonly Attempt[],
  { channels, priced }: Pick<Admitted, 'channels' | 'priced'>,
  usage: UsageVector,
): Attempt[] {
  const gave = attempts.findLast(({ outcome }) => GAVE_OUTPUT.includes(outcome));
  return attempts.map((attempt) => {
    const cost = channels.find(({ name }) => name === attempt.channel)?.cost ?? null;
    if (cost?.currency !== priced.currency) return attempt;
    return { ...attempt, costPicos: attempt === gave ? costOf(cost, usage).toString() : '0' };
  });
}

/** Whole micro-units per million are picos each. */
function costOf({ perMillionTokensMicroUnits: costs }: ChannelCost, usage: UsageVector): bigint {
  return METERS.reduce((sum, meter) => sum + BigInt(usage[meter] ?? 0) * BigInt(costs[meter] ?? 0), 0n);
}
