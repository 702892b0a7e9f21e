import { beforeAll, describe, expect, it } from 'vitest';
import type { RecordedEvent } from '../../../events/eventStore.ts';
import { invoiceIdOf } from '../../../events/ids.ts';
import type { InvoiceLine } from '../../../events/invoice/invoice.events.ts';
import { windowOf } from '../../../services/billing/invoicing/billingWindow.ts';
import { closePeriod, readBooks } from '../../../services/billing/invoicing/closePeriod.ts';
import { readInvoice } from '../../../services/billing/invoicing/readInvoice.ts';
import { PriceBooks } from '../../../services/billing/pricebook/priceBooks.ts';
import { invoiceDocumentWithRequests } from '../../../services/billing/rendering/invoiceDocument.ts';
import { verifyInvoice } from '../../../services/billing/verification/verifyInvoice.ts';
import { requestIdOf } from '../../support/events.ts';
import { TamperedStore } from './tamperedStore.ts';
import { ACCOUNT, lineRequestsOf, World } from './world.ts';

const USD = invoiceIdOf(ACCOUNT, '2026-11', 'USD');
const CNY = invoiceIdOf(ACCOUNT, '2026-11', 'CNY');
let world: World;

/** One account that used everything that can be priced. */
beforeAll(async () => {
  world = await World.create();
  const at = '2026-11-03T10:00:00.000Z';
  await world.use('short', { at, model: 'long', usage: { uncachedInput: 1_000, outputText: 10 } });
  await world.use('middle', { at, model: 'long', usage: { uncachedInput: 900, cacheRead: 101, outputText: 20 } });
  await world.use('longest', { at, model: 'long', usage: { uncachedInput: 5_001, outputText: 40 } });
  await world.use('batch', { at, model: 'long', variant: 'batch', usage: { uncachedInput: 9_000, outputText: 80 } });
  await world.use('grown', { at, model: 'long', usage: { uncachedInput: 999 } });
  await world.correct('grown', { at, usage: { uncachedInput: 1_001 } });
  await world.use('small', { at, model: 'painter', variant: 'standard:1024x1024', usage: { images: 2 } });
  await world.use('large', { at, model: 'painter', variant: 'hd:1792x1024', usage: { images: 1 } });
  await world.use('speech', { at, model: 'speaker', usage: { characters: 1_000 } });
  await world.use('minutes', { at, model: 'listener', usage: { seconds: 90 } });
  await world.use('ranking', { at, model: 'ranker', usage: { uncachedInput: 500 } });
  await world.use('tagged', { at, model: 'llama2:7b', usage: { uncachedInput: 1_000_000 } });
  await closePeriod(world.closing('2026-12-01T00:00:00.000Z'), { accountId: ACCOUNT, period: '2026-11' });
});

async function linesOf(invoiceId: string): Promise<readonly InvoiceLine[]> {
  const invoice = await readInvoice(world.store, invoiceId);
  return invoice?.drafted.lines ?? [];
}

function figures({ model, meter, quantity, unitPriceMicrosPerMillion, exactPicos, requestCount }: InvoiceLine) {
  return [model, meter, quantity, unitPriceMicrosPerMillion, exactPicos, requestCount];
}

describe('an invoice of everything that has a price', () => {
  it('has a line for each unit price of a meter, cheapest first, and one for each variant', async () => {
    expect((await linesOf(USD)).map(figures)).toEqual([
      ['listener', 'seconds', 90, 100_000_000, '9000000000', 1],
      // A call that grew by correction is taken back from one line and stands on the other.
      ['long', 'uncachedInput', 1_000, 1_250_000, '1250000000', 2],
      ['long', 'uncachedInput', 900 + 1_001, 2_500_000, '4752500000', 2],
      ['long', 'uncachedInput', 5_001, 5_000_000, '25005000000', 1],
      ['long', 'cacheRead', 101, 2_500_000, '252500000', 1],
      ['long', 'outputText', 10 + 40, 10_000_000, '500000000', 2],
      ['long', 'outputText', 20, 15_000_000, '300000000', 1],
      ['long#batch', 'uncachedInput', 9_000, 625_000, '5625000000', 1],
      ['long#batch', 'outputText', 80, 5_000_000, '400000000', 1],
      ['painter', 'images', 1, 120_000_000_000, '120000000000', 1],
      ['painter#standard:1024x1024', 'images', 2, 40_000_000_000, '80000000000', 1],
      ['ranker', 'uncachedInput', 500, 0, '0', 1],
      ['ranker', 'requests', 1, 2_000_000_000, '2000000000', 1],
      ['speaker', 'characters', 1_000, 15_000_000, '15000000000', 1],
    ]);
  });

  it('states a quantity times a unit price on every line', async () => {
    for (const line of [...(await linesOf(USD)), ...(await linesOf(CNY))]) {
      expect(BigInt(line.quantity) * BigInt(line.unitPriceMicrosPerMillion)).toBe(BigInt(line.exactPicos));
    }
  });

  it('names the model that was asked for where its family has the price', async () => {
    expect((await linesOf(CNY)).map(figures)).toEqual([
      ['llama2:7b', 'uncachedInput', 1_000_000, 2_000_000, '2000000000000', 1],
    ]);
  });

  it('is recomputed from events alone', async () => {
    expect(await verifyInvoice(world.store, USD)).toEqual({ equal: true, lines: 14, facts: 12 });
    expect(await verifyInvoice(world.store, CNY)).toEqual({ equal: true, lines: 1, facts: 1 });
  });

  it('leads from each line back to the calls that paid its price', async () => {
    const invoice = await readInvoice(world.store, USD);
    const window = windowOf(await readBooks(world.store, ACCOUNT), ACCOUNT, '2026-11');
    if (!invoice || !window) throw new Error('no invoice');
    const requests = lineRequestsOf(world.store);
    const { lines } = await invoiceDocumentWithRequests(invoice, window, requests, new PriceBooks(world.store));
    for (const line of lines) expect(line.requestIds).toHaveLength(line.requestCount);
    const ofLong = lines.filter(({ model }) => model === 'long').map(({ requestIds }) => requestIds);
    const named = (...names: string[]) => names.map(requestIdOf).toSorted();
    expect(ofLong).toEqual([
      named('short', 'grown'),
      named('middle', 'grown'),
      named('longest'),
      named('middle'),
      named('short', 'longest'),
      named('middle'),
    ]);
  });
});

/** Changes the stored text of events of a type. */
async function differencesIn(type: string, from: string | RegExp, to: string) {
  const tamper = (event: RecordedEvent) =>
    event.type === type ? { ...event, data: event.data.replace(from, to) } : event;
  const tampered = new TamperedStore(world.store, tamper);
  const verification = await verifyInvoice(tampered, USD);
  expect(tampered.tampered, 'something was tampered with').toBe(true);
  return verification.equal
    ? []
    : verification.differences.map(({ where, expected, found }) => [where, expected, found]);
}

describe('verification finds', () => {
  it('a unit price changed on one of several lines of a meter', async () => {
    const differences = await differencesIn(
      'InvoiceDrafted',
      '"unitPriceMicrosPerMillion":2500000',
      '"unitPriceMicrosPerMillion":2500001',
    );
    expect(differences).toEqual([['line 3 unitPriceMicrosPerMillion', '2500000', '2500001']]);
  });

  it('a quantity moved from one unit price to another', async () => {
    const moved = await differencesIn('InvoiceDrafted', '"quantity":5001', '"quantity":5002');
    expect(moved).toEqual([['line 4 quantity', '5001', '5002']]);
  });

  it('one of several lines of a meter missing, or there twice', async () => {
    const [, , , line] = await linesOf(USD);
    const text = JSON.stringify(line);
    expect(await differencesIn('InvoiceDrafted', `${text},`, '')).toEqual([
      ['lines', `key_1 long uncachedInput ${world.priceVersion}`, 'nothing'],
    ]);
    expect(await differencesIn('InvoiceDrafted', text, `${text},${text}`)).toEqual([
      ['line 4', 'nothing', `key_1 long uncachedInput ${world.priceVersion}`],
    ]);
  });

  it('a call that was recorded as another variant', async () => {
    const differences = await differencesIn('UsageRecorded', '"painter#standard:1024x1024"', '"painter"');
    expect(differences[0]?.slice(1)).toEqual(['240000000000', '80000000000']);
  });

  it('a variant that the price book does not name', async () => {
    const differences = await differencesIn('UsageRecorded', '"long#batch"', '"long#cheap"');
    expect(differences[0]?.slice(1)).toEqual(['a price for long#cheap', 'nothing']);
  });

  it('a call that was cut below a threshold', async () => {
    const differences = await differencesIn('UsageRecorded', '"uncachedInput":5001', '"uncachedInput":5000');
    expect(differences[0]?.slice(1)).toEqual(['13100000000', '25405000000']);
  });
});
