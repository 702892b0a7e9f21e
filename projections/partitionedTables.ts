import { aligned, CATCH_UP_PAGE, standing, type AligningParts } from './aligning.ts';
import { applyPage, type Target } from './applyPage.ts';
import { partitioning, type PartitionOf } from './partitioning.ts';
import { merged, readPortions, type Portion } from './portions.ts';
import type { Projection } from './projection.ts';
import { greatest, least, type Checkpoints } from './schema.ts';

export interface PartitionedTablesOptions extends AligningParts {
  readonly partitions: number;
  readonly partitionOf: PartitionOf;
  readonly signal: AbortSignal;
}

/**
 * One projection's tables while they follow partitions: applies what is brought, and before it, from the store, what is
 * missing. One call at a time. Other processes may work on the same tables.
 */
export class PartitionedTables {
  readonly #options: PartitionedTablesOptions;
  readonly #target: Target;
  /** Where the tables were last seen to stand; they may have come further. */
  #seen: Checkpoints = [0n];
  #parked = 0;
  #steps = 0;

  constructor(projection: Projection, options: PartitionedTablesOptions) {
    this.#options = options;
    const divided = partitioning(options.partitions, options.partitionOf);
    this.#target = { projection, schema: projection.name, live: true, partitioning: divided };
  }

  /** The last position up to which the effects of all partitions were seen committed, by whichever process. */
  get position(): bigint {
    return least(this.#seen);
  }

  /** Accounts that the projection passes over. */
  get parked(): number {
    return this.#parked;
  }

  /** Grows with every portion that was tried. */
  get steps(): number {
    return this.#steps;
  }

  /** Whether a portion was seen committed. */
  has({ ranges }: Portion): boolean {
    return ranges.every(({ partition, position }) => position <= this.#at(partition));
  }

  /** Looks where the tables stand, and first makes them follow these partitions if they follow others. */
  async align(): Promise<void> {
    this.#seen = await aligned(this.#options, this.#target.projection, this.#options.partitions);
  }

  /** Looks where the tables stand. Throws when somebody made them follow other partitions. */
  async look(): Promise<void> {
    const seen = await standing(this.#options, this.#target.projection);
    if (seen.length !== this.#options.partitions) throw new Error('somebody made the tables follow other partitions');
    this.#seen = seen;
  }

  /**
   * Applies stored events of all partitions up to a position; `near` is told before the first page when that page is the
   * last. Returns false when somebody else did so meanwhile, in part.
   */
  async fill(upTo: bigint, near: (isNear: boolean) => void = () => undefined): Promise<boolean> {
    const { store, signal } = this.#options;
    const { projection, partitioning: divided } = this.#target;
    const from = this.#seen;
    const range = { projection, partitioning: divided, from, upTo: from.map(() => upTo), limit: CATCH_UP_PAGE };
    let isFirst = true;
    for await (const portion of readPortions(store, range)) {
      if (isFirst) near(portion.ranges.some(({ position }) => position >= upTo));
      isFirst = false;
      if (signal.aborted || !(await this.#apply(portion))) return false;
    }
    if (isFirst) near(true);
    return true;
  }

  /** Applies portions of different partitions, before them what is missing. Throws when that is too much to wait for. */
  async bring(portions: readonly Portion[]): Promise<void> {
    for (let looked = false; ; looked = true) {
      const left = portions.filter((portion) => !this.has(portion));
      if (left.length === 0) return;
      const begin = this.#missingUpTo(left);
      if (begin === null) {
        if (await this.#apply(merged(left))) return;
      } else if (looked) {
        await this.#fetch(begin);
      }
      await this.look();
    }
  }

  /** The furthest beginning of a range that the tables have not come to, null when they have come to all. */
  #missingUpTo(portions: readonly Portion[]): bigint | null {
    const ahead = portions
      .flatMap(({ ranges }) => ranges)
      .filter(({ partition, after }) => after > this.#at(partition))
      .map(({ after }) => after);
    return ahead.length === 0 ? null : greatest(ahead);
  }

  async #fetch(upTo: bigint): Promise<void> {
    const { store, log } = this.#options;
    const { name } = this.#target.projection;
    if (upTo > (await store.head())) throw new Error('a partition tells of events that the store does not have');
    log.info({ projection: name, position: this.position, upTo }, 'partitions left something out: the store is read');
    await this.fill(upTo, (isNear) => {
      if (!isNear) throw new Error('too much is missing to wait for it');
    });
  }

  /** False when a checkpoint was not where a range begins. */
  async #apply(portion: Portion): Promise<boolean> {
    const { transactions, log } = this.#options;
    const outcome = await applyPage(transactions, log, this.#target, portion);
    this.#steps += 1;
    if (outcome.outcome === 'overtaken') return false;
    this.#parked = outcome.parked;
    const moved = new Map(portion.ranges.map(({ partition, position }) => [partition, position]));
    this.#seen = this.#seen.map((position, partition) => moved.get(partition) ?? position);
    return true;
  }

  #at(partition: number): bigint {
    return this.#seen[partition] ?? 0n;
  }
}
