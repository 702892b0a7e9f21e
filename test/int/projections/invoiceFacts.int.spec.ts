import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { InvoiceFacts, type UsageFact } from '../../../projections/requests/invoiceFacts.ts';
import { requestsProjection } from '../../../projections/requests/requests.projection.ts';
import type { BillingWindow, LineRequests, UsageFacts } from '../../../services/billing/ports.ts';
import {
  PRICE_VERSION,
  recorded,
  requestAccepted,
  requestIdOf,
  usageCorrected,
  usageRecorded,
} from '../../support/events.ts';
import { pagesOf, Stage } from './stage.ts';

let stage: Stage;
let facts: InvoiceFacts;

const [october, november, correctedOctober, lateOctober, december] = [1, 2, 3, 4, 5].map(requestIdOf);
const ends = { october: '2026-11-01T00:00:00.000Z', november: '2026-12-01T00:00:00.000Z' };

beforeAll(async () => {
  stage = await Stage.open();
  await stage.reset(requestsProjection);
  const used = (requestId: string | undefined, occurredAt: string, usage = { outputText: 10 }) =>
    usageRecorded({ ...(requestId && { requestId }), occurredAt, usage, amountPicos: '10' });
  const events = [
    ...[october, november, correctedOctober, lateOctober, december].map((requestId) =>
      requestAccepted({ ...(requestId && { requestId }) }),
    ),
    used(october, '2026-10-31T23:59:59.999Z'), // position 6
    used(correctedOctober, '2026-10-31T12:00:00.000Z'), // 7
    used(november, '2026-11-01T00:00:00.000Z'), // 8: after October's end, before its cutoff
    used(lateOctober, '2026-10-31T23:59:59.999Z'), // 9: October's, but after its cutoff
    used(december, '2026-12-01T00:00:00.000Z'), // 10
    usageCorrected({
      ...(correctedOctober && { requestId: correctedOctober }),
      occurredAt: '2026-11-05T00:00:00.000Z',
      previous: { usage: { outputText: 10 }, source: 'unknown', amountPicos: '10' },
      corrected: { usage: { outputText: 0, cacheRead: 7 }, source: 'reported', amountPicos: '3' },
    }), // 11
    requestAccepted({ requestId: requestIdOf('foreign'), accountId: 'acct_other' }),
    usageRecorded({ requestId: requestIdOf('foreign'), accountId: 'acct_other' }),
  ];
  for (const page of pagesOf(recorded(events), 100)) {
    expect(await stage.apply(requestsProjection, page)).toEqual({ outcome: 'applied', parked: 0 });
  }
  facts = new InvoiceFacts(stage.sql);
});
afterAll(() => stage.close());

const accountId = 'acct_live1';
const octoberWindow: BillingWindow = { accountId, upTo: { end: ends.october, cutoff: 8n }, after: null };
const novemberWindow: BillingWindow = {
  accountId,
  upTo: { end: ends.november, cutoff: 20n },
  after: octoberWindow.upTo,
};

async function read(window: BillingWindow): Promise<UsageFact[]> {
  const port: UsageFacts = facts;
  const all: UsageFact[] = [];
  for await (const page of port.read(window)) all.push(...page);
  return all;
}

const ids = (read: readonly UsageFact[]) => read.map(({ requestId }) => requestId);

describe('the facts of a billing window', () => {
  it('are those served before the end and recorded up to the cutoff', async () => {
    expect(ids(await read(octoberWindow))).toEqual([october, correctedOctober].sort());
  });

  it('take up in the next window what came too late, and what was served after the end before the cutoff', async () => {
    expect(ids(await read(novemberWindow))).toEqual([november, lateOctober, correctedOctober, correctedOctober].sort());
  });

  it('are in exactly one of consecutive windows, in ascending order of request', async () => {
    const last: BillingWindow = {
      accountId,
      upTo: { end: '2027-01-01T00:00:00.000Z', cutoff: 100n },
      after: novemberWindow.upTo,
    };
    const windows = [await read(octoberWindow), await read(novemberWindow), await read(last)];
    expect(windows.flat()).toHaveLength(7);
    for (const window of windows) expect(ids(window)).toEqual(ids(window).toSorted());
  });

  it('state a correction as what is taken back and what is new', async () => {
    const corrected = (await read(novemberWindow)).filter(({ requestId }) => requestId === correctedOctober);
    const common = {
      requestId: correctedOctober,
      keyId: 'key_1',
      model: 'gpt-4o-mini',
      mode: 'live',
      priceVersion: PRICE_VERSION,
      currency: 'USD',
    };
    expect(corrected).toEqual([
      { ...common, usage: { outputText: -10 }, amount: -10n },
      { ...common, usage: { outputText: 0, cacheRead: 7 }, amount: 3n },
    ]);
  });

  it('are none for an account without usage', async () => {
    expect(await read({ ...octoberWindow, accountId: 'acct_none' })).toEqual([]);
  });
});

describe('the requests of an invoice line', () => {
  const line = {
    keyId: 'key_1',
    model: 'gpt-4o-mini',
    meter: 'outputText',
    priceVersion: PRICE_VERSION,
    currency: 'USD',
  } as const;
  const port = (): LineRequests => facts;

  it('are those with a quantity on its meter, each once, sorted', async () => {
    expect(await port().idsOf(novemberWindow, line)).toEqual([november, lateOctober, correctedOctober].sort());
    expect(await port().idsOf(novemberWindow, { ...line, meter: 'cacheRead' })).toEqual([correctedOctober]);
  });

  it('are those whose input is in a range, where the line is one of several for a meter', async () => {
    const upTo = (limit: number) => port().idsOf(novemberWindow, line, [{ above: -1, upTo: limit }]);
    const above = (limit: number) => port().idsOf(novemberWindow, line, [{ above: limit, upTo: null }]);
    // The correction states output that is taken back without input, and cached input without output.
    expect(await upTo(0)).toEqual([november, lateOctober, correctedOctober].sort());
    expect(await above(0)).toEqual([]);
    expect(await port().idsOf(novemberWindow, line, [])).toEqual([]);
    const cached = { ...line, meter: 'cacheRead' } as const;
    const inRanges = (...ranges: { above: number; upTo: number | null }[]) =>
      port().idsOf(novemberWindow, cached, ranges);
    expect(await inRanges({ above: 7, upTo: null }, { above: -1, upTo: 6 })).toEqual([]);
    expect(await inRanges({ above: 7, upTo: null }, { above: 6, upTo: 7 })).toEqual([correctedOctober]);
  });

  it.each([
    { meter: 'reasoning' },
    { keyId: 'key_2' },
    { model: 'other' },
    { currency: 'CNY' },
    { priceVersion: 'b' },
  ] as const)('are none where the line differs by %j', async (change) => {
    expect(await port().idsOf(novemberWindow, { ...line, ...change })).toEqual([]);
  });
});

describe('a window with more facts than a page', () => {
  it('is read completely, each fact once', async () => {
    await stage.sql.query(
      `INSERT INTO requests.facts SELECT gen_random_uuid(), part, 1000 + n,
         ('00000000-0000-4000-8000-' || lpad((n % 4000)::text, 12, '0'))::uuid, 'acct_big', 'key_1', 'm', 'live', 'p', 'USD',
         jsonb_build_object('outputText', n), n, '2026-11-10'
       FROM generate_series(1, 6000) AS n, generate_series(0, 1) AS part`,
    );
    const window = { ...novemberWindow, accountId: 'acct_big', upTo: { end: ends.november, cutoff: 1_000_000n } };
    const pages: number[] = [];
    let sum = 0n;
    let previous = '';
    for await (const page of facts.read(window)) {
      pages.push(page.length);
      for (const { requestId, amount } of page) {
        expect(requestId >= previous).toBe(true);
        previous = requestId;
        sum += amount;
      }
    }
    expect(pages).toEqual([5_000, 5_000, 2_000]);
    expect(sum).toBe(6_000n * 6_001n);
  });
});
