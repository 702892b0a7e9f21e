/** Waits, but not beyond the abort of the signal. Never rejects. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted || ms <= 0) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done);
  });
}

/** What the work gives, or null as soon as the signal aborts; what the work gives or throws after that is ignored. */
export async function untilAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T | null> {
  const listening = new AbortController();
  const aborted = new Promise<null>((resolve) => {
    if (signal.aborted) resolve(null);
    const onAbort = () => {
      resolve(null);
    };
    signal.addEventListener('abort', onAbort, { signal: listening.signal });
  });
  try {
    return await Promise.race([aborted, work]);
  } finally {
    listening.abort();
  }
}
