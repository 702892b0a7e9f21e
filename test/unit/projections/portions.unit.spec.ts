import { describe, expect, it } from 'vitest';
import { halves, merged, portionOf, type Portion } from '../../../projections/portions.ts';
import { WHOLE_LOG } from '../../../projections/partitioning.ts';
import { StoredEvent } from '../../../projections/storedEvent.ts';
import { accountOpened, recorded } from '../../support/events.ts';

/** Accounts 0, 1, 0, 1 … at positions 1, 2, 3, 4 …, each in the partition of its number. */
const events = recorded(
  Array.from({ length: 8 }, (_, index) => accountOpened({ accountId: `acct_${String(index % 2)}` })),
).map((event) => new StoredEvent(event));
const byNumber = { partitions: 2, partitionOf: (accountId: string) => Number(accountId.slice(-1)) };
const page = { after: 0n, position: 8n, events };

const shape = ({ ranges, events: kept }: Portion) => [
  ranges.map(({ partition, after, position }) => [partition, after, position]),
  kept.map((event) => event.recorded.position),
];
const all = [1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n];

describe('a portion of a page', () => {
  it('is all of it for tables that stand where it begins', () => {
    expect(shape(portionOf(page, WHOLE_LOG, [0n]))).toEqual([[[0, 0n, 8n]], all]);
    const both = portionOf(page, byNumber, [0n, 0n]);
    expect(both.events).toBe(events);
    expect(shape(both)).toEqual([
      [
        [0, 0n, 8n],
        [1, 0n, 8n],
      ],
      all,
    ]);
  });

  it('is what each partition has not passed yet', () => {
    expect(shape(portionOf(page, byNumber, [3n, 6n]))).toEqual([
      [
        [0, 3n, 8n],
        [1, 6n, 8n],
      ],
      [5n, 7n, 8n],
    ]);
    expect(shape(portionOf(page, byNumber, [8n, 2n]))).toEqual([[[1, 2n, 8n]], [4n, 6n, 8n]]);
    expect(shape(portionOf(page, byNumber, [9n, 8n]))).toEqual([[], []]);
  });

  it('ends in each partition where it is told to', () => {
    expect(shape(portionOf(page, byNumber, [0n, 0n], [5n, 2n]))).toEqual([
      [
        [0, 0n, 5n],
        [1, 0n, 2n],
      ],
      [1n, 2n, 3n, 5n],
    ]);
  });
});

describe('portions of several partitions', () => {
  const zero: Portion = portionOf(page, byNumber, [0n, 8n]);
  const one: Portion = portionOf(page, byNumber, [8n, 4n]);

  it('become one in the order of the log', () => {
    expect(shape(merged([one, zero]))).toEqual([
      [
        [1, 4n, 8n],
        [0, 0n, 8n],
      ],
      [1n, 3n, 5n, 6n, 7n, 8n],
    ]);
    expect(merged([zero])).toBe(zero);
  });

  it('are halved at an event, each partition where it stands', () => {
    const [front, back] = halves(merged([one, zero]));
    expect(shape(front)).toEqual([
      [
        [1, 4n, 5n],
        [0, 0n, 5n],
      ],
      [1n, 3n, 5n],
    ]);
    expect(shape(back)).toEqual([
      [
        [1, 5n, 8n],
        [0, 5n, 8n],
      ],
      [6n, 7n, 8n],
    ]);
    expect(shape(halves(front)[0])).toEqual([[[0, 0n, 1n]], [1n]]);
  });

  it('of one event are not halved', () => {
    const [single] = halves(halves(merged([one, zero]))[0]);
    expect(() => halves(single)).toThrow('no halves');
  });
});
