/** Which of so many partitions the events of an account are in. The same for all processes and versions. */
export type PartitionOf = (accountId: string, partitions: number) => number;

/** How the log is divided: each account has its partition, and within it its events are in order. */
export interface Partitioning {
  readonly partitions: number;
  readonly partitionOf: PartitionOf;
}

/** One partition, with all events. */
export const WHOLE_LOG: Partitioning = { partitions: 1, partitionOf: () => 0 };

/** Throws when there is more than one partition and nobody says which account is in which. */
export function partitioning(partitions: number, partitionOf: PartitionOf | undefined): Partitioning {
  if (partitions === 1) return WHOLE_LOG;
  if (!partitionOf)
    throw new Error(`read models follow ${String(partitions)} partitions, and partitionOf is not given`);
  return { partitions, partitionOf };
}
