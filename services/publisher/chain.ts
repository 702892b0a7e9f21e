import type { PartitionBatch, PartitionRecord } from '../../events/distributionLog.ts';
import type { RecordedEvent } from '../../events/eventStore.ts';
import type { Progress } from './ports.ts';

/** What has been published, as the records after it must say it. */
export interface Chain extends Progress {
  /** Of each partition, up to where its records say that it is complete. */
  readonly told: readonly bigint[];
}

/** Continues after what was published. Which marks were sent is not kept; the first ones are sent again. */
export function continueChain(progress: Progress): Chain {
  return { ...progress, told: progress.lastPositions };
}

export interface Published {
  readonly chain: Chain;
  readonly batches: readonly PartitionBatch[];
}

/** The records of events, which follow the chain up to `position`, each tied to the one before it in its partition. */
export function publishEvents(
  chain: Chain,
  events: readonly RecordedEvent[],
  position: bigint,
  partitionOf: (event: RecordedEvent) => number,
): Published {
  const lastPositions = [...chain.lastPositions];
  const told = [...chain.told];
  const records = lastPositions.map((): PartitionRecord[] => []);
  for (const event of events) {
    const partition = partitionOf(event);
    const previous = lastPositions[partition];
    if (previous === undefined) throw new RangeError(`there is no partition ${String(partition)}`);
    records[partition]?.push({ event, position: event.position, previous });
    lastPositions[partition] = event.position;
    told[partition] = event.position;
  }
  return { chain: { position, lastPositions, told }, batches: batchesOf(records) };
}

/** A mark for each partition that does not say yet that it is complete up to the position of the chain. */
export function publishMarks(chain: Chain): Published {
  const { position, lastPositions, told } = chain;
  const records = lastPositions.map((previous, partition) =>
    told[partition] === position ? [] : [{ event: null, position, previous }],
  );
  return { chain: { ...chain, told: told.map(() => position) }, batches: batchesOf(records) };
}

/** Whether every partition says that it is complete up to the position of the chain. */
export function isMarked({ position, told }: Chain): boolean {
  return told.every((each) => each === position);
}

/** Both, of the same partitions: the records of the second after those of the first. */
export function joinBatches(first: readonly PartitionBatch[], second: readonly PartitionBatch[]): PartitionBatch[] {
  const records: PartitionRecord[][] = [];
  for (const batch of [...first, ...second]) (records[batch.partition] ??= []).push(...batch.records);
  return batchesOf(records);
}

function batchesOf(records: readonly (readonly PartitionRecord[] | undefined)[]): PartitionBatch[] {
  return Array.from(records, (each, partition) => ({ partition, records: each ?? [] })).filter(
    (batch) => batch.records.length > 0,
  );
}
