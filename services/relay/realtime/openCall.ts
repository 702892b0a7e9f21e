import type { Admitted } from '../admission.ts';
import { ResponseMeter } from './meters.ts';

/** A hold and what has come of the response or transcription that it is for. */
export class OpenCall {
  readonly admitted: Admitted;
  /** Monotonic milliseconds. */
  readonly startedAt: number;
  firstOutputAt: number | null = null;
  readonly meter = new ResponseMeter();
  /** Milliseconds of audio that a transcription is of, as far as they are known. */
  heardMs = 0;

  constructor(admitted: Admitted, startedAt: number) {
    this.admitted = admitted;
    this.startedAt = startedAt;
  }
}
