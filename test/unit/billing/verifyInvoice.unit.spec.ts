import { beforeAll, describe, expect, it } from 'vitest';
import { StoreUnavailable, type RecordedEvent } from '../../../events/eventStore.ts';
import { invoiceIdOf, requestStream } from '../../../events/ids.ts';
import { closePeriod } from '../../../services/billing/invoicing/closePeriod.ts';
import { verifyInvoice } from '../../../services/billing/verification/verifyInvoice.ts';
import { requestIdOf, usageRecorded } from '../../support/events.ts';
import { TamperedStore } from './tamperedStore.ts';
import { ACCOUNT, World } from './world.ts';

const NOVEMBER = invoiceIdOf(ACCOUNT, '2026-11', 'USD');
const DECEMBER = invoiceIdOf(ACCOUNT, '2026-12', 'USD');
let world: World;

beforeAll(async () => {
  world = await World.create();
  await world.openAccount('acct_other');
  await world.use(1, { at: '2026-11-03T10:00:00.000Z', usage: { uncachedInput: 1_000_000, outputText: 200_000 } });
  await world.use(2, {
    at: '2026-11-04T10:00:00.000Z',
    usage: { uncachedInput: 500, cacheRead: 100 },
    model: 'meters',
  });
  await world.use(3, { at: '2026-11-05T10:00:00.000Z', usage: { uncachedInput: 9 }, model: 'llama2' });
  await world.use(4, { at: '2026-11-05T10:00:00.000Z', usage: { uncachedInput: 9 }, accountId: 'acct_other' });
  await world.use(5, { at: '2026-12-01T00:00:00.000Z', usage: { uncachedInput: 3 } });
  await closePeriod(world.closing('2026-12-01T01:00:00.000Z'), { accountId: ACCOUNT, period: '2026-11' });
  await world.use(6, { at: '2026-11-30T00:00:00.000Z', usage: { uncachedInput: 4 } });
  await world.correct(1, { at: '2026-12-02T00:00:00.000Z', usage: { uncachedInput: 1_000_000, outputText: 200_100 } });
  await closePeriod(world.closing('2027-01-01T00:00:00.000Z'), { accountId: ACCOUNT, period: '2026-12' });
});

/** Changes the stored text of events of a type. */
function change(
  type: string,
  from: string | RegExp,
  to: string,
  where: (event: RecordedEvent) => boolean = () => true,
) {
  return (event: RecordedEvent): RecordedEvent => {
    if (event.type !== type || !where(event)) return event;
    return { ...event, data: event.data.replace(from, to) };
  };
}

async function differencesIn(tamper: (event: RecordedEvent) => RecordedEvent | null, invoiceId = NOVEMBER) {
  const tampered = new TamperedStore(world.store, tamper);
  const verification = await verifyInvoice(tampered, invoiceId);
  expect(tampered.tampered, 'something was tampered with').toBe(true);
  return verification.equal
    ? []
    : verification.differences.map(({ where, expected, found }) => [where, expected, found]);
}

const ofRequest = (name: number) => (event: RecordedEvent) => event.stream === requestStream(requestIdOf(name));
const ofInvoice = (event: RecordedEvent) => event.stream === `invoice-${NOVEMBER}`;
const eventIdOf = async (name: number) => {
  const recorded = await world.store.readStream(requestStream(requestIdOf(name)), { direction: 'forwards', limit: 2 });
  return recorded[1]?.eventId ?? '';
};

describe('an invoice recomputed from events alone', () => {
  it('is equal', async () => {
    expect(await verifyInvoice(world.store, NOVEMBER)).toEqual({ equal: true, lines: 4, facts: 2 });
  });

  it('is equal when it bills late usage and a correction', async () => {
    expect(await verifyInvoice(world.store, DECEMBER)).toEqual({ equal: true, lines: 2, facts: 4 });
  });

  it('does not exist, and says so', async () => {
    expect(await verifyInvoice(world.store, requestIdOf('none'))).toEqual({
      equal: false,
      differences: [{ where: 'invoice', expected: 'an invoice', found: 'nothing' }],
    });
  });

  it('cannot be verified while the store is away', async () => {
    const away = (): never => {
      throw new StoreUnavailable('away');
    };
    await expect(verifyInvoice(new TamperedStore(world.store, away), NOVEMBER)).rejects.toThrow(StoreUnavailable);
  });
});

describe('verification finds', () => {
  it('a changed quantity of a call', async () => {
    const tamper = change('UsageRecorded', '"outputText":200000', '"outputText":200001', ofRequest(1));
    expect(await differencesIn(tamper)).toEqual([
      [`usage event ${await eventIdOf(1)} amountPicos`, '180000150000', '180000000000'],
      ['invoice exactTotalPicos', '181375150000', '181375000000'],
      ['line 2 quantity', '200001', '200000'],
      ['line 2 exactPicos', '30000150000', '30000000000'],
      ['finalized invoice exactTotalPicos', '181375150000', '181375000000'],
    ]);
  });

  it('a changed amount of a call', async () => {
    const tamper = change(
      'UsageRecorded',
      '"amountPicos":"180000000000"',
      '"amountPicos":"180000000001"',
      ofRequest(1),
    );
    expect(await differencesIn(tamper)).toEqual([
      [`usage event ${await eventIdOf(1)} amountPicos`, '180000000000', '180000000001'],
    ]);
  });

  it('a dropped call', async () => {
    const differences = await differencesIn((event) => (ofRequest(2)(event) ? null : event));
    expect(differences.map(([where]) => where)).toEqual([
      'invoice exactTotalPicos',
      'line 3',
      'line 4',
      'finalized invoice exactTotalPicos',
    ]);
  });

  it('a call moved to another key, model or period', async () => {
    const moved = await differencesIn(change('UsageRecorded', '"keyId":"key_1"', '"keyId":"key_2"', ofRequest(2)));
    expect(moved.map(([where]) => where)).toEqual(['lines', 'lines', 'line 3', 'line 4']);
    const remodelled = await differencesIn(change('UsageRecorded', '"gpt-4o-mini"', '"free"', ofRequest(1)));
    expect(remodelled[0]).toEqual([`usage event ${await eventIdOf(1)} amountPicos`, '0', '180000000000']);
    const later = await differencesIn(change('UsageRecorded', '2026-11-03', '2026-12-03', ofRequest(1)));
    expect(later.map(([where]) => where)).toContain('invoice exactTotalPicos');
  });

  it('a call charged in another currency than its price', async () => {
    expect(await differencesIn(change('UsageRecorded', '"CNY"', '"USD"', ofRequest(3)))).toContainEqual([
      'usage',
      'events that can be read and billed',
      expect.stringContaining('charged in USD, priced in CNY'),
    ]);
  });

  it('a call of another account put on the bill', async () => {
    const differences = await differencesIn(change('UsageRecorded', '"acct_other"', `"${ACCOUNT}"`, ofRequest(4)));
    expect(differences).toContainEqual(['line 1 quantity', '1000009', '1000000']);
    expect(differences).toContainEqual(['line 1 requestCount', '2', '1']);
    expect(differences.map(([where]) => where)).toContain('line 1 requestsHash');
  });

  it('a call that was recorded twice', async () => {
    const doubled = await World.create();
    const { requestId } = await doubled.use(1, { at: '2026-11-03T10:00:00.000Z', usage: { uncachedInput: 1 } });
    const { priceVersion } = doubled;
    const again = usageRecorded({ requestId, priceVersion, usage: { uncachedInput: 1 }, amountPicos: '150000' });
    await doubled.append(requestStream(requestId), again);
    await closePeriod(doubled.closing('2026-12-01T00:00:00.000Z'), { accountId: ACCOUNT, period: '2026-11' });
    expect(await verifyInvoice(doubled.store, NOVEMBER)).toEqual({
      equal: false,
      differences: [
        {
          where: `usage event ${again.eventId}`,
          expected: 'one UsageRecorded per request',
          found: expect.stringMatching(/^another, /) as string,
        },
      ],
    });
  });

  it('a usage event in the stream of another request', async () => {
    const tamper = change(
      'UsageRecorded',
      `"requestId":"${requestIdOf(1)}"`,
      `"requestId":"${requestIdOf(9)}"`,
      ofRequest(1),
    );
    const differences = await differencesIn(tamper);
    expect(differences[0]?.slice(1)).toEqual([requestStream(requestIdOf(9)), requestStream(requestIdOf(1))]);
  });

  it('a usage event that does not parse', async () => {
    const tamper = change('UsageRecorded', '"outputText":200000', '"outputText":-1', ofRequest(1));
    const differences = await differencesIn(tamper);
    expect(differences[0]).toEqual([
      'event at position 5',
      'events that can be read and billed',
      'UsageRecorded version 2 does not parse',
    ]);
  });

  it('a correction that does not replace what stood there', async () => {
    const tamper = change(
      'UsageCorrected',
      /"previous":\{"usage":\{"uncachedInput":1000000/,
      '"previous":{"usage":{"uncachedInput":999999',
    );
    const differences = await differencesIn(tamper, DECEMBER);
    expect(differences[0]).toEqual([
      expect.stringMatching(/^usage event .* previous$/),
      'uncachedInput 1000000, outputText 200000: 180000000000 picos',
      'uncachedInput 999999, outputText 200000: 180000000000 picos',
    ]);
  });

  it('a correction of nothing', async () => {
    const differences = await differencesIn(
      (event) => (event.type === 'UsageRecorded' && ofRequest(1)(event) ? null : event),
      DECEMBER,
    );
    expect(differences[0]?.slice(1)).toEqual(['a figure to correct', 'nothing']);
  });

  it('a changed price', async () => {
    const differences = await differencesIn(change('PriceBookPublished', '"blended":150000', '"blended":150001'));
    expect(differences[0]).toEqual([
      `price book ${world.priceVersion}`,
      'events that can be read and billed',
      expect.stringMatching(/holds content of version [0-9a-f]{64}, said to be/),
    ]);
  });

  it('a price book that is gone', async () => {
    const differences = await differencesIn((event) => (event.type === 'PriceBookPublished' ? null : event));
    expect(differences[0]?.[2]).toBe(`pricebook-${world.priceVersion} does not exist`);
  });

  it('a model that the price book does not name', async () => {
    const differences = await differencesIn(change('UsageRecorded', '"gpt-4o-mini"', '"unheard-of"', ofRequest(1)));
    expect(differences[0]).toEqual([`usage event ${await eventIdOf(1)}`, 'a price for unheard-of', 'nothing']);
  });

  it.each([
    ['a quantity', '"quantity":200000', '"quantity":200001', 'line 2 quantity'],
    [
      'a unit price',
      '"unitPriceMicrosPerMillion":150000',
      '"unitPriceMicrosPerMillion":150001',
      'line 1 unitPriceMicrosPerMillion',
    ],
    ['an exact amount', '"exactPicos":"30000000000"', '"exactPicos":"30000000001"', 'line 2 exactPicos'],
    ['a rounded amount', '"amount":"15"', '"amount":"16"', 'line 1 amount'],
    ['a request count', '"requestCount":1', '"requestCount":2', 'line 1 requestCount'],
    ['a requests hash', /"requestsHash":"[0-9a-f]/, '"requestsHash":"', 'invoice'],
    [
      'the exact total',
      '"exactTotalPicos":"181375000000"',
      '"exactTotalPicos":"181375000001"',
      'invoice exactTotalPicos',
    ],
    ['the total', '"total":"18"', '"total":"17"', 'invoice total'],
    ['the rounding', '"roundingAmount":"0"', '"roundingAmount":"1"', 'invoice roundingAmount'],
    ['the start', '"start":"2026-11-01', '"start":"2026-11-02', 'invoice start'],
    ['the end', '"end":"2026-12-01', '"end":"2026-12-02', 'invoice end'],
    ['the cutoff', '"cutoff":"14"', '"cutoff":"13"', 'invoice cutoff'],
    ['the mode', '"mode":"live"', '"mode":"test"', 'invoice mode'],
    ['its id', '"eventId":"', '"eventId":"0', 'invoice'],
  ])('%s changed in the draft', async (_name, from, to, where) => {
    const differences = await differencesIn(change('InvoiceDrafted', from, to, ofInvoice));
    expect(differences.map(([place]) => place)).toContain(where);
  });

  it('a line removed from the draft', async () => {
    const differences = await differencesIn(change('InvoiceDrafted', /\{"line":4,.*?\},?\]/, ']', ofInvoice));
    // The text before the removed line ends in a comma, so the draft does not parse at all.
    expect(differences).toEqual([
      ['invoice', 'events that can be read and billed', 'InvoiceDrafted version 1 does not parse'],
    ]);
    const clean = await differencesIn(change('InvoiceDrafted', /,\{"line":4,.*?\}\]/, ']', ofInvoice));
    expect(clean).toEqual([['lines', `key_1 meters cacheRead ${world.priceVersion}`, 'nothing']]);
  });

  it.each([
    ['number', '"number":"INV-2026-000002"', '"number":"INV-2026-000009"', 'finalized invoice number'],
    ['total', '"total":"18"', '"total":"17"', 'finalized invoice total'],
    ['exact total', '"exactTotalPicos":"181375000000"', '"exactTotalPicos":"1"', 'finalized invoice exactTotalPicos'],
  ])('another %s in the finalization', async (_name, from, to, where) => {
    const differences = await differencesIn(change('InvoiceFinalized', from, to, ofInvoice));
    expect(differences.map(([place]) => place)).toEqual([where]);
  });

  it('an invoice that was never finalized', async () => {
    const differences = await differencesIn((event) =>
      event.type === 'InvoiceFinalized' && ofInvoice(event) ? null : event,
    );
    expect(differences).toEqual([['invoice', 'a final invoice', 'a draft']]);
  });

  it('an event after the finalization', async () => {
    const crowded = await World.create();
    await crowded.use(1, { at: '2026-11-03T10:00:00.000Z', usage: { uncachedInput: 1 } });
    await closePeriod(crowded.closing('2026-12-01T00:00:00.000Z'), { accountId: ACCOUNT, period: '2026-11' });
    const [finalized] = await crowded.eventsOf('InvoiceFinalized');
    if (!finalized) throw new Error('not final');
    await crowded.append(`invoice-${NOVEMBER}`, { ...finalized, eventId: requestIdOf('again'), total: '99' });
    expect(await verifyInvoice(crowded.store, NOVEMBER)).toEqual({
      equal: false,
      differences: [{ where: 'invoice', expected: 'two events', found: '3, the last InvoiceFinalized' }],
    });
  });

  it('a number that was given to another invoice', async () => {
    const tamper = change('InvoiceNumberAllocated', NOVEMBER, DECEMBER);
    expect(
      await differencesIn((event) => (event.data.includes(`"invoiceId":"${NOVEMBER}"`) ? tamper(event) : event)),
    ).toContainEqual(['number', 'one number of INV-2026', 'nothing']);
  });

  it('a gap in the series', async () => {
    const differences = await differencesIn(change('InvoiceNumberAllocated', '"sequence":1', '"sequence":7'));
    expect(differences[0]?.[0]).toBe('number 1 of series INV-2026');
  });

  it('periods that were moved', async () => {
    const of = (period: string) => (event: RecordedEvent) => event.data.includes(`"period":"${period}"`);
    const start = await differencesIn(
      change('PeriodOpened', '"start":"2026-11-01', '"start":"2026-11-02', of('2026-11')),
    );
    expect(start).toEqual([['invoice start', '2026-11-02T00:00:00.000Z', '2026-11-01T00:00:00.000Z']]);
    const gap = await differencesIn(
      change('PeriodOpened', '"start":"2026-12-01', '"start":"2026-12-02', of('2026-12')),
      DECEMBER,
    );
    expect(gap).toContainEqual(['period start', '2026-12-01T00:00:00.000Z', '2026-12-02T00:00:00.000Z']);
    const end = await differencesIn(change('PeriodClosed', '"end":"2026-12-01', '"end":"2026-12-02', of('2026-11')));
    expect(end).toContainEqual(['invoice end', '2026-12-02T00:00:00.000Z', '2026-12-01T00:00:00.000Z']);
    const cutoff = await differencesIn(change('PeriodClosed', '"cutoff":"14"', '"cutoff":"8"', of('2026-11')));
    expect(cutoff).toContainEqual(['invoice cutoff', '8', '14']);
  });

  it('a period that was never closed', async () => {
    const differences = await differencesIn((event) => (event.type === 'PeriodClosed' ? null : event));
    expect(differences).toEqual([['period', 'a closed period 2026-11', 'nothing']]);
  });
});
