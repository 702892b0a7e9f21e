import fc from 'fast-check';
import type { PartitionBatch, PartitionRecord } from '../../events/distributionLog.ts';
import { deriveId } from '../../events/ids.ts';
import type { Append, EventStore, RecordedEvent } from '../../events/eventStore.ts';

/** The stored bytes of an event that nobody decodes. */
export function exampleData(eventId: string, accountId: string, note = ''): string {
  const occurredAt = '2026-11-20T09:30:00.000Z';
  const body = { type: 'Example', version: 1, eventId, occurredAt, accountId, correlationId: 'c', causationId: null };
  return JSON.stringify({ ...body, note });
}

/** Appends so many events of so many accounts, in turn, each to a stream of its own; gives the ids in order. */
export async function appendExamples(
  store: EventStore,
  name: string,
  count: number,
  accounts = 20,
): Promise<readonly string[]> {
  const appends = Array.from({ length: count }, (_, index): Append => {
    const eventId = deriveId('distribution', name, index);
    const data = exampleData(eventId, `acct_${String(index % accounts)}`);
    return {
      stream: `example-${name}-${String(index)}`,
      expected: 'no_stream',
      events: [{ eventId, type: 'Example', version: 1, data }],
    };
  });
  const results = await Promise.all(appends.map((append) => store.append(append)));
  const refused = results.find(({ outcome }) => outcome !== 'appended');
  if (refused) throw new Error(`an example was not appended: ${refused.outcome}`);
  return appends.map(({ events }) => events[0]?.eventId ?? '');
}

/** What one who reads a log has seen: repeats dropped by position, gaps found by `previous`. */
export class Reader {
  readonly #partitions = new Map<number, { position: bigint; event: bigint }>();
  readonly events: RecordedEvent[] = [];
  readonly gaps: { readonly partition: number; readonly after: bigint; readonly upTo: bigint }[] = [];
  repeats = 0;
  readonly #waiting = new Set<() => void>();

  readonly take = (batch: PartitionBatch): Promise<void> => {
    for (const record of batch.records) this.#takeOne(batch.partition, record);
    for (const check of [...this.#waiting]) check();
    return Promise.resolve();
  };

  /** Up to where a partition is known to be complete. */
  position(partition: number): bigint {
    return this.#partitions.get(partition)?.position ?? 0n;
  }

  get ids(): ReadonlySet<string> {
    return new Set(this.events.map(({ eventId }) => eventId));
  }

  /** Resolves when the condition holds after some batch. The test's own timeout bounds it. */
  async until(condition: (reader: Reader) => boolean): Promise<void> {
    if (condition(this)) return;
    await new Promise<void>((resolve) => {
      const check = () => {
        if (!condition(this)) return;
        this.#waiting.delete(check);
        resolve();
      };
      this.#waiting.add(check);
    });
  }

  #takeOne(partition: number, { event, position, previous }: PartitionRecord): void {
    const seen = this.#partitions.get(partition) ?? { position: 0n, event: 0n };
    if (event === null ? position < seen.position : position <= seen.position) {
      this.repeats += 1;
      return;
    }
    if (previous > seen.position) this.gaps.push({ partition, after: seen.position, upTo: previous });
    else if (previous > seen.event) throw new Error(`partition ${String(partition)}: an event was skipped unnoticed`);
    if (event) this.events.push(event);
    this.#partitions.set(partition, { position, event: event ? position : previous });
  }
}

/** Positions of the events of each partition never go back, whoever published them. */
export function isOrdered(events: readonly RecordedEvent[], partitionOf: (event: RecordedEvent) => number): boolean {
  const last = new Map<number, bigint>();
  return events.every((event) => {
    const partition = partitionOf(event);
    const before = last.get(partition) ?? 0n;
    last.set(partition, event.position);
    return event.position > before;
  });
}

/** Text that a store keeps. */
const storable = (maxLength: number) =>
  fc
    .string({ unit: 'grapheme', minLength: 1, maxLength })
    .filter((text) => text.isWellFormed() && !text.includes('\0') && !text.includes('\u001f'));
const place = fc.bigInt({ min: 0n, max: 2n ** 63n - 1n });

export const anyRecordedEvent: fc.Arbitrary<RecordedEvent> = fc.record({
  eventId: fc.uuid(),
  type: fc.oneof(fc.constantFrom('RequestAccepted', 'UsageRecorded', 'a.v2', 'x.v1.v1'), storable(40)),
  version: fc.integer({ min: 1, max: 32_767 }),
  data: fc.oneof(
    fc.record({ accountId: storable(20), occurredAt: storable(20) }).map((body) => JSON.stringify(body)),
    fc.uuid().map((id) => exampleData(id, 'acct_1', '…')),
    storable(100),
  ),
  stream: storable(60),
  revision: place,
  position: place,
});

export const anyPartitionRecord: fc.Arbitrary<PartitionRecord> = fc.oneof(
  fc.record({ event: anyRecordedEvent, previous: place }).map(({ event, previous }) => {
    return { event, position: event.position, previous };
  }),
  fc.record({ event: fc.constant(null), position: place, previous: place }),
);
