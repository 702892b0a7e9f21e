import type { Log } from '../../services/runtime.ts';

const AGAIN_AFTER_MS = 60_000;
const MOST_KNOWN = 1_000;

/** A log that says the same warning once a minute at most: a client that cannot connect repeats itself many times a second. */
export function sparingLog(log: Log): Log {
  const saidAt = new Map<string, number>();
  return {
    info: (fields, message) => log.info(fields, message),
    error: (fields, message) => log.error(fields, message),
    warn(fields, message) {
      const now = performance.now();
      if (now - (saidAt.get(message) ?? -Infinity) < AGAIN_AFTER_MS) return;
      if (saidAt.size >= MOST_KNOWN) saidAt.clear();
      saidAt.set(message, now);
      log.warn(fields, message);
    },
  };
}
