import { StoreUnavailable, type EventStore } from '../../../events/eventStore.ts';
import { requestStream } from '../../../events/ids.ts';
import type { Runtime } from '../../runtime.ts';
import type { OrphanedHold, OrphanedHolds } from './ports.ts';
import { reap } from './reap.ts';

export interface ReaperOptions {
  readonly holds: OrphanedHolds;
  readonly store: EventStore;
  readonly runtime: Runtime;
  /** Silence after which a relay counts as lost, milliseconds; 30 s by default. */
  readonly leaseMs?: number;
  /** From the end of one round to the next, milliseconds; 5 s by default. */
  readonly intervalMs?: number;
  /** Holds looked at in one round; 100 by default. */
  readonly batch?: number;
  /** Whether something for this stream waits in the local journal: then the reaper keeps off. */
  readonly waitsInJournal?: (stream: string) => boolean;
}

/** What the rounds did, added up. */
export interface ReaperCounts {
  readonly rounds: number;
  readonly failedRounds: number;
  /** Holds settled by the reaper. */
  readonly reaped: number;
  /** Holds whose usage had been counted and that were still there. */
  readonly ended: number;
  readonly lostOwners: number;
  /** Holds whose stream is not theirs. Each is an alarm. */
  readonly foreign: number;
}

const CLAIM_AGE_MS = 24 * 60 * 60 * 1_000;
const LONGEST_STREAM = 100;
const MAX_CONFLICTS = 5;

/**
 * Settles each orphaned hold exactly once, however many reapers there are: the revision of the stream decides.
 *
 * Whether a relay is lost is judged by its silence, and an outage of the database silences all of them. So, after a
 * start, after a round that failed and after a pause of its own process, the reaper first waits as long as a lease.
 */
export class Reaper {
  readonly #options: Required<ReaperOptions>;
  readonly #counts = { rounds: 0, failedRounds: 0, reaped: 0, ended: 0, lostOwners: 0, foreign: 0 };
  #after: string | null = null;
  #quietUntil = 0;
  #lastRoundAt: number;
  #cancel: (() => void) | null = null;
  #running: Promise<void> | null = null;
  #stopped = false;

  constructor(options: ReaperOptions) {
    this.#options = { leaseMs: 30_000, intervalMs: 5_000, batch: 100, waitsInJournal: () => false, ...options };
    this.#lastRoundAt = options.runtime.clock.monotonic();
    this.#quietUntil = this.#lastRoundAt + this.#options.leaseMs;
  }

  get counts(): ReaperCounts {
    return { ...this.#counts };
  }

  /** Begins to run a round every `intervalMs`. */
  start(): void {
    this.#schedule(this.#options.intervalMs);
  }

  /** Ends after the round that is running, if one is. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    await this.#running;
  }

  /**
   * One round: at most `batch` holds, going on where the last round ended. Returns whether there are more. Never
   * rejects: a failure is logged and counted, and the next round tries again.
   */
  async round(): Promise<boolean> {
    const { clock, log } = this.#options.runtime;
    const startedAt = clock.monotonic();
    this.#counts.rounds += 1;
    if (startedAt - this.#lastRoundAt > this.#options.intervalMs + this.#options.leaseMs / 2)
      this.#keepQuiet(startedAt);
    try {
      return startedAt >= this.#quietUntil && (await this.#work());
    } catch (error) {
      this.#counts.failedRounds += 1;
      this.#keepQuiet(clock.monotonic());
      log.warn({ err: error }, 'overdue holds could not be looked at; the next round tries again');
      return false;
    } finally {
      this.#lastRoundAt = clock.monotonic();
    }
  }

  #keepQuiet(from: number): void {
    this.#quietUntil = from + this.#options.leaseMs;
  }

  #schedule(delayMs: number): void {
    if (this.#stopped) return;
    this.#cancel = this.#options.runtime.timers.after(delayMs, () => {
      this.#running = this.round().then((more) => {
        this.#running = null;
        this.#schedule(more ? 0 : this.#options.intervalMs);
      });
    });
  }

  async #work(): Promise<boolean> {
    const { holds, runtime, leaseMs, batch } = this.#options;
    this.#counts.lostOwners += await holds.forgetLostOwners(leaseMs);
    const orphans = await holds.find({ now: runtime.clock.now(), after: this.#after, limit: batch });
    for (const orphan of orphans) await this.#settleOrAlarm(orphan);
    const more = orphans.length === batch;
    this.#after = more ? (orphans.at(-1)?.requestId ?? null) : null;
    if (!more) await holds.forgetClaims(CLAIM_AGE_MS);
    return more;
  }

  /** What is wrong with one hold must not keep the others from being settled. */
  async #settleOrAlarm(orphan: OrphanedHold): Promise<void> {
    try {
      await this.#settle(orphan);
    } catch (error) {
      if (error instanceof StoreUnavailable) throw error;
      this.#alarm(orphan, error);
    }
  }

  async #settle(orphan: OrphanedHold): Promise<void> {
    const { holds, store, runtime, waitsInJournal } = this.#options;
    const stream = requestStream(orphan.requestId);
    for (let conflicts = 0; conflicts <= MAX_CONFLICTS; conflicts += 1) {
      if (waitsInJournal(stream)) return;
      const events = await store.readStream(stream, { direction: 'forwards', limit: LONGEST_STREAM });
      const decision = reap(orphan, events, runtime.clock.now());
      if (decision.kind === 'foreign') {
        this.#alarm(orphan, new Error(decision.why));
        return;
      }
      if (decision.kind === 'settled') {
        if (await holds.endCounted(orphan.requestId, decision.accountId, decision.position)) this.#counts.ended += 1;
        return;
      }
      const { outcome } = await store.append(decision.append);
      if (outcome === 'appended') {
        this.#counts.reaped += 1;
        runtime.log.warn({ requestId: orphan.requestId, cause: orphan.cause }, 'an orphaned hold was settled, waived');
        return;
      }
      // Somebody else was faster: the relay after all, or another reaper, whose ids are ours and whose times are not.
    }
    this.#alarm(orphan, new Error('every append met a conflict'));
  }

  #alarm(orphan: OrphanedHold, why: unknown): void {
    this.#counts.foreign += 1;
    this.#options.runtime.log.error({ requestId: orphan.requestId, err: why }, 'a hold cannot be settled');
  }
}
