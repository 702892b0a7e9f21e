import { describe, expect, it } from 'vitest';
import { encode } from '../../../events/codec.ts';
import { invoiceIdOf } from '../../../events/ids.ts';
import { requestIdOf } from '../../support/events.ts';
import type { ClosedPeriod } from '../../../services/billing/invoicing/billing.decider.ts';
import type { InvoiceDraft } from '../../../services/billing/invoicing/draftInvoice.ts';
import {
  invoiceDecider,
  type InvoiceCommand,
  type InvoiceState,
} from '../../../services/billing/invoicing/invoice.decider.ts';

const period: ClosedPeriod = {
  period: '2026-11',
  start: '2026-11-01T00:00:00.000Z',
  end: '2026-12-01T00:00:00.000Z',
  openedEventId: requestIdOf('opened'),
  cutoff: 99n,
  closedEventId: requestIdOf('closed'),
  closedAt: '2026-12-01T01:00:00.000Z',
};
const draft: InvoiceDraft = {
  currency: 'USD',
  lines: [],
  exactTotalPicos: '12050000000',
  total: '1',
  roundingAmount: '1',
};
const draftIt: InvoiceCommand = { type: 'DraftInvoice', accountId: 'acct_live1', mode: 'live', period, draft };
const finalizeIt: InvoiceCommand = { type: 'FinalizeInvoice', number: 'INV-2026-000001' };

function after(...commands: readonly InvoiceCommand[]): InvoiceState {
  return commands.reduce((state, command) => {
    const decision = invoiceDecider.decide(command, state);
    if (!decision.ok) throw new Error(decision.refusal.reason);
    return decision.events.reduce((folded, event) => invoiceDecider.evolve(folded, event), state);
  }, invoiceDecider.initialState());
}

describe('an invoice', () => {
  it('is drafted as of the closing of its period', () => {
    expect(after(draftIt)).toMatchObject({
      status: 'drafted',
      drafted: {
        occurredAt: '2026-12-01T01:00:00.000Z',
        causationId: period.closedEventId,
        invoiceId: invoiceIdOf('acct_live1', '2026-11', 'USD'),
        start: period.start,
        end: period.end,
        cutoff: '99',
        mode: 'live',
        ...draft,
      },
    });
  });

  it('is finalized with its number and the totals of the draft', () => {
    expect(after(draftIt, finalizeIt)).toMatchObject({
      status: 'final',
      finalized: { number: 'INV-2026-000001', currency: 'USD', exactTotalPicos: '12050000000', total: '1' },
    });
  });

  it('is the same bytes whoever makes it', () => {
    const [one, other] = [after(draftIt, finalizeIt), after(draftIt, finalizeIt)];
    if (one.status !== 'final' || other.status !== 'final') throw new Error('not final');
    expect(encode(one.drafted)).toEqual(encode(other.drafted));
    expect(encode(one.finalized)).toEqual(encode(other.finalized));
  });

  it('changes nothing when drafted or finalized again', () => {
    for (const state of [after(draftIt), after(draftIt, finalizeIt)]) {
      expect(invoiceDecider.decide(draftIt, state)).toEqual({ ok: true, events: [] });
    }
    expect(invoiceDecider.decide(finalizeIt, after(draftIt, finalizeIt))).toEqual({ ok: true, events: [] });
  });

  it('refuses another draft, another number, and a number before a draft', () => {
    const other: InvoiceCommand = { ...draftIt, draft: { ...draft, total: '2' } };
    expect(invoiceDecider.decide(other, after(draftIt))).toEqual({ ok: false, refusal: { reason: 'draft_differs' } });
    expect(invoiceDecider.decide(other, after(draftIt, finalizeIt))).toEqual({
      ok: false,
      refusal: { reason: 'draft_differs' },
    });
    const renumbered: InvoiceCommand = { type: 'FinalizeInvoice', number: 'INV-2026-000002' };
    expect(invoiceDecider.decide(renumbered, after(draftIt, finalizeIt))).toEqual({
      ok: false,
      refusal: { reason: 'number_differs' },
    });
    expect(invoiceDecider.decide(finalizeIt, after())).toEqual({ ok: false, refusal: { reason: 'not_drafted' } });
  });
});
