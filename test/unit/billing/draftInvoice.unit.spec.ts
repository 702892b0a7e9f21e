import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { ModelPrice } from '../../../events/pricebook/pricebook.events.ts';
import { draftInvoices, MAX_LINES } from '../../../services/billing/invoicing/draftInvoice.ts';
import { InvoiceRefused } from '../../../services/billing/invoicing/invoiceRefused.ts';
import type { UsageFact } from '../../../services/billing/ports.ts';
import { rate } from '../../../services/billing/rating/rate.ts';
import { exampleHash } from '../../support/events.ts';

const V1 = exampleHash('v1');
const V2 = exampleHash('v2');

function priced(model: string, currency: ModelPrice['currency'], price: ModelPrice['price']): ModelPrice {
  return { model, currency, price, maxOutputTokens: 100 };
}

const BOOKS: Readonly<Record<string, readonly ModelPrice[]>> = {
  [V1]: [
    priced('mini', 'USD', { blended: 150_000 }),
    priced('free', 'USD', { blended: 0 }),
    priced('llama', 'CNY', { blended: 2_000_000 }),
    priced('meters', 'USD', { meters: { uncachedInput: 2_500_000, outputText: 10_000_000 } }),
  ],
  [V2]: [priced('mini', 'USD', { blended: 200_000 })],
};

const priceOf = (version: string, model: string) => BOOKS[version]?.find((entry) => entry.model === model) ?? null;

function fact(requestId: string, change: Partial<UsageFact> = {}): UsageFact {
  const usage = change.usage ?? { uncachedInput: 15, outputText: 42 };
  const model = change.model ?? 'mini';
  const priceVersion = change.priceVersion ?? V1;
  const found = priceOf(priceVersion, model);
  const amount = found ? rate(found.price, usage) : 0n;
  const currency = found?.currency ?? 'USD';
  return { requestId, keyId: 'key_1', model, mode: 'live', priceVersion, currency, usage, amount, ...change };
}

function hashOf(...requestIds: readonly string[]): string {
  return createHash('sha256')
    .update(requestIds.map((id) => `${id}\n`).join(''))
    .digest('hex');
}

function refusalOf(...facts: readonly UsageFact[]): readonly string[] {
  try {
    draftInvoices(facts, priceOf, 'live');
  } catch (error) {
    if (error instanceof InvoiceRefused) return error.problems;
    throw error;
  }
  return [];
}

describe('drafting invoices', () => {
  it('sums one line per meter, exactly, and rounds each line once', () => {
    const million = { uncachedInput: 1_000_000, outputText: 1_000_000 };
    const [draft, ...others] = draftInvoices([fact('a'), fact('b', { usage: million })], priceOf, 'live');
    expect(others).toEqual([]);
    expect(draft).toEqual({
      currency: 'USD',
      lines: [
        {
          line: 1,
          keyId: 'key_1',
          model: 'mini',
          meter: 'uncachedInput',
          priceVersion: V1,
          quantity: 1_000_015,
          unitPriceMicrosPerMillion: 150_000,
          exactPicos: '150002250000',
          amount: '15',
          requestCount: 2,
          requestsHash: hashOf('a', 'b'),
        },
        {
          line: 2,
          keyId: 'key_1',
          model: 'mini',
          meter: 'outputText',
          priceVersion: V1,
          quantity: 1_000_042,
          unitPriceMicrosPerMillion: 150_000,
          exactPicos: '150006300000',
          amount: '15',
          requestCount: 2,
          requestsHash: hashOf('a', 'b'),
        },
      ],
      exactTotalPicos: '300008550000',
      total: '30',
      roundingAmount: '0',
    });
  });

  it('states what rounding did: three lines of 0.4 cents are 1 cent', () => {
    const usage = { uncachedInput: 26_667 };
    const facts = ['key_1', 'key_2', 'key_3'].map((keyId, index) => fact(`r${String(index)}`, { keyId, usage }));
    const [draft] = draftInvoices(facts, priceOf, 'live');
    expect(draft?.lines.map(({ amount }) => amount)).toEqual(['0', '0', '0']);
    expect(draft).toMatchObject({ exactTotalPicos: '12000150000', total: '1', roundingAmount: '1' });
  });

  it('rounds down as plainly: three lines of 0.5 cents are 2 cents, not 3', () => {
    const facts = ['key_1', 'key_2', 'key_3'].map((keyId, index) =>
      fact(`r${String(index)}`, { keyId, model: 'meters', usage: { uncachedInput: 2_000 } }),
    );
    const [draft] = draftInvoices(facts, priceOf, 'live');
    expect(draft?.lines.map(({ amount }) => amount)).toEqual(['1', '1', '1']);
    expect(draft).toMatchObject({ exactTotalPicos: '15000000000', total: '2', roundingAmount: '-1' });
  });

  it('makes a line of its own of each key, model, meter and price version, in a fixed order', () => {
    const facts = [
      fact('a', { model: 'meters', usage: { uncachedInput: 1, outputText: 1 } }),
      fact('b', { priceVersion: V2, usage: { uncachedInput: 1 } }),
      fact('c', { keyId: 'key_0', usage: { outputText: 1 } }),
      fact('d', { usage: { uncachedInput: 1 } }),
    ];
    const [draft] = draftInvoices(facts, priceOf, 'live');
    const versions = new Map([
      [V1, 'v1'],
      [V2, 'v2'],
    ]);
    const lines = draft?.lines.map((line) => [
      line.line,
      line.keyId,
      line.model,
      line.meter,
      versions.get(line.priceVersion),
    ]);
    const mini = [V1, V2].toSorted().map((version) => versions.get(version));
    expect(lines).toEqual([
      [1, 'key_0', 'mini', 'outputText', 'v1'],
      [2, 'key_1', 'meters', 'uncachedInput', 'v1'],
      [3, 'key_1', 'meters', 'outputText', 'v1'],
      [4, 'key_1', 'mini', 'uncachedInput', mini[0]],
      [5, 'key_1', 'mini', 'uncachedInput', mini[1]],
    ]);
  });

  it('makes one invoice per currency', () => {
    const drafts = draftInvoices([fact('a'), fact('b', { model: 'llama' })], priceOf, 'live');
    expect(drafts.map(({ currency, lines }) => [currency, lines.map(({ line }) => line)])).toEqual([
      ['CNY', [1, 2]],
      ['USD', [1, 2]],
    ]);
  });

  it('bills what was used and taken back as the difference, and keeps the request on the line', () => {
    const facts = [
      fact('a', { usage: { uncachedInput: 10, outputText: 5 } }),
      fact('a', { usage: { uncachedInput: -10, outputText: -5 } }),
      fact('a', { usage: { uncachedInput: 8 } }),
    ];
    const [draft] = draftInvoices(facts, priceOf, 'live');
    expect(draft?.lines).toMatchObject([
      { meter: 'uncachedInput', quantity: 8, exactPicos: '1200000', requestCount: 1, requestsHash: hashOf('a') },
      { meter: 'outputText', quantity: 0, exactPicos: '0', requestCount: 1, requestsHash: hashOf('a') },
    ]);
  });

  it('shows free usage as lines of nothing', () => {
    const [draft] = draftInvoices([fact('a', { model: 'free', usage: { uncachedInput: 7 } })], priceOf, 'live');
    expect(draft).toMatchObject({ lines: [{ quantity: 7, exactPicos: '0', amount: '0' }], total: '0' });
  });

  it('makes nothing of no usage', () => {
    expect(draftInvoices([], priceOf, 'live')).toEqual([]);
    expect(
      draftInvoices([fact('a', { usage: {} }), fact('b', { usage: { uncachedInput: 0 } })], priceOf, 'live'),
    ).toEqual([]);
  });
});

describe('an invoice is refused', () => {
  it('when a fact was charged anything but its usage at its price', () => {
    expect(refusalOf(fact('a'), fact('b', { amount: 8_550_001n }))).toEqual([
      'request b: charged 8550001 picos, rated 8550000',
    ]);
  });

  it('when a model has no price in the version that a fact names', () => {
    expect(refusalOf(fact('a', { model: 'other' }))).toEqual([`request a: no price for other in ${V1}`]);
  });

  it('when a fact is in another currency than its price, or of another mode than its account', () => {
    expect(refusalOf(fact('a', { currency: 'EUR' }), fact('b', { mode: 'test' }))).toEqual([
      'request a: charged in EUR, priced in USD',
      'request b: test usage in a live account',
    ]);
  });

  it('when its total is below zero', () => {
    expect(refusalOf(fact('a', { usage: { uncachedInput: -2 } }))).toEqual([
      'the total in USD is below zero: -300000 picos',
    ]);
  });

  it('when a quantity is too large to be stated', () => {
    const usage = { uncachedInput: Number.MAX_SAFE_INTEGER };
    expect(refusalOf(fact('a', { usage }), fact('b', { usage }))[0]).toContain('quantity past 2^53 - 1');
  });

  it('when it would have more than 20 000 lines', () => {
    const facts = Array.from({ length: MAX_LINES + 1 }, (_, index) => {
      const name = String(index).padStart(6, '0');
      return fact(name, { keyId: `key_${name}`, usage: { uncachedInput: 1 } });
    });
    expect(refusalOf(...facts)).toEqual(['20001 lines, at most 20000']);
    expect(draftInvoices(facts.slice(1), priceOf, 'live')[0]?.lines).toHaveLength(MAX_LINES);
  });

  it('with at most 20 problems shown and all counted', () => {
    const facts = Array.from({ length: 30 }, (_, index) => fact(`r${String(index).padStart(2, '0')}`, { amount: 1n }));
    expect(refusalOf(...facts)).toHaveLength(20);
    expect(() => draftInvoices(facts, priceOf, 'live')).toThrow(/refused to invoice \(30 problems\)/);
  });

  it('as a bug when facts do not come by request id', () => {
    expect(() => draftInvoices([fact('b'), fact('a')], priceOf, 'live')).toThrow('not in ascending order');
  });
});
