import type { EventStore } from '../events/eventStore.ts';
import { applyPage, type Target } from './applyPage.ts';
import { partitioning, type PartitionOf } from './partitioning.ts';
import type { Log, TransactionRunner } from './ports.ts';
import { readPortions } from './portions.ts';
import type { Projection } from './projection.ts';
import { checkpointsOf, greatest, repartition, type Checkpoints } from './schema.ts';

/** Far behind, fewer commits count for more than short locks. */
export const CATCH_UP_PAGE = 2_000;

export interface AligningParts {
  readonly store: EventStore;
  readonly transactions: TransactionRunner;
  readonly log: Log;
  /** Needed when the tables follow partitions, or did so before. */
  readonly partitionOf?: PartitionOf | undefined;
}

/** Where the tables of a projection stand, in however many partitions. Waits while somebody changes the tables themselves. */
export function standing({ transactions }: AligningParts, { name }: Projection): Promise<Checkpoints> {
  return transactions.transaction({ schema: name, lock: name, parts: [] }, (sql) => checkpointsOf(sql));
}

/**
 * Where the tables of a projection stand, in so many partitions. When they followed another number before, those that
 * are behind are first brought to where the furthest is. Throws StoreUnavailable.
 */
export async function aligned(parts: AligningParts, projection: Projection, partitions: number): Promise<Checkpoints> {
  const { store, transactions, log, partitionOf } = parts;
  const { name } = projection;
  for (;;) {
    const from = await standing(parts, projection);
    if (from.length === partitions) return from;
    log.info(
      { projection: name, from: from.length, to: partitions },
      'a projection follows other partitions from now on',
    );
    const target: Target = {
      projection,
      schema: name,
      live: true,
      partitioning: partitioning(from.length, partitionOf),
    };
    const range = { ...target, from, upTo: from.map(() => greatest(from)), limit: CATCH_UP_PAGE };
    for await (const portion of readPortions(store, range)) await applyPage(transactions, log, target, portion);
    await transactions.transaction({ schema: name, lock: name }, (sql) => repartition(sql, partitions));
  }
}
