import { randomBytes } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import type { Log, Runtime } from '../services/runtime.ts';

/** The real clock, timers, random source and ids. */
export function systemRuntime(log: Log): Runtime {
  return {
    log,
    clock: { now: () => Date.now(), monotonic: () => performance.now() },
    ids: { uuid: () => uuidv7() },
    random: { bytes: (length) => randomBytes(length), fraction: () => Math.random() },
    timers: {
      after(delayMs, action) {
        const timer = setTimeout(action, delayMs);
        return () => clearTimeout(timer);
      },
    },
  };
}
