import { Arrivals } from './arrivals.ts';
import { pause } from './pause.ts';
import type { Timers } from './ports.ts';
import type { SqlExecutor } from './projection.ts';

const LOOK_EVERY_MS = 20;

export interface CheckpointWatchOptions {
  readonly sql: SqlExecutor;
  readonly timers: Timers;
  /** Names of the projections. */
  readonly projections: readonly string[];
}

/**
 * Waits for projections that other processes keep up, by looking at their checkpoints: one statement each 20 ms while
 * anybody waits, however many wait.
 */
export class CheckpointWatch {
  readonly #options: CheckpointWatchOptions;
  readonly #arrivals: Arrivals;
  #positions: ReadonlyMap<string, bigint> = new Map();
  /** Why the last look failed; undefined when it did not. */
  #trouble: unknown;
  #looking = false;

  constructor(options: CheckpointWatchOptions) {
    this.#options = options;
    this.#arrivals = new Arrivals(
      options.timers,
      options.projections,
      (name) => this.#positions.get(name) ?? null,
      () => this.#trouble,
    );
  }

  /**
   * As ProjectionRunner.caughtUp. While the database or a projection's schema is not there it goes on looking. Throws
   * ProjectionLagging after `timeoutMs`, whose cause is what kept it from looking.
   */
  async caughtUp(position: bigint, names?: readonly string[], timeoutMs?: number): Promise<void> {
    const arrival = this.#arrivals.wait(position, names, timeoutMs);
    if (!this.#looking) void this.#look();
    await arrival;
  }

  async #look(): Promise<void> {
    this.#looking = true;
    const { signal } = new AbortController();
    while (this.#arrivals.awaited) {
      this.#positions = (await this.#read()) ?? this.#positions;
      this.#arrivals.look();
      await pause(this.#options.timers, LOOK_EVERY_MS, signal);
    }
    this.#looking = false;
  }

  /** Null when they cannot be read now. */
  async #read(): Promise<ReadonlyMap<string, bigint> | null> {
    const { sql, projections } = this.#options;
    const each = projections.map(
      (name) => `SELECT '${name}' AS name, min(position) AS position FROM ${name}.checkpoint`,
    );
    try {
      const { rows } = await sql.query<{ name: string; position: string }>(each.join(' UNION ALL '));
      this.#trouble = undefined;
      return new Map(rows.map(({ name, position }) => [name, BigInt(position)]));
    } catch (error) {
      this.#trouble = error;
      return null;
    }
  }
}
