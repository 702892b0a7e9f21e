import type { Timers } from './ports.ts';

/** Resolves after a while, or at once when the signal aborts. */
export function pause(timers: Timers, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) {
      resolve();
      return;
    }
    const end = () => {
      cancel();
      signal.removeEventListener('abort', end);
      resolve();
    };
    const cancel = timers.after(delayMs, end);
    signal.addEventListener('abort', end);
  });
}

const FIRST_DELAY_MS = 50;
/** A database that has come back is found within this time. */
const LONGEST_DELAY_MS = 2_000;

/** How long to wait before trying again after so many failures in a row: 50 ms, doubled each time, at most 2 s. */
export function backOffMs(failures: number): number {
  return Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(failures - 1, 10));
}
