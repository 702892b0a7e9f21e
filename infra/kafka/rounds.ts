import type { PartitionBatch } from '../../events/distributionLog.ts';
import { toCloudEvent, type OutgoingRecord } from './cloudEvents.ts';

export interface PlacedRecord extends OutgoingRecord {
  readonly partition: number;
}

/** Of one partition and request, about: below the 1 MiB that brokers take by default. A larger record goes alone. */
const MAX_PARTITION_BYTES = 900_000;
/** What a record takes beside its value: headers, key and framing, generously. */
const RECORD_OVERHEAD_BYTES = 1_500;

/**
 * The records of batches, cut into requests that are sent one after another. All records of a partition keep their
 * order; nearly always there is one request.
 */
export function requestRounds(batches: readonly PartitionBatch[]): readonly (readonly PlacedRecord[])[] {
  const rounds: PlacedRecord[][] = [];
  for (const { partition, records } of batches) {
    let round = 0;
    let bytes = 0;
    for (const record of records) {
      const outgoing = toCloudEvent(partition, record);
      const size = RECORD_OVERHEAD_BYTES + Buffer.byteLength(outgoing.value ?? '');
      if (bytes > 0 && bytes + size > MAX_PARTITION_BYTES) {
        round += 1;
        bytes = 0;
      }
      bytes += size;
      (rounds[round] ??= []).push({ partition, ...outgoing });
    }
  }
  return rounds;
}
