import { describe, expect, it } from 'vitest';
import { decode } from '../../../events/codec.ts';
import { MemoryEventStore } from '../../../infra/memory/eventStore.ts';
import { DEFAULT_PRICE_BOOK, loadPriceBookFile } from '../../../infra/pricebook/loadPriceBookFile.ts';
import { PriceBookRefused, parsePriceBook } from '../../../services/billing/pricebook/priceBookFile.ts';
import { PriceBookDamaged, PriceBooks } from '../../../services/billing/pricebook/priceBooks.ts';
import { priceVersionOf } from '../../../services/billing/pricebook/priceVersion.ts';
import { publishPriceBook } from '../../../services/billing/pricebook/publishPriceBook.ts';
import { atTime } from './world.ts';

const runtime = atTime('2026-11-20T09:30:00.000Z');
const small = {
  effectiveFrom: '2026-01-01T00:00:00.000Z',
  models: [
    { model: 'mini', currency: 'USD', perThousand: '0.00015' },
    {
      model: 'large',
      currency: 'CNY',
      perMillion: { uncachedInput: '2.50', outputText: '10' },
      maxOutputTokens: 8_192,
    },
  ],
};

function problemsOf(contents: unknown): readonly string[] {
  try {
    parsePriceBook(contents);
  } catch (error) {
    if (error instanceof PriceBookRefused) return error.problems;
    throw error;
  }
  return [];
}

describe('a price book file', () => {
  it('turns decimal text into whole micro-units per million and sorts its models', () => {
    expect(parsePriceBook(small)).toEqual({
      effectiveFrom: '2026-01-01T00:00:00.000Z',
      models: [
        {
          model: 'large',
          currency: 'CNY',
          price: { meters: { uncachedInput: 2_500_000, outputText: 10_000_000 } },
          maxOutputTokens: 8_192,
        },
        { model: 'mini', currency: 'USD', price: { blended: 150_000 }, maxOutputTokens: 4_096 },
      ],
    });
  });

  it('is refused with every problem named', () => {
    const models = [
      { model: 'float', currency: 'USD', perThousand: 0.1 },
      { model: 'negative', currency: 'USD', perMillion: '-1' },
      { model: 'inexact', currency: 'USD', perMillion: '0.0000001' },
      { model: 'exponent', currency: 'USD', perMillion: '1e3' },
      { model: 'dear', currency: 'USD', perMillion: '1000000.000001' },
      { model: 'foreign', currency: 'XAU', perMillion: '1' },
      { model: 'unpriced', currency: 'USD' },
      { model: 'twice', currency: 'USD', perMillion: '1', perThousand: '1' },
      { model: 'noOutput', currency: 'USD', perMillion: { uncachedInput: '1' } },
      { model: 'strange', currency: 'USD', perMillion: { uncachedInput: '1', outputText: '1', magic: '1' } },
      { model: 'float', currency: 'USD', perMillion: '1' },
    ];
    expect(problemsOf({ effectiveFrom: 'today', models, comment: 'x' })).toEqual([
      'effectiveFrom: Invalid ISO datetime',
      'models.0.perThousand: a price is decimal text in quotes',
      'models.1.perMillion: "-1" is not a plain decimal number of at least 0',
      'models.2.perMillion: "0.0000001" is not a whole number of micro-units per million: at most 6 decimal places',
      'models.3.perMillion: "1e3" is not a plain decimal number of at least 0',
      'models.4.perMillion: "1000000.000001" is more than one unit per token',
      'models.5.currency: Invalid option: expected one of "USD"|"CNY"|"EUR"|"GBP"|"JPY"',
      'models.6: needs exactly one of perThousand and perMillion',
      'models.7: needs exactly one of perThousand and perMillion',
      'models.8.perMillion.outputText: must be priced; write "0" for free',
      'models.9.perMillion: Unrecognized key: "magic"',
      'the file: Unrecognized key: "comment"',
      'models.10.model: float is priced twice',
    ]);
  });

  it.each([null, 'text', [], {}, { effectiveFrom: '2026-01-01T00:00:00.000Z', models: [] }])(
    'is refused when it is %j',
    (contents) => {
      expect(problemsOf(contents)).not.toEqual([]);
    },
  );

  it('that is built in has the documented models at the documented prices', async () => {
    const { models } = parsePriceBook(await loadPriceBookFile(DEFAULT_PRICE_BOOK));
    const documented = [
      ['claude-3.5-sonnet', 'USD', { blended: 3_000_000 }],
      ['deepseek-chat-v3.1:free', 'USD', { blended: 0 }],
      ['gemini-1.5-pro', 'USD', { blended: 2_500_000 }],
      ['gemma', 'CNY', { blended: 2_000_000 }],
      ['gpt-4o', 'USD', { blended: 15_000_000 }],
      ['gpt-4o-mini', 'USD', { blended: 150_000 }],
      ['grok-4-fast:free', 'USD', { blended: 0 }],
      ['llama-3.1-70b', 'USD', { blended: 1_000_000 }],
      ['llama2', 'CNY', { blended: 2_000_000 }],
      ['llama3', 'CNY', { blended: 3_000_000 }],
      ['mistral', 'CNY', { blended: 2_500_000 }],
      ['mixtral', 'CNY', { blended: 4_000_000 }],
      [
        'tallystick-sim',
        'USD',
        { meters: { uncachedInput: 2_500_000, cacheRead: 1_250_000, outputText: 10_000_000, reasoning: 12_000_000 } },
      ],
    ];
    const names = new Set(documented.map(([model]) => model));
    const prices = models.filter(({ model }) => names.has(model));
    expect(prices.map(({ model, currency, price }) => [model, currency, price])).toEqual(documented);
  });

  it('that is built in prices every tag of the models that are known by their family', async () => {
    const { models } = parsePriceBook(await loadPriceBookFile(DEFAULT_PRICE_BOOK));
    const families = models.filter(({ matchesTags }) => matchesTags).map(({ model, currency }) => [model, currency]);
    expect(families).toEqual(
      ['codellama', 'gemma', 'llama2', 'llama3', 'mistral', 'mixtral', 'nomic-embed-text', 'phi3', 'qwen2.5'].map(
        (model) => [model, 'CNY'],
      ),
    );
  });

  it('that is built in has a model for every kind of call', async () => {
    const { models } = parsePriceBook(await loadPriceBookFile(DEFAULT_PRICE_BOOK));
    const priceOf = (model: string) => models.find((entry) => entry.model === model)?.price;
    const free = { uncachedInput: 0, outputText: 0 };
    expect(priceOf('text-embedding-3-small')).toEqual({ meters: { uncachedInput: 20_000, outputText: 0 } });
    expect(priceOf('omni-moderation-latest')).toEqual({ blended: 0 });
    expect(priceOf('rerank-v3.5')).toEqual({ meters: { ...free, requests: 2_000_000_000 } });
    expect(priceOf('tts-1')).toEqual({ meters: { ...free, characters: 15_000_000 } });
    expect(priceOf('whisper-1')).toEqual({ meters: { ...free, seconds: 100_000_000 } });
    expect(priceOf('dall-e-3')).toMatchObject({
      meters: { ...free, images: 120_000_000_000 },
      variants: { 'standard:1024x1024': { meters: { ...free, images: 40_000_000_000 } } },
    });
    for (const model of ['gpt-3.5-turbo-instruct', 'gpt-image-1', 'fastgpt', 'dify', 'coze']) {
      expect(priceOf(model), model).toBeDefined();
    }
  });

  it('that cannot be read names the file', async () => {
    await expect(loadPriceBookFile('/nowhere/prices.yaml')).rejects.toThrow(
      'cannot read the price book /nowhere/prices.yaml',
    );
  });
});

describe('a price version', () => {
  it('is the SHA-256 of the canonical JSON', () => {
    const content = { effectiveFrom: small.effectiveFrom, models: [] };
    expect(priceVersionOf(content)).toBe('d0dd96583342ff0cef1c64a82328cb109cb5557bced5945c04797996ef11f6bc');
  });

  it('does not depend on the order of models or fields in the file', () => {
    const reordered = {
      models: small.models.toReversed().map((entry) => Object.fromEntries(Object.entries(entry).toReversed())),
      effectiveFrom: small.effectiveFrom,
    };
    expect(priceVersionOf(parsePriceBook(reordered))).toBe(priceVersionOf(parsePriceBook(small)));
  });

  it('changes with any price', () => {
    const dearer = { ...small, models: [{ ...small.models[0], perThousand: '0.000150001' }, small.models[1]] };
    expect(priceVersionOf(parsePriceBook(dearer))).not.toBe(priceVersionOf(parsePriceBook(small)));
  });
});

describe('publishing a price book', () => {
  it('writes the whole book to the stream named by its version', async () => {
    const store = new MemoryEventStore();
    const { priceVersion, position, isNew } = await publishPriceBook(store, small, runtime);
    const [recorded] = await store.readStream(`pricebook-${priceVersion}`, { direction: 'forwards', limit: 2 });
    expect({ position, isNew }).toEqual({ position: 1n, isNew: true });
    expect(recorded && decode(recorded)).toMatchObject({
      type: 'PriceBookPublished',
      accountId: 'system',
      occurredAt: '2026-11-20T09:30:00.000Z',
      priceVersion,
      ...parsePriceBook(small),
    });
  });

  it('changes nothing the second time, also later and when two do it at once', async () => {
    const store = new MemoryEventStore();
    const first = await publishPriceBook(store, small, runtime);
    const later = atTime('2027-01-01T00:00:00.000Z');
    const again = await Promise.all([publishPriceBook(store, small, later), publishPriceBook(store, small, later)]);
    expect(again).toEqual([
      { ...first, isNew: false },
      { ...first, isNew: false },
    ]);
    expect(await store.head()).toBe(1n);
  });

  it('agrees on one book when several processes start together', async () => {
    const store = new MemoryEventStore();
    const times = ['2026-11-20T09:30:00.000Z', '2026-11-20T09:30:00.001Z', '2026-11-20T09:30:00.001Z'];
    const published = await Promise.all(times.map((time) => publishPriceBook(store, small, atTime(time))));
    expect(new Set(published.map(({ position }) => position))).toEqual(new Set([1n]));
    expect(await store.head()).toBe(1n);
  });

  it('writes nothing when the book is refused', async () => {
    const store = new MemoryEventStore();
    await expect(publishPriceBook(store, { ...small, models: [] }, runtime)).rejects.toThrow(PriceBookRefused);
    expect(await store.head()).toBe(0n);
  });
});

describe('reading price books from the record', () => {
  it('gives each model its price by version', async () => {
    const store = new MemoryEventStore();
    const { priceVersion } = await publishPriceBook(store, small, runtime);
    const books = new PriceBooks(store);
    await books.load([priceVersion]);
    expect(books.price(priceVersion, 'mini')?.price).toEqual({ blended: 150_000 });
    expect(books.price(priceVersion, 'other')).toBeNull();
    expect(books.price('0'.repeat(64), 'mini')).toBeNull();
  });

  it('fails loudly on a version that was never published', async () => {
    await expect(new PriceBooks(new MemoryEventStore()).load(['0'.repeat(64)])).rejects.toThrow(PriceBookDamaged);
  });
});
