import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { decode, encode, MalformedEvent } from '../../../events/codec.ts';
import { priceBookStream } from '../../../events/ids.ts';
import { MemoryEventStore } from '../../../infra/memory/eventStore.ts';
import { readPriceBook } from '../../../services/billing/pricebook/priceBooks.ts';
import { publishPriceBook } from '../../../services/billing/pricebook/publishPriceBook.ts';
import { atTime } from './world.ts';

const sample = new URL('../../support/samples/priceBookPublished.v1.json', import.meta.url);
const PRICE_VERSION = '5468cd316b688bd4e3b4447c6da4089d4a21b9f4ff5f3841a2e80f72a46ebcd3';

describe('a stored PriceBookPublished of version 1', () => {
  it('decodes to the same content', async () => {
    const stored = JSON.parse(await readFile(sample, 'utf8')) as Record<string, unknown>;
    const event = decode({ type: 'PriceBookPublished', version: 1, data: JSON.stringify(stored) });
    expect(event).toStrictEqual({ ...stored, version: 2 });
  });

  it('still hashes to its version when it is read from the record', async () => {
    const data = await readFile(sample, 'utf8');
    const { eventId } = JSON.parse(data) as { eventId: string };
    const store = new MemoryEventStore();
    await store.append({
      stream: priceBookStream(PRICE_VERSION),
      expected: 'no_stream',
      events: [{ type: 'PriceBookPublished', version: 1, eventId, data }],
    });
    expect(await readPriceBook(store, PRICE_VERSION)).toMatchObject({ priceVersion: PRICE_VERSION, version: 2 });
  });

  it('has the version that the same book gets when it is published today', async () => {
    const models = [
      {
        model: 'large',
        currency: 'CNY',
        perMillion: { uncachedInput: '2.50', cacheRead: '1.25', outputText: '10' },
        perUnit: { images: '0.04' },
        maxOutputTokens: 8_192,
      },
      { model: 'mini', currency: 'USD', perThousand: '0.00015', matchesTags: false, variants: {} },
    ];
    const contents = { effectiveFrom: '2026-01-01T00:00:00.000Z', models };
    const { priceVersion } = await publishPriceBook(
      new MemoryEventStore(),
      contents,
      atTime('2026-11-20T09:30:00.000Z'),
    );
    expect(priceVersion).toBe(PRICE_VERSION);
  });

  it('is refused with members that its version did not have', async () => {
    const data = (await readFile(sample, 'utf8')).replace('"meters":', '"variants":{},"meters":');
    expect(() => decode({ type: 'PriceBookPublished', version: 1, data })).toThrow(MalformedEvent);
  });
});

describe('a price book with long contexts, variants and tags', () => {
  const models = [
    {
      model: 'all',
      currency: 'USD',
      perMillion: { uncachedInput: '1', outputText: '2' },
      longContext: [{ aboveInputTokens: 10, perMillion: { uncachedInput: '3' } }],
      variants: { batch: { perMillion: { outputText: '1' }, longContext: [] } },
      matchesTags: true,
    },
  ];
  const contents = { effectiveFrom: '2026-01-01T00:00:00.000Z', models };

  it('is stored whole and reads back as it was published', async () => {
    const store = new MemoryEventStore();
    const { priceVersion } = await publishPriceBook(store, contents, atTime('2026-11-20T09:30:00.000Z'));
    const event = await readPriceBook(store, priceVersion);
    expect(event.models).toStrictEqual([
      {
        model: 'all',
        currency: 'USD',
        price: {
          meters: { uncachedInput: 1_000_000, outputText: 2_000_000 },
          longContext: [{ aboveInputTokens: 10, meters: { uncachedInput: 3_000_000 } }],
          variants: { batch: { meters: { uncachedInput: 1_000_000, outputText: 1_000_000 } } },
        },
        maxOutputTokens: 4_096,
        matchesTags: true,
      },
    ]);
    expect(decode(encode(event))).toStrictEqual(event);
  });
});
