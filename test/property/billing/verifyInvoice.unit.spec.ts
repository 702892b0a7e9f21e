import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { METERS } from '../../../events/meters.ts';
import { windowOf } from '../../../services/billing/invoicing/billingWindow.ts';
import { closePeriod, readBooks } from '../../../services/billing/invoicing/closePeriod.ts';
import { readInvoice } from '../../../services/billing/invoicing/readInvoice.ts';
import { PriceBooks } from '../../../services/billing/pricebook/priceBooks.ts';
import { invoiceDocumentWithRequests } from '../../../services/billing/rendering/invoiceDocument.ts';
import { verifyInvoice } from '../../../services/billing/verification/verifyInvoice.ts';
import { ACCOUNT, lineRequestsOf, World } from '../../unit/billing/world.ts';

const usage = fc.record(Object.fromEntries(METERS.map((meter) => [meter, fc.nat(3_000)])), { requiredKeys: [] });
const call = fc.record({
  model: fc.constantFrom('long', 'painter', 'speaker', 'listener', 'ranker', 'meters', 'llama2:7b', 'gpt-4o-mini'),
  variant: fc.option(fc.constantFrom('batch', 'standard:1024x1024', 'unheard-of'), { nil: undefined }),
  usage,
  corrected: fc.option(usage, { nil: undefined }),
});

describe('an invoice of any calls of every kind', () => {
  it('verifies, and each line leads back to exactly the calls of its hash', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(call, { minLength: 1, maxLength: 12 }), async (calls) => {
        const world = await World.create();
        const at = '2026-11-03T10:00:00.000Z';
        for (const [name, { variant, corrected, ...used }] of calls.entries()) {
          await world.use(name, { at, ...used, ...(variant !== undefined && { variant }) });
          if (corrected) await world.correct(name, { at, usage: corrected });
        }
        const outcome = await closePeriod(world.closing('2026-12-01T00:00:00.000Z'), {
          accountId: ACCOUNT,
          period: '2026-11',
        });
        const window = windowOf(await readBooks(world.store, ACCOUNT), ACCOUNT, '2026-11');
        if (!outcome.ok || !window) throw new Error('not closed');
        const books = new PriceBooks(world.store);
        for (const { invoiceId } of outcome.invoices) {
          expect(await verifyInvoice(world.store, invoiceId)).toMatchObject({ equal: true });
          const invoice = await readInvoice(world.store, invoiceId);
          if (!invoice) throw new Error('no invoice');
          const requests = lineRequestsOf(world.store);
          const { lines } = await invoiceDocumentWithRequests(invoice, window, requests, books);
          for (const { requestIds = [], requestsHash } of lines) {
            const hash = createHash('sha256').update(requestIds.map((id) => `${id}\n`).join(''));
            expect(hash.digest('hex')).toBe(requestsHash);
          }
        }
      }),
      { numRuns: 60 },
    );
  });
});
