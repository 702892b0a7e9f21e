import { describe, expect, it } from 'vitest';
import type { ModelPrice } from '../../../events/pricebook/pricebook.events.ts';
import { PriceCatalogue } from '../../../services/billing/pricebook/priceCatalogue.ts';
import { exampleHash, priceBookPublished, requestAccepted } from '../../support/events.ts';

function book(name: string, effectiveFrom: string, prices: Readonly<Record<string, number>>) {
  const models = Object.entries(prices).map(([model, blended]): ModelPrice => ({
    model,
    currency: 'USD',
    price: { blended },
    maxOutputTokens: 100,
  }));
  return priceBookPublished({ priceVersion: exampleHash(name), effectiveFrom, models });
}

const spring = book('spring', '2026-03-01T00:00:00.000Z', { mini: 10, large: 50 });
const autumn = book('autumn', '2026-09-01T00:00:00.000Z', { mini: 20 });
const march = Date.parse(spring.effectiveFrom);
const september = Date.parse(autumn.effectiveFrom);

function catalogueOf(...events: Parameters<PriceCatalogue['apply']>[0][]): PriceCatalogue {
  const catalogue = new PriceCatalogue();
  for (const event of events) catalogue.apply(event);
  return catalogue;
}

describe('the price catalogue', () => {
  it('knows no price before there is a book, or before the first is in force', () => {
    expect(new PriceCatalogue().find('mini', march)).toBeNull();
    expect(catalogueOf(spring).find('mini', march - 1)).toBeNull();
    expect(catalogueOf(spring).models(march - 1)).toEqual([]);
  });

  it('gives the price in force with its version', () => {
    expect(catalogueOf(spring, autumn).find('mini', march)).toEqual({
      model: 'mini',
      currency: 'USD',
      priceVersion: spring.priceVersion,
      price: { blended: 10 },
      maxOutputTokens: 100,
    });
  });

  it('changes prices at the instant a book comes into force, in whichever order the books came', () => {
    for (const catalogue of [catalogueOf(spring, autumn), catalogueOf(autumn, spring)]) {
      const prices = [september - 1, september, september - 1].map((now) => catalogue.find('mini', now)?.price);
      expect(prices).toEqual([{ blended: 10 }, { blended: 20 }, { blended: 10 }]);
    }
  });

  it('has no price for a model that the book in force does not name', () => {
    const catalogue = catalogueOf(spring, autumn);
    expect([catalogue.find('large', september - 1)?.price, catalogue.find('large', september)]).toEqual([
      { blended: 50 },
      null,
    ]);
    expect(catalogue.models(september).map(({ model }) => model)).toEqual(['mini']);
  });

  it('prefers the later published of two books that come into force together', () => {
    const correction = book('correction', autumn.effectiveFrom, { mini: 21 });
    expect(catalogueOf(spring, autumn, correction).find('mini', september)?.price).toEqual({ blended: 21 });
  });

  it('sees a book that is published while another is in force', () => {
    const catalogue = catalogueOf(spring);
    expect(catalogue.find('mini', september)?.price).toEqual({ blended: 10 });
    catalogue.apply(autumn);
    expect(catalogue.find('mini', september)?.price).toEqual({ blended: 20 });
  });

  it('keeps every version for those who name it', () => {
    const catalogue = catalogueOf(spring, autumn);
    expect(catalogue.at(spring.priceVersion, 'large')?.price).toEqual({ blended: 50 });
    expect(catalogue.at(autumn.priceVersion, 'large')).toBeNull();
    expect(catalogue.at(exampleHash('other'), 'mini')).toBeNull();
  });

  it('takes a book once and ignores other events', () => {
    const catalogue = catalogueOf(spring, autumn, spring, requestAccepted());
    expect(catalogue.find('mini', september)?.price).toEqual({ blended: 20 });
  });
});

describe('a price for a whole family', () => {
  const entry = (model: string, blended: number, matchesTags?: true): ModelPrice => ({
    model,
    currency: 'CNY',
    price: { blended },
    maxOutputTokens: 100,
    ...(matchesTags && { matchesTags }),
  });
  const models = [entry('llama3', 30, true), entry('llama3:70b', 90), entry('mini', 10)];
  const catalogue = catalogueOf(priceBookPublished({ effectiveFrom: spring.effectiveFrom, models }));
  const priceOf = (model: string) => catalogue.find(model, march)?.price;

  it('is that of every tag without an entry of its own', () => {
    expect(['llama3', 'llama3:8b', 'llama3:latest', 'llama3:70b'].map(priceOf)).toEqual([
      { blended: 30 },
      { blended: 30 },
      { blended: 30 },
      { blended: 90 },
    ]);
  });

  it('is only for entries that say so', () => {
    expect(priceOf('mini:8b')).toBeUndefined();
    expect(priceOf('llama:8b')).toBeUndefined();
  });

  it.each(['llama3:', ':8b', 'llama3:8b:q4', 'llama3:8b#batch', 'llama3: 8b', 'llama3:\n', `llama3:${'8'.repeat(65)}`])(
    'is not for the strange name %j',
    (model) => {
      expect(priceOf(model)).toBeUndefined();
    },
  );

  it('is found again by the name that was recorded', () => {
    const { priceVersion } = priceBookPublished();
    expect(catalogue.at(priceVersion, 'llama3:8b')?.price).toEqual({ blended: 30 });
    expect(catalogue.at(priceVersion, 'mini:8b')).toBeNull();
  });
});

describe('a variant in the catalogue', () => {
  const price = {
    meters: { uncachedInput: 8, outputText: 8 },
    variants: { batch: { meters: { uncachedInput: 4, outputText: 4 } } },
  };
  const models = [{ model: 'mini', currency: 'USD' as const, price, maxOutputTokens: 1, matchesTags: true as const }];
  const book = priceBookPublished({ effectiveFrom: spring.effectiveFrom, models });
  const catalogue = catalogueOf(book);

  it('cannot be asked for by name, or clients would choose what they pay', () => {
    expect(catalogue.find('mini', march)?.price).toEqual(price);
    expect(catalogue.find('mini#batch', march)).toBeNull();
  });

  it('has its price under the recorded name, with a tag as well', () => {
    const own = { price: { meters: { uncachedInput: 4, outputText: 4 } } };
    expect(catalogue.at(book.priceVersion, 'mini#batch')).toMatchObject(own);
    expect(catalogue.at(book.priceVersion, 'mini:8b#batch')).toMatchObject(own);
    for (const strange of ['mini#other', 'mini#', '#batch', 'mini#constructor', 'mini#batch#batch']) {
      expect(catalogue.at(book.priceVersion, strange), strange).toBeNull();
    }
  });
});
