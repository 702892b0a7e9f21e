import type { Core } from './core.ts';

const EXPIRY_EVERY_MS = 60_000;

/** Records expiries; keys are refused from their expiry on without it. */
export function expireKeysNowAndThen({ runtime }: Core, expire: (now: number) => Promise<number>): () => Promise<void> {
  let cancel: () => void = () => undefined;
  let running: Promise<unknown> = Promise.resolve();
  const round = (): void => {
    running = expire(runtime.clock.now())
      .catch((error: unknown) => runtime.log.warn({ error }, 'expired keys could not be recorded; trying again'))
      .finally(() => (cancel = runtime.timers.after(EXPIRY_EVERY_MS, round)));
  };
  cancel = runtime.timers.after(EXPIRY_EVERY_MS, round);
  return async () => {
    cancel();
    await running;
    cancel();
  };
}
