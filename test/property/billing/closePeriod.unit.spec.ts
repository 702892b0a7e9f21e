import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { EventStore } from '../../../events/eventStore.ts';
import { closePeriod } from '../../../services/billing/invoicing/closePeriod.ts';
import { verifyInvoice } from '../../../services/billing/verification/verifyInvoice.ts';
import { ACCOUNT, World } from '../../unit/billing/world.ts';

const MONTHS = ['2026-11', '2026-12', '2027-01'] as const;

/** A store whose every call waits until the scheduler lets it through, and whose answer waits again. */
function scheduled(store: EventStore, scheduler: fc.Scheduler): EventStore {
  const through = async <T>(call: () => Promise<T>): Promise<T> => {
    await scheduler.schedule(Promise.resolve());
    return scheduler.schedule(call());
  };
  return {
    append: (append) => through(() => store.append(append)),
    readStream: (stream, options) => through(() => store.readStream(stream, options)),
    readAll: (options) => through(() => store.readAll(options)),
    subscribe: (options) => store.subscribe(options),
    head: () => through(() => store.head()),
    close: () => store.close(),
  };
}

describe('closing by several processes', () => {
  it('makes one closing and one invoice, in whichever order their calls reach the store', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(fc.nat(5), { minLength: 2, maxLength: 3 }),
        async (scheduler, delays) => {
          const world = await World.create();
          await world.use(1, { at: '2026-11-03T10:00:00.000Z', usage: { uncachedInput: 9 } });
          await world.use(2, { at: '2026-11-04T10:00:00.000Z', usage: { uncachedInput: 9 }, model: 'llama2' });
          const closers = delays.map((delay) => {
            const now = new Date(Date.UTC(2026, 11, 1, 0, 0, 0, delay)).toISOString();
            const ports = world.closing(now, scheduled(world.store, scheduler));
            return closePeriod(ports, { accountId: ACCOUNT, period: '2026-11' });
          });
          const outcomes = await scheduler.waitFor(Promise.all(closers));
          expect(
            new Set(outcomes.map((outcome) => outcome.ok && outcome.invoices.map(({ number }) => number).join())),
          ).toEqual(new Set(['INV-2026-000001,INV-2026-000002']));
          const types = (await world.events()).map(({ type }) => type).slice(6);
          expect(types.toSorted()).toEqual([
            'InvoiceDrafted',
            'InvoiceDrafted',
            'InvoiceFinalized',
            'InvoiceFinalized',
            'InvoiceNumberAllocated',
            'InvoiceNumberAllocated',
            'PeriodClosed',
            'PeriodOpened',
          ]);
        },
      ),
      { numRuns: 30 },
    );
  });
});

describe('consecutive periods', () => {
  /** A call or correction of some time, stored before one of the closings. */
  const entry = fc.record({
    beforeClosing: fc.constantFrom(0, 1, 2),
    at: fc
      .integer({ min: Date.UTC(2026, 10, 1), max: Date.UTC(2027, 0, 31) })
      .map((epochMs) => new Date(epochMs).toISOString()),
    tokens: fc.integer({ min: 1, max: 1_000_000 }),
    corrected: fc.option(
      fc.record({ later: fc.constantFrom(0, 1, 2), tokens: fc.integer({ min: 1_000_000, max: 2_000_000 }) }),
    ),
  });

  it('bill every token once, whenever it was stored, and each invoice verifies', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(entry, { maxLength: 12 }), async (entries) => {
        const world = await World.create();
        for (const [closing, period] of MONTHS.entries()) {
          for (const [name, { beforeClosing, at, tokens, corrected }] of entries.entries()) {
            if (beforeClosing === closing) await world.use(name, { at, usage: { uncachedInput: tokens } });
            if (corrected && Math.max(corrected.later, beforeClosing) === closing) {
              await world.correct(name, { at, usage: { uncachedInput: corrected.tokens } });
            }
          }
          const outcome = await closePeriod(world.closing('2027-02-02T00:00:00.000Z'), { accountId: ACCOUNT, period });
          expect(outcome.ok).toBe(true);
        }
        const drafted = await world.eventsOf('InvoiceDrafted');
        const billed = drafted.flatMap(({ lines }) => lines).reduce((sum, { quantity }) => sum + quantity, 0);
        expect(billed).toBe(entries.reduce((sum, { tokens, corrected }) => sum + (corrected?.tokens ?? tokens), 0));
        for (const { invoiceId } of drafted) {
          expect(await verifyInvoice(world.store, invoiceId)).toMatchObject({ equal: true });
        }
      }),
      { numRuns: 40 },
    );
  });
});
