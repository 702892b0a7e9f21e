import { describe, expect, it } from 'vitest';
import type { InvoiceLine } from '../../../events/invoice/invoice.events.ts';
import { readInvoice, type StoredInvoice } from '../../../services/billing/invoicing/readInvoice.ts';
import { closePeriod, readBooks } from '../../../services/billing/invoicing/closePeriod.ts';
import { windowOf } from '../../../services/billing/invoicing/billingWindow.ts';
import { invoiceCsv } from '../../../services/billing/rendering/invoiceCsv.ts';
import { PriceBooks } from '../../../services/billing/pricebook/priceBooks.ts';
import { invoiceDocument, invoiceDocumentWithRequests } from '../../../services/billing/rendering/invoiceDocument.ts';
import { invoiceTable } from '../../../services/billing/rendering/invoiceTable.ts';
import { exampleHash, invoiceDrafted, invoiceFinalized, requestIdOf } from '../../support/events.ts';
import { ACCOUNT, lineRequestsOf, World } from './world.ts';

function line(change: Partial<InvoiceLine>): InvoiceLine {
  return {
    line: 1,
    keyId: 'key_1',
    model: 'mini',
    meter: 'uncachedInput',
    priceVersion: exampleHash('book'),
    quantity: 2_000,
    unitPriceMicrosPerMillion: 2_500_000,
    exactPicos: '5000000000',
    amount: '1',
    requestCount: 3,
    requestsHash: exampleHash('requests'),
    ...change,
  };
}

const lines = [
  line({}),
  line({
    line: 2,
    model: '=HYPERLINK("x")',
    meter: 'outputText',
    quantity: -400,
    exactPicos: '-1000000000',
    amount: '0',
  }),
  line({ line: 3, model: '\u001b[31mred, "quoted"', quantity: -8_000, exactPicos: '-20000000000', amount: '-2' }),
];
const drafted = invoiceDrafted({
  lines,
  exactTotalPicos: '1234567890123',
  total: '123',
  roundingAmount: '124',
  occurredAt: '2026-12-01T01:00:00.000Z',
});
const final: StoredInvoice = { status: 'final', drafted, finalized: invoiceFinalized({ number: 'INV-2026-000007' }) };
const document = invoiceDocument(final);

describe('an invoice as JSON', () => {
  it('states every amount as decimal text, exact and rounded', () => {
    expect(document).toEqual({
      invoiceId: drafted.invoiceId,
      number: 'INV-2026-000007',
      status: 'final',
      accountId: drafted.accountId,
      mode: 'live',
      period: drafted.period,
      start: drafted.start,
      end: drafted.end,
      cutoff: drafted.cutoff,
      issuedAt: '2026-12-01T01:00:00.000Z',
      currency: 'USD',
      lines: [
        {
          line: 1,
          keyId: 'key_1',
          model: 'mini',
          meter: 'uncachedInput',
          priceVersion: exampleHash('book'),
          quantity: 2_000,
          unitPricePerMillion: '2.5',
          exactAmount: '0.005',
          amount: '0.01',
          requestCount: 3,
          requestsHash: exampleHash('requests'),
        },
        expect.objectContaining({ quantity: -400, exactAmount: '-0.001', amount: '0.00' }),
        expect.objectContaining({ quantity: -8_000, exactAmount: '-0.02', amount: '-0.02' }),
      ],
      rounding: '1.24',
      exactTotal: '1.234567890123',
      total: '1.23',
    });
  });

  it('has no number while it is a draft', () => {
    expect(invoiceDocument({ status: 'drafted', drafted })).toMatchObject({ number: null, status: 'draft' });
  });

  it('leads from each line back to its requests', async () => {
    const world = await World.create();
    await world.use('b', { at: '2026-11-03T10:00:00.000Z', usage: { uncachedInput: 10, outputText: 5 } });
    await world.use('a', { at: '2026-11-04T10:00:00.000Z', usage: { uncachedInput: 10 } });
    await world.correct('b', { at: '2026-11-05T10:00:00.000Z', usage: { uncachedInput: 10, outputText: 6 } });
    const outcome = await closePeriod(world.closing('2026-12-01T00:00:00.000Z'), {
      accountId: ACCOUNT,
      period: '2026-11',
    });
    const invoice =
      outcome.ok && outcome.invoices[0] && (await readInvoice(world.store, outcome.invoices[0].invoiceId));
    const window = windowOf(await readBooks(world.store, ACCOUNT), ACCOUNT, '2026-11');
    if (!invoice || !window) throw new Error('no invoice');
    const document = await invoiceDocumentWithRequests(
      invoice,
      window,
      lineRequestsOf(world.store),
      new PriceBooks(world.store),
    );
    expect(document.lines.map(({ meter, requestCount, requestIds }) => [meter, requestCount, requestIds])).toEqual([
      ['uncachedInput', 2, [requestIdOf('a'), requestIdOf('b')].toSorted()],
      ['outputText', 1, [requestIdOf('b')]],
    ]);
  });
});

describe('an invoice as CSV', () => {
  const rows = invoiceCsv(document).split('\r\n');

  it('has a header, a row per line, a row for rounding, and sums to the total', () => {
    expect(rows[0]).toBe(
      'invoice,account,period,start,end,currency,line,key,model,meter,price_version,quantity,unit_price_per_million,exact_amount,amount,request_count,requests_hash',
    );
    expect(rows[1]).toBe(
      `INV-2026-000007,${drafted.accountId},${drafted.period},${drafted.start},${drafted.end},USD,1,key_1,mini,uncachedInput,${exampleHash('book')},2000,2.5,0.005,0.01,3,${exampleHash('requests')}`,
    );
    expect(rows.at(-2)).toBe(
      `INV-2026-000007,${drafted.accountId},${drafted.period},${drafted.start},${drafted.end},USD,,,,rounding,,,,,1.24,,`,
    );
    expect(rows.at(-1)).toBe('');
    expect(rows).toHaveLength(6);
    // 0.01 + 0.00 - 0.02 + 1.24 = 1.23
    expect(document.total).toBe('1.23');
  });

  it('lets no model name start a formula, and keeps negative amounts numbers', () => {
    expect(rows[2]).toContain(`,"'=HYPERLINK(""x"")",outputText,`);
    expect(rows[3]).toContain(',-8000,2.5,-0.02,-0.02,');
  });

  it('has a header and a rounding row when there is no line', () => {
    expect(invoiceCsv({ ...document, lines: [], rounding: '0.00' }).split('\r\n')).toHaveLength(3);
  });
});

describe('an invoice as a table', () => {
  it('shows lines, rounding and total', () => {
    const table = invoiceTable(document);
    expect(table.split('\n')[0]).toBe(
      `Invoice INV-2026-000007 (live) for ${drafted.accountId}, ${drafted.period}: ${drafted.start} to ${drafted.end}, in USD`,
    );
    expect(table).toMatch(/│ 1 │ key_1 │ mini +│ uncachedInput │ +2000 │ +2\.5 │ +0\.005 │ +0\.01 │ +3 │/);
    expect(table).toMatch(/rounding │ +│ +1\.24 │/);
    expect(table).toMatch(/total │ +1\.234567890123 │ +1\.23 │/);
  });

  it('sends no escape sequence to the terminal', () => {
    expect(invoiceTable(document)).not.toContain('\u001b');
    expect(invoiceTable(document)).toContain('?[31mred');
  });
});
