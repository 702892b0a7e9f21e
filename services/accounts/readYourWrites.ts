import type { Log } from '../runtime.ts';
import type { CaughtUp } from './ports.ts';

/**
 * Waits until the writer can read what stands at `position` (null: nothing was written). A wait that fails is logged
 * only: the write itself stands, and its answer may hold a secret that cannot be shown again.
 */
export async function readYourWrites(caughtUp: CaughtUp, position: bigint | null, log: Log): Promise<void> {
  if (position === null) return;
  try {
    await caughtUp(position);
  } catch (error) {
    log.warn({ error, position: position.toString() }, 'read models lag behind a write');
  }
}
