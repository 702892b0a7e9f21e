import { randomBytes, randomFillSync } from 'node:crypto';
import { v7 as uuidv7 } from 'uuid';
import type { Log, Runtime } from '../services/runtime.ts';

/** The real clock, timers, random source and ids. */
export function systemRuntime(log: Log): Runtime {
  return {
    log,
    clock: { now: () => Date.now(), monotonic: () => performance.now() },
    ids: { uuid: () => uuidv7({ rng: pooledRandom }) },
    random: { bytes: (length) => randomBytes(length), fraction: () => Math.random() },
    timers: {
      after(delayMs, action) {
        const timer = setTimeout(action, delayMs);
        return () => clearTimeout(timer);
      },
    },
  };
}

const UUID_BYTES = 16;
const pool = Buffer.alloc(256 * UUID_BYTES);
let used = pool.length;

/** Each call gets bytes that no other call gets; asking the system once for 256 ids costs little more than for one. */
function pooledRandom(): Uint8Array {
  if (used === pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  used += UUID_BYTES;
  return pool.subarray(used - UUID_BYTES, used);
}
