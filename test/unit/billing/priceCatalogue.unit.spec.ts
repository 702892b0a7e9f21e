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
