import { describe, expect, it } from 'vitest';
import { encode } from '../../../events/codec.ts';
import {
  billingDecider,
  nextPeriod,
  type BillingCommand,
  type Books,
} from '../../../services/billing/invoicing/billing.decider.ts';
import { isInWindow, windowOf } from '../../../services/billing/invoicing/billingWindow.ts';
import { monthBounds } from '../../../services/billing/period.ts';

const ACCOUNT = 'acct_live1';
const none = billingDecider.initialState();

function open(period: string, at: string): BillingCommand {
  const month = monthBounds(period, 'UTC');
  return {
    type: 'OpenPeriod',
    accountId: ACCOUNT,
    period,
    firstPeriod: '2026-10',
    month,
    zone: 'UTC',
    now: Date.parse(at),
  };
}

function close(period: string, at: string, options: { early?: boolean; cutoff?: bigint } = {}): BillingCommand {
  const { early = false, cutoff = 7n } = options;
  return { type: 'ClosePeriod', accountId: ACCOUNT, period, early, cutoff, now: Date.parse(at) };
}

/** The books after commands that all succeed. */
function after(...commands: readonly BillingCommand[]): Books {
  return commands.reduce((books, command) => {
    const decision = billingDecider.decide(command, books);
    if (!decision.ok) throw new Error(JSON.stringify(decision.refusal));
    return decision.events.reduce((folded, event) => billingDecider.evolve(folded, event), books);
  }, none);
}

describe('opening a billing period', () => {
  it('stores its bounds and zone', () => {
    const decision = billingDecider.decide(open('2026-10', '2026-10-20T00:00:00.000Z'), none);
    expect(decision).toMatchObject({
      ok: true,
      events: [
        {
          type: 'PeriodOpened',
          accountId: ACCOUNT,
          occurredAt: '2026-10-20T00:00:00.000Z',
          period: '2026-10',
          start: '2026-10-01T00:00:00.000Z',
          end: '2026-11-01T00:00:00.000Z',
          zone: 'UTC',
          causationId: null,
        },
      ],
    });
  });

  it('is refused out of order', () => {
    expect(billingDecider.decide(open('2026-11', '2026-11-20T00:00:00.000Z'), none)).toEqual({
      ok: false,
      refusal: { reason: 'not_next', next: '2026-10' },
    });
    const running = after(open('2026-10', '2026-10-20T00:00:00.000Z'));
    expect(billingDecider.decide(open('2026-11', '2026-11-20T00:00:00.000Z'), running)).toEqual({
      ok: false,
      refusal: { reason: 'not_next', next: '2026-10' },
    });
  });

  it('is refused before it starts', () => {
    expect(billingDecider.decide(open('2026-10', '2026-09-30T23:59:59.999Z'), none)).toEqual({
      ok: false,
      refusal: { reason: 'not_started', start: '2026-10-01T00:00:00.000Z' },
    });
  });

  it('changes nothing when it is open or closed', () => {
    const running = after(open('2026-10', '2026-10-20T00:00:00.000Z'));
    expect(billingDecider.decide(open('2026-10', '2026-10-21T00:00:00.000Z'), running)).toEqual({
      ok: true,
      events: [],
    });
    const closed = after(open('2026-10', '2026-10-20T00:00:00.000Z'), close('2026-10', '2026-11-02T00:00:00.000Z'));
    expect(billingDecider.decide(open('2026-10', '2026-11-03T00:00:00.000Z'), closed)).toEqual({
      ok: true,
      events: [],
    });
  });

  it('starts where an early closed one ended', () => {
    const books = after(
      open('2026-10', '2026-10-20T00:00:00.000Z'),
      close('2026-10', '2026-10-21T12:00:00.000Z', { early: true }),
      open('2026-11', '2026-10-22T00:00:00.000Z'),
    );
    expect(books.open).toMatchObject({ start: '2026-10-21T12:00:00.000Z', end: '2026-12-01T00:00:00.000Z' });
  });
});

describe('closing a billing period', () => {
  const running = after(open('2026-10', '2026-10-20T00:00:00.000Z'));

  it('pins its end and its cutoff', () => {
    const decision = billingDecider.decide(close('2026-10', '2026-11-01T00:00:00.000Z', { cutoff: 42n }), running);
    expect(decision).toMatchObject({
      ok: true,
      events: [
        {
          type: 'PeriodClosed',
          occurredAt: '2026-11-01T00:00:00.000Z',
          period: '2026-10',
          end: '2026-11-01T00:00:00.000Z',
          cutoff: '42',
          causationId: running.open?.openedEventId,
        },
      ],
    });
  });

  it('is refused while it runs, one millisecond before its end too', () => {
    expect(billingDecider.decide(close('2026-10', '2026-10-31T23:59:59.999Z'), running)).toEqual({
      ok: false,
      refusal: { reason: 'not_over', end: '2026-11-01T00:00:00.000Z' },
    });
  });

  it('ends it now when closed early', () => {
    const books = after(
      open('2026-10', '2026-10-20T00:00:00.000Z'),
      close('2026-10', '2026-10-20T10:00:00.000Z', { early: true }),
    );
    expect(books.closed).toMatchObject([{ period: '2026-10', end: '2026-10-20T10:00:00.000Z', cutoff: 7n }]);
  });

  it('keeps its end when "early" comes late', () => {
    const books = after(
      open('2026-10', '2026-10-20T00:00:00.000Z'),
      close('2026-10', '2026-11-05T00:00:00.000Z', { early: true }),
    );
    expect(books.closed).toMatchObject([{ end: '2026-11-01T00:00:00.000Z' }]);
  });

  it('never makes an empty period', () => {
    const books = after(
      open('2026-10', '2026-10-20T00:00:00.000Z'),
      close('2026-10', '2026-10-20T10:00:00.000Z', { early: true }),
      open('2026-11', '2026-10-20T10:00:00.000Z'),
    );
    expect(billingDecider.decide(close('2026-11', '2026-10-20T10:00:00.000Z', { early: true }), books)).toEqual({
      ok: false,
      refusal: { reason: 'not_started', start: '2026-10-20T10:00:00.000Z' },
    });
  });

  it('is refused when it was not opened', () => {
    expect(billingDecider.decide(close('2026-10', '2026-11-01T00:00:00.000Z'), none)).toEqual({
      ok: false,
      refusal: { reason: 'not_next', next: '2026-10' },
    });
  });

  it('changes nothing the second time, whatever the second wish says', () => {
    const closed = after(open('2026-10', '2026-10-20T00:00:00.000Z'), close('2026-10', '2026-11-02T00:00:00.000Z'));
    const again = close('2026-10', '2026-12-02T00:00:00.000Z', { early: true, cutoff: 99n });
    expect(billingDecider.decide(again, closed)).toEqual({ ok: true, events: [] });
  });

  it('gives two closers with different clocks events of different ids', () => {
    const ids = ['2026-11-01T00:00:00.000Z', '2026-11-01T00:00:00.001Z'].map((now) => {
      const decision = billingDecider.decide(close('2026-10', now), running);
      return decision.ok ? decision.events.map((event) => encode(event).eventId) : [];
    });
    expect(ids[0]).not.toEqual(ids[1]);
  });
});

describe('the period to open next', () => {
  it('is the first, the one that runs, or the one after the last', () => {
    const running = after(open('2026-10', '2026-10-20T00:00:00.000Z'));
    const closed = after(open('2026-10', '2026-10-20T00:00:00.000Z'), close('2026-10', '2026-11-02T00:00:00.000Z'));
    expect([none, running, closed].map((books) => nextPeriod(books, '2026-10'))).toEqual([
      '2026-10',
      '2026-10',
      '2026-11',
    ]);
  });
});

describe('a billing window', () => {
  const books = after(
    open('2026-10', '2026-10-20T00:00:00.000Z'),
    close('2026-10', '2026-11-02T00:00:00.000Z', { cutoff: 10n }),
    open('2026-11', '2026-11-02T00:00:00.000Z'),
    close('2026-11', '2026-12-01T00:00:00.000Z', { cutoff: 20n }),
  );
  const october = windowOf(books, ACCOUNT, '2026-10');
  const november = windowOf(books, ACCOUNT, '2026-11');

  it.each([
    ['before both ends and cutoffs', '2026-10-31T23:59:59.999Z', 10n, [true, false]],
    ['at the end of the period', '2026-11-01T00:00:00.000Z', 10n, [false, true]],
    ['of the period, but stored after its cutoff', '2026-10-15T00:00:00.000Z', 11n, [false, true]],
    ['at the next cutoff', '2026-11-30T00:00:00.000Z', 20n, [false, true]],
    ['stored after every cutoff', '2026-10-15T00:00:00.000Z', 21n, [false, false]],
  ])('holds a fact %s', (_name, occurredAt, position, expected) => {
    const held = [october, november].map((window) => window !== null && isInWindow(window, occurredAt, position));
    expect(held).toEqual(expected);
  });

  it('does not exist before its period is closed', () => {
    expect(windowOf(books, ACCOUNT, '2026-12')).toBeNull();
  });
});
