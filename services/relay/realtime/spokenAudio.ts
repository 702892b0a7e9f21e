import { bytesIn } from './audio.ts';
import type { FrameLook } from './frameLook.ts';
import type { Json } from '../wire/json.ts';

/** How long the parts are in which a user speaks, for transcriptions whose usage nobody states. */
export class SpokenAudio {
  /** Appended since the last part. */
  #bytes = 0;
  #startMs: number | null = null;
  #endMs: number | null = null;

  /** Takes a frame of the client. */
  add(look: FrameLook): void {
    if (look.type === 'input_audio_buffer.append') this.#bytes += bytesIn(look.raw('audio') ?? '');
    else if (look.type === 'input_audio_buffer.clear') this.#begin();
  }

  /** The upstream has heard where speech begins or ends. */
  heard(event: Json): void {
    this.#startMs = msIn(event['audio_start_ms']) ?? this.#startMs;
    this.#endMs = msIn(event['audio_end_ms']) ?? this.#endMs;
  }

  /** Milliseconds of the part that is over: of the speech where it was heard, otherwise of all that was appended. */
  commit(bytesPerSecond: number): number {
    const appendedMs = (this.#bytes * 1_000) / bytesPerSecond;
    const ms = this.#startMs === null || this.#endMs === null ? appendedMs : Math.max(0, this.#endMs - this.#startMs);
    this.#begin();
    return ms;
  }

  #begin(): void {
    this.#bytes = 0;
    this.#startMs = null;
    this.#endMs = null;
  }
}

function msIn(value: unknown): number | null {
  return typeof value === 'number' && value >= 0 ? value : null;
}
