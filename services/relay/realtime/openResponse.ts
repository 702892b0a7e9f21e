import type { UsageVector } from '../../../events/meters.ts';
import type { Admitted } from '../admission.ts';
import { NOTHING_USED, type MeasuredUsage } from '../settle.ts';
import { ResponseMeter } from './meters.ts';
import { sumOf } from './reportedUsage.ts';

/** A hold and what has come of the response that it is for. */
export class OpenResponse {
  readonly admitted: Admitted;
  /** Monotonic milliseconds. */
  readonly startedAt: number;
  firstOutputAt: number | null = null;
  readonly meter = new ResponseMeter();
  #transcribed: UsageVector | null = null;

  constructor(admitted: Admitted, startedAt: number) {
    this.admitted = admitted;
    this.startedAt = startedAt;
  }

  addTranscription(usage: UsageVector): void {
    this.#transcribed = sumOf(this.#transcribed ?? {}, usage);
  }

  /** What is billed: the response, null for one that costs nothing, and the transcriptions on top. */
  withTranscription(used: MeasuredUsage | null): MeasuredUsage {
    if (this.#transcribed === null) return used ?? NOTHING_USED;
    if (used === null) return { usage: this.#transcribed, source: 'reported' };
    const source = used.source === 'estimated' ? 'mixed' : used.source;
    return { usage: sumOf(used.usage, this.#transcribed), source };
  }
}
