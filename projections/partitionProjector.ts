import { PartitionedTables, type PartitionedTablesOptions } from './partitionedTables.ts';
import { backOffMs, pause } from './pause.ts';
import type { Timers } from './ports.ts';
import type { Portion } from './portions.ts';
import type { Projection } from './projection.ts';

/** What partitions have not brought by then is fetched from the store. More than a publisher lets pass between two marks. */
export const PATIENCE_MS = 3_000;

export interface PartitionProjectorOptions extends PartitionedTablesOptions {
  readonly timers: Timers;
  /** Events that one transaction takes at most from partitions, when there are as many. */
  readonly pageSize: number;
}

interface Offer {
  readonly portion: Portion;
  readonly resolve: (taken: boolean) => void;
}

/**
 * Keeps one projection up with partitions. What they do not bring, or not in time, it fetches from the store: in the
 * beginning, after a failure, when a record says that something before it is missing, and when nothing comes.
 */
export class PartitionProjector {
  readonly projection: Projection;
  readonly #options: PartitionProjectorOptions;
  readonly #tables: PartitionedTables;
  readonly #began = Promise.withResolvers<undefined>();
  /** It fetches from the store and takes nothing else. */
  #behind = true;
  #fellBehind = new AbortController();
  #offers: Offer[] = [];
  /** Work on the tables, one after another. */
  #lane: Promise<unknown> = Promise.resolve();

  constructor(projection: Projection, options: PartitionProjectorOptions) {
    this.projection = projection;
    this.#options = options;
    this.#tables = new PartitionedTables(projection, options);
  }

  /** The last position up to which the effects of all partitions were seen committed, by whichever process. */
  get position(): bigint {
    return this.#tables.position;
  }

  /** Accounts that this projection passes over. */
  get parked(): number {
    return this.#tables.parked;
  }

  /** Grows as long as it is not stuck. */
  get steps(): number {
    return this.#tables.steps;
  }

  /** Resolves when it has caught up with the store for the first time, or will not. */
  get began(): Promise<unknown> {
    return this.#began.promise;
  }

  /** Whether a portion would have to be applied. */
  needs(portion: Portion): boolean {
    return !this.#behind && !this.#tables.has(portion);
  }

  /** Resolves when a portion of one partition is committed, with false when it is left to be fetched from the store. */
  take(portion: Portion): Promise<boolean> {
    if (!this.needs(portion)) return Promise.resolve(!this.#behind);
    const { promise, resolve } = Promise.withResolvers<boolean>();
    this.#offers.push({ portion, resolve });
    if (this.#offers.length === 1) void this.#alone(() => this.#takeOffers());
    return promise;
  }

  /** Leaves everything it was offered to be fetched from the store. */
  fallBehind(): void {
    this.#behind = true;
    this.#fellBehind.abort();
    for (const { resolve } of this.#offers.splice(0)) resolve(false);
  }

  /** Catches up and watches until the signal aborts, and ends after the portion in hand. Never rejects. */
  async run(): Promise<void> {
    const { signal, timers, log } = this.#options;
    let failures = 0;
    while (!signal.aborted) {
      this.#fellBehind = new AbortController();
      try {
        await this.#alone(() => this.#catchUp());
        failures = 0;
        await this.#watch();
      } catch (error) {
        log.warn({ projection: this.projection.name, error, failures }, 'a projection stopped and tries again');
      }
      this.fallBehind();
      failures += 1;
      await pause(timers, backOffMs(failures), signal);
    }
    this.#began.resolve(undefined);
    await this.#lane;
  }

  /** Applies stored events up to the head of the log. What is offered near the end of it waits and follows at once. */
  async #catchUp(): Promise<void> {
    const { store, signal } = this.#options;
    while (!signal.aborted) {
      await this.#tables.align();
      const arrived = await this.#tables.fill(await store.head(), (isNear) => (this.#behind = !isNear));
      if (!arrived || this.#behind) continue;
      this.#began.resolve(undefined);
      return;
    }
  }

  /** Resolves when it has fallen behind: by itself, or because partitions do not bring what the store has. */
  async #watch(): Promise<void> {
    const { store, timers, signal, log } = this.#options;
    const ending = AbortSignal.any([signal, this.#fellBehind.signal]);
    for (;;) {
      const head = await store.head();
      await pause(timers, PATIENCE_MS, ending);
      if (ending.aborted) return;
      await this.#alone(() => this.#tables.look());
      if (this.position >= head) continue;
      const { name } = this.projection;
      log.info({ projection: name, position: this.position, head }, 'partitions are late: the store is read instead');
      return;
    }
  }

  async #takeOffers(): Promise<void> {
    for (let offers = this.#nextOffers(); offers.length > 0; offers = this.#nextOffers()) {
      try {
        await this.#tables.bring(offers.map(({ portion }) => portion));
        for (const { resolve } of offers) resolve(true);
      } catch (error) {
        this.#options.log.warn({ projection: this.projection.name, error }, 'a projection could not follow partitions');
        for (const { resolve } of offers) resolve(false);
        this.fallBehind();
      }
    }
  }

  /** Offers of different partitions, for one transaction. */
  #nextOffers(): Offer[] {
    const partitions = new Set<number | undefined>();
    let events = 0;
    let count = 0;
    for (const { portion } of this.#offers) {
      const partition = portion.ranges[0]?.partition;
      events += portion.events.length;
      if (partitions.has(partition) || (count > 0 && events > this.#options.pageSize)) break;
      partitions.add(partition);
      count += 1;
    }
    return this.#offers.splice(0, count);
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#lane.then(work);
    this.#lane = result.catch(() => undefined);
    return result;
  }
}
