import type { EventStore } from '../../events/eventStore.ts';
import type { Answers, AuditReport } from '../cli/ports.ts';
import type { Runtime } from '../runtime.ts';
import { Unmet } from './expectation.ts';

/** A running service, and the inside of it that the demonstration looks at once the calls are made. */
export interface World {
  readonly baseUrl: string;
  readonly dataDirectory: string;
  readonly store: EventStore;
  readonly runtime: Pick<Runtime, 'clock' | 'timers'>;
  readonly fetch: typeof globalThis.fetch;
  readonly answers: Answers;
  /** Asks the queue, whose worker closes the period. */
  requestClose(accountId: string, period: string): Promise<string>;
  verifyAudit(): Promise<AuditReport>;
  /** Resolves when the answers know everything that is in the log now. */
  caughtUp(): Promise<void>;
  readonly print: (line: string) => void;
}

const DEADLINE_MS = 15_000;
const PAUSE_MS = 20;

/** Asks until there is an answer other than null. Throws Unmet after 15 s. */
export async function until<T>(
  { clock, timers }: World['runtime'],
  what: string,
  ask: () => Promise<T | null>,
): Promise<T> {
  const deadline = clock.monotonic() + DEADLINE_MS;
  for (;;) {
    const answer = await ask();
    if (answer !== null) return answer;
    if (clock.monotonic() > deadline) throw new Unmet(what, `within ${String(DEADLINE_MS)} ms`, 'not yet');
    await new Promise<void>((resolve) => void timers.after(PAUSE_MS, resolve));
  }
}
