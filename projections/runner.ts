import type { EventStore } from '../events/eventStore.ts';
import { LiveFeed } from './liveFeed.ts';
import type { Log, Timers, TransactionRunner } from './ports.ts';
import type { Projection } from './projection.ts';
import { Projector } from './projector.ts';
import { rebuild } from './rebuild.ts';
import { checkpointOf, prepareSchemas } from './schema.ts';

/** Short, because settling a page's holds keeps new holds of the same keys waiting until the page commits. */
const URGENT_PAGE = 500;
/** Events that one transaction takes at most, when there are as many: larger pages cost less per event. */
const PAGE = 2_000;
const CAUGHT_UP_TIMEOUT_MS = 5_000;

export interface RunnerOptions {
  readonly store: EventStore;
  readonly transactions: TransactionRunner;
  readonly timers: Timers;
  readonly log: Log;
  readonly projections: readonly Projection[];
}

export interface ProjectionStatus {
  readonly name: string;
  /** The last position whose effects are committed. */
  readonly position: bigint;
  /** Accounts that it passes over. */
  readonly parked: number;
}

/** A projection did not reach a position in time; it may still do so. */
export class ProjectionLagging extends Error {
  override readonly name = 'ProjectionLagging';
}

interface Group {
  readonly feed: LiveFeed;
  readonly projectors: readonly Projector[];
}

interface Waiter {
  readonly arrived: () => boolean;
  readonly resolve: () => void;
}

/** Keeps read models up with the log. Several runners may work on the same tables; each page is applied once. */
export class ProjectionRunner {
  readonly #options: RunnerOptions;
  readonly #stopping = new AbortController();
  #projectors: readonly Projector[] = [];
  #running: Promise<unknown> = Promise.resolve();
  #waiters: readonly Waiter[] = [];

  constructor(options: RunnerOptions) {
    this.#options = options;
  }

  /**
   * Makes missing tables, rebuilds those of an older version, then keeps all up in the background. Throws NewerSchema
   * or StoreUnavailable when it cannot begin.
   */
  async start(): Promise<void> {
    const { projections, transactions, store, log } = this.#options;
    for (const outdated of await prepareSchemas(transactions, projections)) {
      await rebuild({ store, transactions, log }, outdated, { swap: 'always', compare: false });
    }
    const urgent = projections.filter((projection) => projection.urgent);
    const others = projections.filter((projection) => !projection.urgent);
    const groups: Group[] = [];
    if (urgent.length > 0) groups.push(await this.#group(urgent, URGENT_PAGE));
    if (others.length > 0) groups.push(await this.#group(others, PAGE));
    this.#projectors = groups.flatMap(({ projectors }) => projectors);
    this.#running = Promise.all(
      groups.flatMap(({ feed, projectors }) => [feed.run(), ...projectors.map((p) => p.run())]),
    );
  }

  /** Projectors that share a feed, which begins where the furthest of them stands. */
  async #group(projections: readonly Projection[], pageSize: number): Promise<Group> {
    const { store, transactions, timers, log } = this.#options;
    const { signal } = this.#stopping;
    const positions = await Promise.all(
      projections.map(({ name }) => transactions.transaction({ schema: name, lock: name }, checkpointOf)),
    );
    const after = positions.reduce((furthest, position) => (position > furthest ? position : furthest), 0n);
    const types = new Set(projections.flatMap((projection) => [...(projection.types ?? [])]));
    const feed = new LiveFeed({ store, timers, log, after, pageSize, types, signal });
    const parts = { store, transactions, timers, log, feed, signal, advanced: () => this.#wake() };
    return { feed, projectors: projections.map((projection) => new Projector(projection, parts)) };
  }

  /** Finishes the pages in hand, then resolves. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
  }

  status(): readonly ProjectionStatus[] {
    return this.#projectors.map(({ projection, position, parked }) => ({ name: projection.name, position, parked }));
  }

  /**
   * Resolves when the named projections, or all, have committed everything up to a position. Events of parked accounts
   * count as done. Throws ProjectionLagging after `timeoutMs`.
   */
  async caughtUp(position: bigint, names?: readonly string[], timeoutMs = CAUGHT_UP_TIMEOUT_MS): Promise<void> {
    const awaited = this.#named(names);
    const behind = () => awaited.filter((projector) => projector.position < position);
    if (behind().length === 0) return;
    const { promise, resolve, reject } = Promise.withResolvers<undefined>();
    const cancel = this.#options.timers.after(timeoutMs, () => {
      const late = behind().map(({ projection, position: reached }) => `${projection.name} at ${String(reached)}`);
      reject(new ProjectionLagging(`not at position ${String(position)} in time: ${late.join(', ')}`));
    });
    const waiter = { arrived: () => behind().length === 0, resolve: () => resolve(undefined) };
    this.#waiters = [...this.#waiters, waiter];
    try {
      await promise;
    } finally {
      cancel();
      this.#waiters = this.#waiters.filter((other) => other !== waiter);
    }
  }

  #named(names: readonly string[] | undefined): readonly Projector[] {
    if (!names) return this.#projectors;
    const known = this.#projectors.filter(({ projection }) => names.includes(projection.name));
    if (known.length < names.length) throw new Error(`not all of these are running projections: ${names.join(', ')}`);
    return known;
  }

  #wake(): void {
    for (const waiter of this.#waiters) {
      if (waiter.arrived()) waiter.resolve();
    }
  }
}
