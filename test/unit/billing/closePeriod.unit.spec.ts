import { describe, expect, it } from 'vitest';
import { StoreUnavailable } from '../../../events/eventStore.ts';
import { invoiceIdOf } from '../../../events/ids.ts';
import { closePeriod, type CloseOutcome } from '../../../services/billing/invoicing/closePeriod.ts';
import { InvoiceRefused } from '../../../services/billing/invoicing/invoiceRefused.ts';
import type { UsageFacts } from '../../../services/billing/ports.ts';
import { verifyInvoice } from '../../../services/billing/verification/verifyInvoice.ts';
import { usageRecorded, requestIdOf } from '../../support/events.ts';
import { CrashingStore } from './crashingStore.ts';
import { ACCOUNT, World } from './world.ts';

const NOVEMBER = { accountId: ACCOUNT, period: '2026-11' };
const DECEMBER = { accountId: ACCOUNT, period: '2026-12' };

async function worldWithUsage(): Promise<World> {
  const world = await World.create();
  await world.use(1, { at: '2026-11-03T10:00:00.000Z', usage: { uncachedInput: 1_000_000, outputText: 200_000 } });
  await world.use(2, {
    at: '2026-11-04T10:00:00.000Z',
    usage: { uncachedInput: 500, cacheRead: 100 },
    model: 'meters',
  });
  await world.use(3, { at: '2026-11-05T10:00:00.000Z', usage: { uncachedInput: 123_456 }, model: 'llama2' });
  await world.use(4, { at: '2026-11-06T10:00:00.000Z', usage: { outputText: 10 }, model: 'free' });
  return world;
}

function numbersOf(outcome: CloseOutcome): readonly string[] {
  if (!outcome.ok) throw new Error(outcome.refusal.reason);
  return outcome.invoices.map(({ number, currency, total }) => `${number} ${currency} ${total}`);
}

describe('closing a period', () => {
  it('issues one numbered invoice per currency', async () => {
    const world = await worldWithUsage();
    const outcome = await closePeriod(world.closing('2026-12-01T00:00:00.000Z'), NOVEMBER);
    expect(outcome).toEqual({
      ok: true,
      period: {
        period: '2026-11',
        start: '2026-11-01T00:00:00.000Z',
        end: '2026-12-01T00:00:00.000Z',
        cutoff: 11n,
        openedEventId: (await world.eventsOf('PeriodOpened'))[0]?.eventId,
        closedEventId: (await world.eventsOf('PeriodClosed'))[0]?.eventId,
        closedAt: '2026-12-01T00:00:00.000Z',
      },
      invoices: [
        {
          invoiceId: invoiceIdOf(ACCOUNT, '2026-11', 'CNY'),
          number: 'INV-2026-000001',
          currency: 'CNY',
          exactTotalPicos: '246912000000',
          total: '25',
        },
        {
          invoiceId: invoiceIdOf(ACCOUNT, '2026-11', 'USD'),
          number: 'INV-2026-000002',
          currency: 'USD',
          exactTotalPicos: '181375000000',
          total: '18',
        },
      ],
    });
  });

  it('is dated by the zone of the account', async () => {
    const world = await World.create({ zone: 'Asia/Shanghai' });
    await world.use(1, { at: '2026-11-30T15:59:59.999Z', usage: { uncachedInput: 1 } });
    await world.use(2, { at: '2026-11-30T16:00:00.000Z', usage: { uncachedInput: 2 } });
    await closePeriod(world.closing('2026-11-30T16:00:00.000Z'), NOVEMBER);
    const [drafted] = await world.eventsOf('InvoiceDrafted');
    expect(drafted).toMatchObject({ start: '2026-10-31T16:00:00.000Z', end: '2026-11-30T16:00:00.000Z' });
    expect(drafted?.lines.map(({ quantity }) => quantity)).toEqual([1]);
  });

  it('gives test accounts a series of their own', async () => {
    const world = await World.create({ mode: 'test' });
    await world.use(1, { at: '2026-11-03T10:00:00.000Z', usage: { uncachedInput: 7 }, mode: 'test' });
    const outcome = await closePeriod(world.closing('2026-12-01T00:00:00.000Z'), NOVEMBER);
    expect(numbersOf(outcome)).toEqual(['TEST-2026-000001 USD 0']);
  });

  it('makes no invoice of no usage, but closes the period', async () => {
    const world = await World.create();
    const outcome = await closePeriod(world.closing('2026-12-01T00:00:00.000Z'), NOVEMBER);
    expect(numbersOf(outcome)).toEqual([]);
    expect(await world.eventsOf('PeriodClosed')).toHaveLength(1);
  });

  it('is refused while the period runs', async () => {
    const world = await worldWithUsage();
    expect(await closePeriod(world.closing('2026-11-30T23:59:59.999Z'), NOVEMBER)).toEqual({
      ok: false,
      period: '2026-11',
      refusal: { reason: 'not_over', end: '2026-12-01T00:00:00.000Z' },
    });
    expect(await world.eventsOf('PeriodClosed')).toEqual([]);
  });

  it('ends a running period now when asked to, and what comes after goes on the next invoice', async () => {
    const world = await worldWithUsage();
    await closePeriod(world.closing('2026-11-20T12:00:00.000Z'), { ...NOVEMBER, early: true });
    await world.use(5, { at: '2026-11-20T12:00:00.000Z', usage: { uncachedInput: 5 } });
    await closePeriod(world.closing('2027-01-01T00:00:00.000Z'), DECEMBER);
    const drafted = await world.eventsOf('InvoiceDrafted');
    expect(drafted.map(({ period, start, end, currency }) => [period, start, end, currency])).toEqual([
      ['2026-11', '2026-11-01T00:00:00.000Z', '2026-11-20T12:00:00.000Z', 'CNY'],
      ['2026-11', '2026-11-01T00:00:00.000Z', '2026-11-20T12:00:00.000Z', 'USD'],
      ['2026-12', '2026-11-20T12:00:00.000Z', '2027-01-01T00:00:00.000Z', 'USD'],
    ]);
    expect(drafted[2]?.lines.map(({ quantity }) => quantity)).toEqual([5]);
  });

  it('puts usage that was stored after the cutoff on the next invoice, and bills a correction as its difference', async () => {
    const world = await worldWithUsage();
    await closePeriod(world.closing('2026-12-01T00:00:00.000Z'), NOVEMBER);
    await world.use('late', { at: '2026-11-30T23:59:59.999Z', usage: { uncachedInput: 40 } });
    await world.correct(1, {
      at: '2026-12-02T00:00:00.000Z',
      usage: { uncachedInput: 1_000_000, outputText: 200_100 },
    });
    await closePeriod(world.closing('2027-01-01T00:00:00.000Z'), DECEMBER);
    const december = (await world.eventsOf('InvoiceDrafted')).find(({ period }) => period === '2026-12');
    expect(december?.lines.map(({ meter, quantity, requestCount }) => [meter, quantity, requestCount])).toEqual([
      ['uncachedInput', 40, 2],
      ['outputText', 100, 1],
    ]);
  });

  it('closes the periods before it first, in order', async () => {
    const world = await worldWithUsage();
    await world.use(5, { at: '2027-01-10T00:00:00.000Z', usage: { uncachedInput: 5 } });
    const january = await closePeriod(world.closing('2027-02-01T00:00:00.000Z'), { ...NOVEMBER, period: '2027-01' });
    expect(numbersOf(january)).toEqual(['INV-2027-000001 USD 0']);
    expect((await world.eventsOf('PeriodClosed')).map(({ period }) => period)).toEqual([
      '2026-11',
      '2026-12',
      '2027-01',
    ]);
    expect((await world.eventsOf('InvoiceFinalized')).map(({ number }) => number)).toEqual([
      'INV-2026-000001',
      'INV-2026-000002',
      'INV-2027-000001',
    ]);
  });

  it('names what it cannot close', async () => {
    const world = await World.create();
    const ports = world.closing('2026-11-20T00:00:00.000Z');
    expect(await closePeriod(ports, { accountId: 'acct_nobody', period: '2026-11' })).toEqual({
      ok: false,
      period: '2026-11',
      refusal: { reason: 'unknown_account' },
    });
    expect(await closePeriod(ports, { ...NOVEMBER, period: '2026-10', early: true })).toEqual({
      ok: false,
      period: '2026-10',
      refusal: { reason: 'before_account', firstPeriod: '2026-11' },
    });
    expect(await closePeriod(ports, { ...NOVEMBER, period: '2030-01', early: true })).toEqual({
      ok: false,
      period: '2026-11',
      refusal: { reason: 'not_over', end: '2026-12-01T00:00:00.000Z' },
    });
  });

  it('waits for the read models to reach the cutoff before it reads facts', async () => {
    const world = await worldWithUsage();
    const ports = world.closing('2026-12-01T00:00:00.000Z');
    const calls: string[] = [];
    await closePeriod(
      {
        ...ports,
        readModels: {
          caughtUp: (position) => Promise.resolve(void calls.push(`caught up to ${position.toString()}`)),
          isParked: () => Promise.resolve(false),
        },
        facts: {
          read(window) {
            calls.push(`facts up to ${window.upTo.cutoff.toString()}`);
            return ports.facts.read(window);
          },
        },
      },
      NOVEMBER,
    );
    expect(calls).toEqual(['caught up to 11', 'facts up to 11']);
  });
});

describe('closing a period again', () => {
  it('changes nothing, however late and whatever happened since', async () => {
    const world = await worldWithUsage();
    const first = await closePeriod(world.closing('2026-12-01T00:00:00.000Z'), NOVEMBER);
    await world.use('late', { at: '2026-11-30T00:00:00.000Z', usage: { uncachedInput: 40 } });
    const head = await world.store.head();
    for (const early of [false, true]) {
      const again = await closePeriod(world.closing('2027-03-01T00:00:00.000Z'), { ...NOVEMBER, early });
      expect(again).toEqual(first);
    }
    expect(await world.store.head()).toBe(head);
  });

  it.each(['before', 'after'] as const)('goes on wherever a process died, %s any append', async (fault) => {
    const expected = await (async () => {
      const world = await worldWithUsage();
      return numbersOf(await closePeriod(world.closing('2026-12-01T00:00:00.000Z'), NOVEMBER));
    })();
    const crashes: number[] = [];
    for (let append = 1; ; append += 1) {
      const world = await worldWithUsage();
      const dying = new CrashingStore(world.store, append, fault);
      const attempt = closePeriod(world.closing('2026-12-01T00:00:00.000Z', dying), NOVEMBER);
      await attempt.catch((error: unknown) => {
        if (!(error instanceof StoreUnavailable)) throw error;
      });
      const outcome = await closePeriod(world.closing('2026-12-05T00:00:00.000Z'), NOVEMBER);
      expect(numbersOf(outcome)).toEqual(expected);
      await expectOneOfEach(world);
      if (!dying.crashed) break;
      crashes.push(append);
    }
    // Opened, closed; then drafted, numbered and finalized in two currencies.
    expect(crashes).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('makes one of everything when several processes do it at once, also across a death', async () => {
    const world = await worldWithUsage();
    const dying = new CrashingStore(world.store, 4, 'after');
    const outcomes = await Promise.allSettled([
      closePeriod(world.closing('2026-12-01T00:00:00.000Z'), NOVEMBER),
      closePeriod(world.closing('2026-12-01T00:00:00.007Z'), NOVEMBER),
      closePeriod(world.closing('2026-12-01T00:00:00.007Z', dying), NOVEMBER),
    ]);
    expect(outcomes.map(({ status }) => status).slice(0, 2)).toEqual(['fulfilled', 'fulfilled']);
    await expectOneOfEach(world);
  });
});

describe('a period is not invoiced', () => {
  it('while its usage is incomplete', async () => {
    const world = await worldWithUsage();
    const ports = world.closing('2026-12-01T00:00:00.000Z');
    const parked = { ...ports.readModels, isParked: () => Promise.resolve(true) };
    await expect(closePeriod({ ...ports, readModels: parked }, NOVEMBER)).rejects.toThrow(InvoiceRefused);
    expect(await world.eventsOf('InvoiceDrafted')).toEqual([]);
    expect(numbersOf(await closePeriod(ports, NOVEMBER))).toHaveLength(2);
  });

  it('when an amount does not follow from usage and price, and no later period is closed', async () => {
    const world = await worldWithUsage();
    const wrong = usageRecorded({
      requestId: requestIdOf('wrong'),
      priceVersion: world.priceVersion,
      usage: { uncachedInput: 1 },
      amountPicos: '150001',
    });
    await world.append(`request-${wrong.requestId}`, wrong);
    const ports = world.closing('2027-01-01T00:00:00.000Z');
    const refusal = `request ${wrong.requestId}: charged 150001 picos, rated 150000`;
    await expect(closePeriod(ports, NOVEMBER)).rejects.toThrow(refusal);
    await expect(closePeriod(ports, DECEMBER)).rejects.toThrow(refusal);
    expect((await world.eventsOf('PeriodClosed')).map(({ period }) => period)).toEqual(['2026-11']);
    expect(await world.eventsOf('InvoiceNumberAllocated')).toEqual([]);
  });

  it('when the price book of its usage is missing', async () => {
    const world = await World.create();
    const unpriced = usageRecorded();
    await world.append(`request-${unpriced.requestId}`, unpriced);
    await expect(closePeriod(world.closing('2026-12-01T00:00:00.000Z'), NOVEMBER)).rejects.toThrow(InvoiceRefused);
  });

  it('when an earlier draft of it says something else', async () => {
    const world = await World.create();
    await world.use(1, { at: '2026-11-03T10:00:00.000Z', usage: { uncachedInput: 7 } });
    await world.use(2, { at: '2026-11-03T11:00:00.000Z', usage: { uncachedInput: 7 } });
    const dying = new CrashingStore(world.store, 3, 'after');
    await expect(closePeriod(world.closing('2026-12-01T00:00:00.000Z', dying), NOVEMBER)).rejects.toThrow(
      StoreUnavailable,
    );
    const ports = world.closing('2026-12-02T00:00:00.000Z');
    await expect(closePeriod({ ...ports, facts: withoutFirst(ports.facts) }, NOVEMBER)).rejects.toThrow(
      'draft_differs',
    );
    expect(await world.eventsOf('InvoiceNumberAllocated')).toEqual([]);
    expect(numbersOf(await closePeriod(ports, NOVEMBER))).toEqual(['INV-2026-000001 USD 0']);
  });
});

/** A read model that has lost a fact. */
function withoutFirst(facts: UsageFacts): UsageFacts {
  return {
    async *read(window) {
      let first = true;
      for await (const page of facts.read(window)) {
        yield first ? page.slice(1) : page;
        first = false;
      }
    },
  };
}

async function expectOneOfEach(world: World): Promise<void> {
  const events = await world.events();
  const count = (type: string) => events.filter((event) => event.type === type).length;
  expect(
    ['PeriodOpened', 'PeriodClosed', 'InvoiceDrafted', 'InvoiceNumberAllocated', 'InvoiceFinalized'].map(count),
  ).toEqual([1, 1, 2, 2, 2]);
  for (const { invoiceId } of await world.eventsOf('InvoiceFinalized')) {
    expect(await verifyInvoice(world.store, invoiceId)).toMatchObject({ equal: true });
  }
}
