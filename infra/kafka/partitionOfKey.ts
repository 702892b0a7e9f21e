import { createRequire } from 'node:module';
import type { ICustomPartitioner, PartitionMetadata } from 'kafkajs';

/** This part of the package alone: the whole takes 80 ms to load, which is too much for those who have no Kafka. */
const makePartitioner = createRequire(import.meta.url)(
  'kafkajs/src/producer/partitioners/default',
) as ICustomPartitioner;
const javaPartitioner = makePartitioner();

/** Partition of a key among so many, as the Java client chooses it (murmur2), so that foreign producers and readers agree. */
export function partitionOfKey(key: string, partitions: number): number {
  return javaPartitioner({
    topic: '',
    partitionMetadata: new Array<PartitionMetadata>(partitions),
    message: { key, value: null },
  });
}
