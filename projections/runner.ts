import type { DistributionLog } from '../events/distributionLog.ts';
import { aligned, type AligningParts } from './aligning.ts';
import { Arrivals } from './arrivals.ts';
import { CheckpointWatch } from './checkpointWatch.ts';
import { LiveFeed } from './liveFeed.ts';
import { PartitionGroup } from './partitionGroup.ts';
import { partitioning, WHOLE_LOG } from './partitioning.ts';
import type { Timers } from './ports.ts';
import type { Projection, SqlExecutor } from './projection.ts';
import { Projector } from './projector.ts';
import { rebuild } from './rebuild.ts';
import { greatest, least, prepareSchemas } from './schema.ts';

export { ProjectionLagging } from './arrivals.ts';

/** Short, because settling a page's holds keeps new holds of the same keys waiting until the page commits. */
const URGENT_PAGE = 500;
/** Events that one transaction takes at most, when there are as many: larger pages cost less per event. */
const PAGE = 2_000;

export interface RunnerOptions extends AligningParts {
  readonly timers: Timers;
  readonly projections: readonly Projection[];
  /** Follows the partitions of a distribution log instead of the store. */
  readonly distribution?: {
    readonly log: DistributionLog;
    /** To look at what other processes have done. */
    readonly sql: SqlExecutor;
  };
}

export interface ProjectionStatus {
  readonly name: string;
  /** The last position whose effects are committed, as last seen. */
  readonly position: bigint;
  /** Accounts that it passes over. */
  readonly parked: number;
}

type Following = Pick<Projector, 'projection' | 'position' | 'parked'>;

/** Keeps read models up with the log. Several runners may work on the same tables; each page is applied once. */
export class ProjectionRunner {
  readonly #options: RunnerOptions;
  readonly #stopping = new AbortController();
  readonly #arrivals: Arrivals;
  readonly #watch: CheckpointWatch | null;
  #projectors: readonly Following[] = [];
  #running: Promise<unknown> = Promise.resolve();

  constructor(options: RunnerOptions) {
    const { timers, distribution } = options;
    const names = options.projections.map(({ name }) => name);
    this.#options = options;
    this.#arrivals = new Arrivals(timers, names, (name) => this.#positionOf(name));
    this.#watch = distribution ? new CheckpointWatch({ sql: distribution.sql, timers, projections: names }) : null;
  }

  /**
   * Makes missing tables, rebuilds those of an older version, then keeps all up in the background. Throws NewerSchema
   * or StoreUnavailable when it cannot begin.
   */
  async start(): Promise<void> {
    const { projections, transactions } = this.#options;
    for (const outdated of await prepareSchemas(transactions, projections)) {
      await rebuild(this.#options, outdated, { swap: 'always', compare: false });
    }
    const urgent = projections.filter((projection) => projection.urgent);
    const others = projections.filter((projection) => !projection.urgent);
    if (urgent.length > 0) await this.#follow('urgent', urgent, URGENT_PAGE);
    if (others.length > 0) await this.#follow('others', others, PAGE);
  }

  /** Projections that read the log together. */
  async #follow(group: string, projections: readonly Projection[], pageSize: number): Promise<void> {
    const { distribution } = this.#options;
    const { projectors, running } = distribution
      ? this.#followPartitions(`projections-${group}`, projections, pageSize, distribution)
      : await this.#followStore(projections, pageSize);
    this.#projectors = [...this.#projectors, ...projectors];
    this.#running = Promise.all([this.#running, running]);
  }

  #followPartitions(
    group: string,
    projections: readonly Projection[],
    pageSize: number,
    { log: distribution }: NonNullable<RunnerOptions['distribution']>,
  ) {
    const { store, transactions, timers, log } = this.#options;
    const { partitionOf } = partitioning(distribution.partitions, this.#options.partitionOf);
    const parts = { store, transactions, timers, log, distribution, partitionOf, signal: this.#stopping.signal };
    const following = new PartitionGroup(projections, { ...parts, group, pageSize });
    return { projectors: following.projectors, running: following.run() };
  }

  /** They share a feed, which begins where the furthest of them stands. */
  async #followStore(projections: readonly Projection[], pageSize: number) {
    const { store, timers, log } = this.#options;
    const { signal } = this.#stopping;
    const checkpoints = await Promise.all(
      projections.map((projection) => aligned(this.#options, projection, WHOLE_LOG.partitions)),
    );
    const after = greatest(checkpoints.map(least));
    const types = new Set(projections.flatMap((projection) => [...(projection.types ?? [])]));
    const feed = new LiveFeed({ store, timers, log, after, pageSize, types, signal });
    const parts = { ...this.#options, feed, signal, advanced: () => this.#arrivals.look() };
    const projectors = projections.map((projection) => new Projector(projection, parts));
    return { projectors, running: Promise.all([feed.run(), ...projectors.map((projector) => projector.run())]) };
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
  async caughtUp(position: bigint, names?: readonly string[], timeoutMs?: number): Promise<void> {
    if (this.#watch) await this.#watch.caughtUp(position, names, timeoutMs);
    else await this.#arrivals.wait(position, names, timeoutMs);
  }

  #positionOf(name: string): bigint | null {
    return this.#projectors.find(({ projection }) => projection.name === name)?.position ?? null;
  }
}
