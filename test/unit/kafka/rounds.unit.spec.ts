import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { toCloudEvent } from '../../../infra/kafka/cloudEvents.ts';
import { requestRounds } from '../../../infra/kafka/rounds.ts';
import { anyPartitionRecord, exampleData } from '../../support/distribution.ts';

const sized = (length: number) => {
  const data = exampleData('id', 'acct_1', 'x'.repeat(length));
  const event = { eventId: 'id', type: 'Example', version: 1, data, stream: 's-1', revision: 0n, position: 1n };
  return { event, position: 1n, previous: 0n };
};

describe('Requests to Kafka', () => {
  it('are one for what is small, whatever the number of partitions', () => {
    const batches = [0, 1, 2].map((partition) => ({ partition, records: [sized(10), sized(20)] }));
    expect(requestRounds(batches).map((round) => round.map(({ partition }) => partition))).toEqual([
      [0, 0, 1, 1, 2, 2],
    ]);
    expect(requestRounds([])).toEqual([]);
  });

  it('hold less than a broker takes by default for each partition, and a larger record alone', () => {
    const records = [sized(500_000), sized(300_000), sized(200_000), sized(2_000_000), sized(1)];
    const rounds = requestRounds([
      { partition: 1, records },
      { partition: 2, records: [sized(1)] },
    ]);
    const lengths = rounds.map((round) => round.map(({ partition, value }) => [partition, (value?.length ?? 0) > 1e5]));
    expect(lengths).toEqual([
      [
        [1, true],
        [1, true],
        [2, false],
      ],
      [[1, true]],
      [[1, true]],
      [[1, false]],
    ]);
  });

  it('keep every record, in the order of its partition', () => {
    fc.assert(
      fc.property(fc.array(fc.array(anyPartitionRecord, { maxLength: 5 }), { maxLength: 4 }), (partitions) => {
        const batches = partitions.map((records, partition) => ({ partition, records }));
        const sent = requestRounds(batches).flat();
        for (const { partition, records } of batches) {
          const expected = records.map((record) => ({ partition, ...toCloudEvent(partition, record) }));
          expect(sent.filter((record) => record.partition === partition)).toEqual(expected);
        }
      }),
    );
  });
});
