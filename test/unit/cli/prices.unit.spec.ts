import { describe, expect, it } from 'vitest';
import { MemoryEventStore } from '../../../infra/memory/eventStore.ts';
import { tryOut } from './tryout.ts';

const BOOK = {
  effectiveFrom: '2026-01-01T00:00:00.000Z',
  models: [
    { model: 'one', currency: 'USD', perThousand: '0.00015' },
    { model: 'two', currency: 'CNY', perMillion: { uncachedInput: '2.50', outputText: '10' } },
  ],
};

describe('prices', () => {
  it('are published once, however often', async () => {
    const installation = { store: new MemoryEventStore() };
    const publish = () =>
      tryOut(['prices', 'publish', 'book.yaml', '--json'], {
        installation,
        readPriceBook: () => Promise.resolve(BOOK),
      });
    const first = JSON.parse((await publish()).out) as { priceVersion: string };
    expect(first).toEqual({ priceVersion: first.priceVersion, position: '1', isNew: true });
    expect(JSON.parse((await publish()).out)).toEqual({ ...first, isNew: false });

    const listed = await tryOut(['prices', 'list', '--json'], { installation });
    expect(JSON.parse(listed.out)).toMatchObject({
      inForce: first.priceVersion,
      books: [
        {
          priceVersion: first.priceVersion,
          effectiveFrom: BOOK.effectiveFrom,
          models: [
            { model: 'one', currency: 'USD', price: '0.15', maxOutputTokens: 4_096 },
            { model: 'two', currency: 'CNY', price: { uncachedInput: '2.5', outputText: '10' } },
          ],
        },
      ],
    });
    const text = await tryOut(['prices', 'list'], { installation });
    expect(text.out).toContain('0.15 every token');
    expect(text.out).toContain('uncachedInput 2.5, outputText 10');
  });

  it('that are not valid are refused with every problem, and publish nothing', async () => {
    const store = new MemoryEventStore();
    const readPriceBook = () => Promise.resolve({ ...BOOK, effectiveFrom: 'soon', models: [] });
    const { code, error } = await tryOut(['prices', 'publish', 'book.yaml'], {
      installation: { store },
      readPriceBook,
    });
    expect(code).toBe(2);
    expect(error).toMatch(/^The price book is not valid\.\n {2}- effectiveFrom: .+\n {2}- models: .+\n$/);
    expect(await store.head()).toBe(0n);
  });

  it('list well when there are none', async () => {
    expect((await tryOut(['prices', 'list'])).out).toBe(
      'No price books.\n\nIn force, per million:\nnothing has a price\n',
    );
  });
});
