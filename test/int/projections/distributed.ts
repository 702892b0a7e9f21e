import type { EventStore } from '../../../events/eventStore.ts';
import { accountIdIn } from '../../../events/envelopeIn.ts';
import { MemoryEventStore } from '../../../infra/memory/eventStore.ts';
import { systemRuntime } from '../../../infra/runtime.ts';
import { PROJECTIONS } from '../../../projections/catalogue.ts';
import { ParkingQueries, type ParkedAccount } from '../../../projections/parking.ts';
import { PATIENCE_MS } from '../../../projections/partitionProjector.ts';
import { backOffMs } from '../../../projections/pause.ts';
import type { Timers } from '../../../projections/ports.ts';
import type { Projection } from '../../../projections/projection.ts';
import { ProjectionRunner, type RunnerOptions } from '../../../projections/runner.ts';
import { continueChain, publishEvents, publishMarks, type Chain } from '../../../services/publisher/chain.ts';
import { answeredCall, appendAll } from '../../support/events.ts';
import { testPartitionOf, type FaultyDistribution } from '../../support/faultyDistribution.ts';
import { silentLog } from '../../support/log.ts';
import { Stage } from './stage.ts';

export const LONG_MS = 50_000;
const PAGE = 100;

/** Publishes a store's events into a distribution log, as often as it is told to and from where it is told to. */
export class TestPublisher {
  readonly #store: EventStore;
  readonly #log: FaultyDistribution;
  #chain: Chain;

  constructor(store: EventStore, log: FaultyDistribution) {
    this.#store = store;
    this.#log = log;
    this.#chain = this.#beginning();
  }

  /** Everything that is new, and then marks. */
  async publish(): Promise<void> {
    const head = await this.#store.head();
    const partitionOf = ({ data }: { data: string }) => this.#log.partitionOf(accountIdIn(data));
    while (this.#chain.position < head) {
      const page = await this.#store.readAll({ after: this.#chain.position, limit: PAGE });
      const published = publishEvents(this.#chain, page.events, page.position, partitionOf);
      await this.#log.publish(published.batches);
      this.#chain = published.chain;
    }
    const marked = publishMarks(this.#chain);
    await this.#log.publish(marked.batches);
    this.#chain = marked.chain;
  }

  /** The next time everything is published once more, as after the loss of a checkpoint. */
  startAgain(): void {
    this.#chain = this.#beginning();
  }

  #beginning(): Chain {
    return continueChain({ position: 0n, lastPositions: Array.from({ length: this.#log.partitions }, () => 0n) });
  }
}

const BACK_OFFS = new Set([1, 2, 3, 4, 5, 6, 7].map(backOffMs));
const SHORT_MS = 2;

/**
 * Real time, except that nobody backs off for long, and for how long a projection waits for partitions before it asks the
 * store: never, unless told.
 */
export function testTimers(patienceMs: number | null = null): Timers {
  const { timers } = systemRuntime(silentLog);
  return {
    after(delayMs, action) {
      if (delayMs === PATIENCE_MS) return patienceMs === null ? () => undefined : timers.after(patienceMs, action);
      return timers.after(BACK_OFFS.has(delayMs) ? SHORT_MS : delayMs, action);
    },
  };
}

/** Everything that projections made of a log: every byte of every table, and who is parked. */
export interface Outcome {
  readonly tables: Readonly<Record<string, Record<string, readonly string[]>>>;
  readonly parked: readonly ParkedAccount[];
}

/** A store, a database, and runners of any kind. */
export class Distributed {
  readonly stage: Stage;
  readonly store: MemoryEventStore;
  readonly #runners: ProjectionRunner[] = [];

  static async open(store = new MemoryEventStore()): Promise<Distributed> {
    return new Distributed(await Stage.open(), store);
  }

  private constructor(stage: Stage, store: MemoryEventStore) {
    this.stage = stage;
    this.store = store;
  }

  async close(): Promise<void> {
    await Promise.all(this.#runners.map((runner) => runner.stop()));
    await this.stage.close();
  }

  /** A runner that follows the store. */
  follow(options: Partial<RunnerOptions> = {}): Promise<ProjectionRunner> {
    return this.#start({ partitionOf: testPartitionOf, ...options });
  }

  /** A runner that follows the partitions. */
  followPartitions(log: FaultyDistribution, options: Partial<RunnerOptions> = {}): Promise<ProjectionRunner> {
    return this.follow({ distribution: { log, sql: this.stage.sql }, ...options });
  }

  /**
   * A runner that follows the partitions and has caught up with the store already, up to an event that is appended here:
   * what is appended from now on comes from the partitions.
   */
  async goOnWithPartitions(log: FaultyDistribution, options: Partial<RunnerOptions> = {}) {
    const publisher = new TestPublisher(this.store, log);
    const runner = await this.followPartitions(log, options);
    const position = await appendAll(this.store, answeredCall(`before partitions ${String(log.partitions)}`));
    await publisher.publish();
    await runner.caughtUp(position, undefined, LONG_MS);
    return { runner, publisher, position };
  }

  async #start(options: Partial<RunnerOptions>): Promise<ProjectionRunner> {
    const runner = new ProjectionRunner({
      store: this.store,
      transactions: this.stage.transactions,
      timers: testTimers(),
      log: silentLog,
      projections: PROJECTIONS,
      ...options,
    });
    this.#runners.push(runner);
    await runner.start();
    return runner;
  }

  async outcome(): Promise<Outcome> {
    const tables: Record<string, Record<string, readonly string[]>> = {};
    for (const projection of PROJECTIONS) tables[projection.name] = await this.stage.bytesOf(projection);
    return { tables, parked: await new ParkingQueries(this.stage.sql).list() };
  }

  /** By partition. */
  async checkpoints({ name }: Projection): Promise<readonly bigint[]> {
    const { rows } = await this.stage.sql.query<{ position: string }>(
      `SELECT position FROM ${name}.checkpoint ORDER BY partition`,
    );
    return rows.map(({ position }) => BigInt(position));
  }
}

/** What the same log comes to when it is projected from the store, by itself. */
export async function outcomeFromStore(store: MemoryEventStore): Promise<Outcome> {
  const alone = await Distributed.open(store);
  try {
    const runner = await alone.follow();
    await runner.caughtUp(await store.head(), undefined, LONG_MS);
    return await alone.outcome();
  } finally {
    await alone.close();
  }
}
