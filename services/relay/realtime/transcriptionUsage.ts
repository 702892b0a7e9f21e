import type { UsageVector } from '../../../events/meters.ts';
import { cardOf, microsPerMillion } from '../../billing/rating/card.ts';
import type { TokenEstimator } from '../ports.ts';
import type { MeasuredUsage } from '../settle.ts';
import { withoutZeros } from '../usage/reported.ts';
import { USUAL_RATES, type AudioTokenMs } from './audio.ts';
import type { OpenCall } from './openCall.ts';
import type { ResponseMeter } from './meters.ts';

/**
 * The usage of a transcription: what was stated, where that is what its model is sold by, and otherwise an estimate, so
 * that none is free because its upstream counts seconds where we sell tokens. `stated`: null for nothing usable.
 */
export async function measureTranscription(
  stated: UsageVector | null,
  { admitted, heardMs, meter }: OpenCall,
  estimator: TokenEstimator,
  tokenMs: AudioTokenMs,
): Promise<MeasuredUsage> {
  const bySecond = microsPerMillion(cardOf(admitted.priced.price, {}), 'seconds') > 0;
  if (stated && isCounted(stated, bySecond, meter)) return { usage: stated, source: 'reported' };
  const source = stated?.seconds === undefined ? 'estimated' : 'mixed';
  const audioMs = stated?.seconds === undefined ? heardMs : stated.seconds * 1_000;
  if (bySecond) return { usage: withoutZeros({ seconds: Math.ceil(audioMs / 1_000) }), source };
  const { outputText = 0 } = await meter.estimate(estimator, USUAL_RATES, tokenMs);
  return { usage: withoutZeros({ audioInput: Math.ceil(audioMs / tokenMs.input), outputText }), source };
}

/** A count of nothing is believed only where nothing was said. */
function isCounted(stated: UsageVector, bySecond: boolean, meter: ResponseMeter): boolean {
  if (Object.keys(stated).length === 0) return meter.isEmpty;
  return (stated.seconds !== undefined) === bySecond;
}
