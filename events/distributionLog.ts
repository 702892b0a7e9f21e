import type { RecordedEvent } from './eventStore.ts';

/**
 * What a partition carries: an event, or a mark, which says that nothing else of this partition stands before
 * `position`. The same log and the same partitioning always give the same records, so a record that comes twice, from
 * whichever publisher, says the same.
 */
export interface PartitionRecord {
  /** Null for a mark. */
  readonly event: RecordedEvent | null;
  /** Of the event in the event store; of a mark, up to where the partition is complete. */
  readonly position: bigint;
  /**
   * Position of the event before it in this partition, 0 for the first; of a mark, of the last event up to it. A reader
   * who has not come that far has missed something.
   */
  readonly previous: bigint;
}

/** Records of one partition, in order. */
export interface PartitionBatch {
  readonly partition: number;
  readonly records: readonly PartitionRecord[];
}

/** The fan-out cannot be reached, or did not confirm in time: a publication may or may not have happened, so repeat it. */
export class DistributionUnavailable extends Error {
  override readonly name = 'DistributionUnavailable';
}

/**
 * The fan-out beside the record: a few partitions, each an order of its own, fed from the event store. It may lose,
 * repeat and be deleted; readers notice by `previous`, drop what they have seen, and fetch from the store what is missing.
 */
export interface DistributionLog {
  /** Fixed when the log is made: another number would give accounts another order. */
  readonly partitions: number;
  /** Where events of this account go. The same for all processes and versions. */
  partitionOf(accountId: string): number;
  /** Resolves when all replicas have the records. One call at a time. Throws DistributionUnavailable. */
  publish(batches: readonly PartitionBatch[]): Promise<void>;
  /**
   * Reads as a member of a group, which shares the partitions among its members, until the signal aborts. A partition's
   * batches come one after another and count as read when `handle` has resolved; after a rejection, a crash or a change
   * of members they come again. Reconnects by itself and never rejects. A new group begins at the oldest record.
   */
  subscribe(options: {
    readonly group: string;
    readonly handle: (batch: PartitionBatch) => Promise<void>;
    readonly signal: AbortSignal;
  }): Promise<void>;
  close(): Promise<void>;
}
