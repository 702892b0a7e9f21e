import type { Timers } from '../../runtime.ts';
import type { FrameSocket } from './ports.ts';

/** Makes one side wait while the other cannot take more, and notices a side that takes nothing for too long. */
export class Flow {
  readonly #timers: Timers;
  readonly #stallMs: number;
  #source: FrameSocket | null = null;
  #paused = false;
  /** The reader of what the source sends has no room, or we are busy. */
  readonly #reasons = new Set<'full' | 'busy' | 'early'>();
  #cancelStall: (() => void) | null = null;

  constructor(timers: Timers, stallMs: number) {
    this.#timers = timers;
    this.#stallMs = stallMs;
  }

  /** The side that waits; none yet: it will wait as soon as it is there. */
  set source(socket: FrameSocket) {
    this.#source = socket;
    this.#paused = false;
    this.#apply();
  }

  set busy(busy: boolean) {
    this.#set('busy', busy);
  }

  /** Frames wait for an upstream that is not open yet. */
  set early(early: boolean) {
    this.#set('early', early);
  }

  /** The other side has no room; `stalled` is called when it has none for too long. */
  full(stalled: () => void): void {
    if (this.#reasons.has('full')) return;
    this.#set('full', true);
    this.#cancelStall = this.#timers.after(this.#stallMs, stalled);
  }

  drained(): void {
    this.#cancelStall?.();
    this.#cancelStall = null;
    this.#set('full', false);
  }

  #set(reason: 'full' | 'busy' | 'early', holds: boolean): void {
    if (holds) this.#reasons.add(reason);
    else this.#reasons.delete(reason);
    this.#apply();
  }

  #apply(): void {
    const pause = this.#reasons.size > 0;
    if (!this.#source || pause === this.#paused) return;
    this.#paused = pause;
    if (pause) this.#source.pause();
    else this.#source.resume();
  }
}
