import { describe, expect, it } from 'vitest';
import { StoreUnavailable } from '../../../events/eventStore.ts';
import { MemoryEventStore } from '../../../infra/memory/eventStore.ts';
import { ledgerProjection } from '../../../projections/ledger/ledger.projection.ts';
import { cut, readPages, type EventPage } from '../../../projections/pages.ts';
import { StoredEvent } from '../../../projections/storedEvent.ts';
import { accountOpened, answeredCall, appendAll, recorded } from '../../support/events.ts';

const page: EventPage = {
  after: 0n,
  position: 6n,
  events: recorded([...answeredCall(1), ...answeredCall(2)]).map((event) => new StoredEvent(event)),
};

const shape = ({ after, position, events }: EventPage) => [
  after,
  position,
  events.map((event) => event.recorded.position),
];

describe('cutting a page', () => {
  it('leaves it whole between its own ends', () => {
    expect(cut(page, 0n, 6n)).toBe(page);
    expect(cut(page, 0n, 100n)).toBe(page);
  });

  it('keeps what lies after one position and up to another', () => {
    expect(shape(cut(page, 2n, 4n))).toEqual([2n, 4n, [3n, 4n]]);
    expect(shape(cut(page, 2n, 6n))).toEqual([2n, 6n, [3n, 4n, 5n, 6n]]);
    expect(shape(cut(page, 0n, 1n))).toEqual([0n, 1n, [1n]]);
  });
});

describe('reading pages', () => {
  async function read(after: bigint, upTo: bigint, limit: number) {
    const store = new MemoryEventStore();
    await appendAll(store, [accountOpened(), ...answeredCall(1), ...answeredCall(2)]);
    const pages = [];
    for await (const next of readPages(store, { after, upTo, limit, projection: ledgerProjection }))
      pages.push(shape(next));
    return pages;
  }

  it('gives the events of the projection’s categories, and ends exactly where it was told', async () => {
    expect(await read(0n, 7n, 3)).toEqual([
      [0n, 4n, [2n, 3n, 4n]],
      [4n, 7n, [5n, 6n, 7n]],
    ]);
    expect(await read(0n, 5n, 3)).toEqual([
      [0n, 4n, [2n, 3n, 4n]],
      [4n, 5n, [5n]],
    ]);
    expect(await read(0n, 1n, 3)).toEqual([[0n, 1n, []]]);
  });

  it('gives nothing when there is nothing to read', async () => {
    expect(await read(7n, 7n, 3)).toEqual([]);
  });

  it('ends with the error of the store', async () => {
    const store = new MemoryEventStore();
    store.reachable = false;
    const pages = readPages(store, { after: 0n, upTo: 1n, limit: 1, projection: ledgerProjection });
    await expect(pages.next()).rejects.toThrow(StoreUnavailable);
  });
});
