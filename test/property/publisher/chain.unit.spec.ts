import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PartitionBatch } from '../../../events/distributionLog.ts';
import type { RecordedEvent } from '../../../events/eventStore.ts';
import {
  continueChain,
  isMarked,
  joinBatches,
  publishEvents,
  publishMarks,
  type Chain,
} from '../../../services/publisher/chain.ts';
import { Reader } from '../../support/distribution.ts';

const PARTITIONS = 4;
const start = continueChain({ position: 0n, lastPositions: new Array<bigint>(PARTITIONS).fill(0n) });

/** The revision says the partition. */
const partitionOf = ({ revision }: RecordedEvent) => Number(revision);
const eventAt = (position: bigint, partition: number): RecordedEvent => ({
  ...{ eventId: String(position), type: 'Example', version: 1, data: '{}', stream: 'example-1' },
  revision: BigInt(partition),
  position,
});

/** A log whose positions have gaps, cut into pages; after some of them marks, after some a new publisher. */
const anyHistory = fc.array(
  fc.record({
    events: fc.array(fc.tuple(fc.integer({ min: 1, max: 3 }), fc.nat(PARTITIONS - 1)), { maxLength: 8 }),
    beyond: fc.nat(3),
    mark: fc.boolean(),
    restart: fc.boolean(),
  }),
  { maxLength: 20 },
);
type History = typeof anyHistory extends fc.Arbitrary<infer T> ? T : never;

function publish(history: History): { readonly chain: Chain; readonly sends: readonly PartitionBatch[][] } {
  let chain = start;
  const sends = history.map(({ events, beyond, mark, restart }) => {
    let position = chain.position;
    const page = events.map(([step, partition]) => {
      position += BigInt(step);
      return eventAt(position, partition);
    });
    const published = publishEvents(chain, page, position + BigInt(beyond), partitionOf);
    const marked = mark ? publishMarks(published.chain) : null;
    chain = marked?.chain ?? published.chain;
    if (restart) chain = continueChain(chain);
    return joinBatches(published.batches, marked?.batches ?? []);
  });
  return { chain, sends };
}

const eventsOf = (sends: readonly (readonly PartitionBatch[])[]) =>
  sends
    .flat()
    .flatMap(({ partition, records }) =>
      records.filter(({ event }) => event !== null).map((record) => ({ partition, ...record })),
    );
const byPosition = (left: { position: bigint }, right: { position: bigint }) => Number(left.position - right.position);

describe('What is published', () => {
  it('has no gap for a reader, who sees every event of a partition in order', async () => {
    await fc.assert(
      fc.asyncProperty(anyHistory, async (history) => {
        const { sends } = publish(history);
        const reader = new Reader();
        for (const batch of sends.flat()) await reader.take(batch);
        expect(reader.gaps).toEqual([]);
        expect(reader.events.length).toBe(history.flatMap(({ events }) => events).length);
      }),
    );
  });

  it('is the same however the log is cut, marked and taken over', () => {
    fc.assert(
      fc.property(anyHistory, (history) => {
        const { sends } = publish(history);
        const log = eventsOf(sends)
          .sort(byPosition)
          .flatMap(({ event }) => (event ? [event] : []));
        const atOnce = publishEvents(start, log, log.at(-1)?.position ?? 0n, partitionOf);
        expect(eventsOf(sends).sort(byPosition)).toEqual(eventsOf([atOnce.batches]).sort(byPosition));
      }),
    );
  });

  it('shows a reader who lost any one event that something is missing, by the next record of that partition', async () => {
    await fc.assert(
      fc.asyncProperty(anyHistory, fc.nat(), async (history, choice) => {
        const { chain, sends } = publish(history);
        const events = eventsOf(sends);
        const lost = events[choice % Math.max(1, events.length)];
        fc.pre(lost !== undefined);
        const reader = new Reader();
        for (const { partition, records } of [...sends.flat(), ...publishMarks(chain).batches]) {
          await reader.take({ partition, records: records.filter(({ event }) => event !== lost.event) });
        }
        const last = Math.max(...events.map(({ position }) => Number(position)));
        // Nothing follows the newest event but a mark of a later position.
        if (Number(lost.position) < last || chain.position > lost.position) expect(reader.gaps).toHaveLength(1);
      }),
    );
  });

  it('tells every partition by marks that it is complete, each once', async () => {
    await fc.assert(
      fc.asyncProperty(anyHistory, async (history) => {
        const { chain, sends } = publish(history);
        const marked = publishMarks(chain);
        const reader = new Reader();
        for (const batch of [...sends.flat(), ...marked.batches]) await reader.take(batch);
        expect(isMarked(marked.chain)).toBe(true);
        expect(publishMarks(marked.chain).batches).toEqual([]);
        const moved = chain.position > 0n;
        if (moved) for (let each = 0; each < PARTITIONS; each += 1) expect(reader.position(each)).toBe(chain.position);
      }),
    );
  });

  it('refuses a partition that there is not', () => {
    expect(() => publishEvents(start, [eventAt(1n, PARTITIONS)], 1n, partitionOf)).toThrow(RangeError);
  });
});
