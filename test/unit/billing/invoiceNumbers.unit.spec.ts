import { describe, expect, it } from 'vitest';
import { encode } from '../../../events/codec.ts';
import { StoreUnavailable } from '../../../events/eventStore.ts';
import { invoiceIdOf } from '../../../events/ids.ts';
import { MemoryEventStore } from '../../../infra/memory/eventStore.ts';
import { invoiceNumber, InvoiceNumbers, invoiceSeries } from '../../../services/billing/invoicing/invoiceNumbers.ts';
import { invoiceDrafted, periodClosed } from '../../support/events.ts';
import { CountingStore } from './countingStore.ts';

function draftFor(accountId: string) {
  return invoiceDrafted({ accountId, invoiceId: invoiceIdOf(accountId, '2026-11', 'USD') });
}

const accounts = Array.from({ length: 20 }, (_, index) => draftFor(`acct_${String(index)}`));
const numbersUpTo = (count: number) =>
  Array.from({ length: count }, (_, index) => invoiceNumber('INV-2026', index + 1));

describe('invoice numbers', () => {
  it('name mode, year of the period, and six digits or more', () => {
    expect(invoiceSeries('live', '2026-12')).toBe('INV-2026');
    expect(invoiceSeries('test', '2027-01')).toBe('TEST-2027');
    expect(invoiceNumber('INV-2026', 7)).toBe('INV-2026-000007');
    expect(invoiceNumber('INV-2026', 1_234_567)).toBe('INV-2026-1234567');
  });

  it('have neither gap nor twin when three processes allocate at once', async () => {
    const store = new MemoryEventStore();
    const processes = [new InvoiceNumbers(store), new InvoiceNumbers(store), new InvoiceNumbers(store)];
    const allocated = await Promise.all(
      processes.flatMap((numbers) => accounts.map((draft) => numbers.allocate(draft))),
    );
    expect([...new Set(allocated)].toSorted()).toEqual(numbersUpTo(20));
    expect(await store.head()).toBe(20n);
    expect(allocated.slice(0, 20)).toEqual(allocated.slice(20, 40));
    expect(allocated.slice(0, 20)).toEqual(allocated.slice(40));
  });

  it('are found again by a process that knows nothing', async () => {
    const store = new MemoryEventStore();
    const before = new InvoiceNumbers(store);
    for (const draft of accounts) await before.allocate(draft);
    expect(await new InvoiceNumbers(store).allocate(draftFor('acct_3'))).toBe('INV-2026-000004');
    expect(await store.head()).toBe(20n);
  });

  it.each(['before', 'after'] as const)('are not lost when the store fails %s the allocation', async (fault) => {
    const store = new MemoryEventStore();
    const numbers = new InvoiceNumbers(store);
    await numbers.allocate(draftFor('acct_0'));
    store.failNext(fault);
    await expect(numbers.allocate(draftFor('acct_1'))).rejects.toThrow(StoreUnavailable);
    expect(await numbers.allocate(draftFor('acct_1'))).toBe('INV-2026-000002');
    expect(await numbers.allocate(draftFor('acct_2'))).toBe('INV-2026-000003');
    expect(await store.head()).toBe(3n);
  });

  it('read only what is new of a long series', async () => {
    const store = new CountingStore(new MemoryEventStore());
    const numbers = new InvoiceNumbers(store);
    for (const draft of accounts) await numbers.allocate(draft);
    expect(store.eventsRead).toBeLessThanOrEqual(20);
  });

  it('refuse a series that holds something else', async () => {
    const store = new MemoryEventStore();
    await store.append({ stream: 'invoiceseries-INV-2026', expected: 'no_stream', events: [encode(periodClosed())] });
    await expect(new InvoiceNumbers(store).allocate(draftFor('acct_0'))).rejects.toThrow('is not the allocation');
  });
});
