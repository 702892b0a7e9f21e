import { StoreUnavailable } from '../../events/eventStore.ts';
import type { HoldDecision, HoldLedger, HoldRequest } from '../../services/relay/ports.ts';
import type { Runtime } from '../../services/runtime.ts';
import { GroupCommit } from './groupCommit.ts';
import { assertHold, takeDecisions, takeStatement, type TakeRow } from './holdBatch.ts';
import { HoldSession } from './holdSession.ts';
import { HoldSlots } from './holdSlots.ts';

export interface PostgresHoldLedgerOptions {
  readonly connectionString: string;
  readonly runtime: Runtime;
  /** This process: the owner of its holds. A uuid of its own for each start. */
  readonly owner: string;
  /** Bounds each batch, milliseconds; 1 s by default. A caller waits for at most one batch before its own. */
  readonly timeoutMs?: number;
  /** Calls that may wait for the next batch; more are refused with StoreUnavailable. */
  readonly maxWaiting?: number;
  /** How often the owner gives a sign of life when it takes no holds, milliseconds; 1 s by default. */
  readonly heartbeatMs?: number;
  /** How long a freed slot waits for a batch to go with, milliseconds; 20 by default. */
  readonly flushMs?: number;
}

const MAX_BATCH = 500;
/** The queue's own limit; `timeoutMs` is kept here, where what is in flight is known to end. */
const QUEUE_TIMEOUT_MS = 60_000;
/** Forgetting is best effort; what was not forgotten expires with its claim. */
const MAX_FORGOTTEN = 10_000;

/** A hold to take; or nothing, which takes freed slots and the sign of life with it. */
type Item = { readonly hold: HoldRequest; readonly since: number } | null;

/**
 * Holds in Postgres. Waiting calls share one transaction on a connection of its own; each has its own decision. A take
 * that fails with StoreUnavailable holds nothing: `HoldSession` sees to that, however it failed.
 */
export class PostgresHoldLedger implements HoldLedger {
  readonly #options: Required<PostgresHoldLedgerOptions>;
  readonly #session: HoldSession;
  readonly #queue: GroupCommit<Item, HoldDecision | null>;
  readonly #slots = new HoldSlots();
  readonly #forgotten = new Set<string>();
  #cancelHeartbeat: () => void = () => undefined;
  #cancelFlush: (() => void) | null = null;

  /** Throws StoreUnavailable when the database cannot be reached. */
  static async open(options: PostgresHoldLedgerOptions): Promise<PostgresHoldLedger> {
    const ledger = new PostgresHoldLedger(options);
    await ledger.#session.open();
    ledger.#beat();
    return ledger;
  }

  private constructor(options: PostgresHoldLedgerOptions) {
    this.#options = { timeoutMs: 1_000, maxWaiting: 10_000, heartbeatMs: 1_000, flushMs: 20, ...options };
    const { connectionString, runtime, owner, timeoutMs, maxWaiting } = this.#options;
    this.#session = new HoldSession({
      ...{ connectionString, runtime, owner, timeoutMs },
      busySlots: () => this.#slots.state(),
    });
    this.#queue = new GroupCommit({
      maxWaiting,
      maxBatch: MAX_BATCH,
      timeoutMs: QUEUE_TIMEOUT_MS,
      commit: (batch) => this.#commit(batch),
    });
  }

  /** Whether holds can be taken just now. */
  get connected(): boolean {
    return this.#session.id !== null;
  }

  /** Calls that wait for the next batch. */
  get waiting(): number {
    return this.#queue.waiting;
  }

  /** Calls of this process that hold a concurrency slot. */
  get openSlots(): number {
    return this.#slots.size;
  }

  async take(hold: HoldRequest): Promise<HoldDecision> {
    assertHold(hold);
    const decision = await this.#queue.submit({ hold, since: this.#options.runtime.clock.monotonic() });
    if (!decision) throw new StoreUnavailable('the hold waited too long for its batch');
    return decision;
  }

  freeSlot(requestId: string): void {
    this.#slots.free(requestId);
    if (this.#slots.anyFreed) this.#flushSoon();
  }

  forgetIdempotency(requestId: string): void {
    if (this.#forgotten.size >= MAX_FORGOTTEN) return;
    this.#forgotten.add(requestId);
    this.#flushSoon();
  }

  /** Waits for what is under way. Holds stay; the lease of the owner ends by itself. */
  async close(): Promise<void> {
    this.#cancelHeartbeat();
    this.#cancelFlush?.();
    await this.#touch();
    await this.#queue.close();
    await this.#session.close();
  }

  async #commit(batch: readonly Item[]): Promise<readonly (HoldDecision | null)[]> {
    const session = this.#session.id;
    if (session === null) throw new StoreUnavailable('the hold ledger has no connection');
    const { owner, runtime, timeoutMs } = this.#options;
    const tooOld = runtime.clock.monotonic() - timeoutMs;
    const taken = batch.map((item) => (item && item.since >= tooOld ? item.hold : null));
    const holds = taken.filter((hold) => hold !== null);
    const forgotten = [...this.#forgotten];
    const decisions = await this.#session.run(
      takeStatement({ owner, session, freed: this.#slots.takeFreed(), forgotten, holds }),
      holds.map((hold) => hold.requestId),
      (row: TakeRow) => takeDecisions(holds.length, row),
    );
    for (const requestId of forgotten) this.#forgotten.delete(requestId);
    holds.forEach((hold, index) => {
      if (decisions[index]?.granted) this.#slots.opened(hold.requestId, hold.keyId, hold.deadline);
    });
    const next = decisions.values();
    return taken.map((hold) => (hold ? (next.next().value ?? null) : null));
  }

  /** A batch without holds takes along what waits. A failure ends the session, which logs it and states all slots anew. */
  #touch(): Promise<void> {
    const done = () => undefined;
    return this.#queue.submit(null).then(done, done);
  }

  #beat(): void {
    const { runtime, heartbeatMs } = this.#options;
    this.#cancelHeartbeat = runtime.timers.after(heartbeatMs, () => {
      this.#slots.freeOverdue(runtime.clock.now());
      this.#beat();
      void this.#touch();
    });
  }

  #flushSoon(): void {
    const { runtime, flushMs } = this.#options;
    this.#cancelFlush ??= runtime.timers.after(flushMs, () => {
      this.#cancelFlush = null;
      if (this.#slots.anyFreed || this.#forgotten.size > 0) void this.#touch();
    });
  }
}
