import { isDeepStrictEqual } from 'node:util';
import type { DomainEvent } from '../../../events/codec.ts';
import type { Mode } from '../../../events/envelope.ts';
import { deriveId, invoiceIdOf } from '../../../events/ids.ts';
import type { InvoiceDrafted, InvoiceFinalized } from '../../../events/invoice/invoice.events.ts';
import type { Decider } from '../../decider.ts';
import { billingCorrelation, type ClosedPeriod } from './billing.decider.ts';
import type { InvoiceDraft } from './draftInvoice.ts';

export type InvoiceCommand =
  | {
      readonly type: 'DraftInvoice';
      readonly accountId: string;
      readonly mode: Mode;
      readonly period: ClosedPeriod;
      readonly draft: InvoiceDraft;
    }
  | { readonly type: 'FinalizeInvoice'; readonly number: string };

export type InvoiceRefusal =
  /** It was drafted with other content: the same facts must always give the same invoice. */
  { readonly reason: 'draft_differs' | 'number_differs' | 'not_drafted' };

export type InvoiceState =
  | { readonly status: 'none' }
  | { readonly status: 'drafted'; readonly drafted: InvoiceDrafted }
  | { readonly status: 'final'; readonly drafted: InvoiceDrafted; readonly finalized: InvoiceFinalized };

type InvoiceStreamEvent = InvoiceDrafted | InvoiceFinalized;

/**
 * The stream `invoice-{id}`. Its events are a function of the closed period and its facts alone, with the closing as
 * their time, so whoever makes them again makes the same bytes.
 */
export const invoiceDecider: Decider<InvoiceCommand, InvoiceState, InvoiceStreamEvent, InvoiceRefusal> = {
  initialState: () => ({ status: 'none' }),
  evolve(state, event) {
    switch (event.type) {
      case 'InvoiceDrafted':
        return { status: 'drafted', drafted: event };
      case 'InvoiceFinalized':
        return state.status === 'drafted' ? { status: 'final', drafted: state.drafted, finalized: event } : state;
    }
  },
  decide(command, state) {
    switch (command.type) {
      case 'DraftInvoice': {
        const drafted = draftedEvent(command);
        if (state.status === 'none') return { ok: true, events: [drafted] };
        if (isDeepStrictEqual(state.drafted, drafted)) return { ok: true, events: [] };
        return { ok: false, refusal: { reason: 'draft_differs' } };
      }
      case 'FinalizeInvoice': {
        if (state.status === 'none') return { ok: false, refusal: { reason: 'not_drafted' } };
        if (state.status === 'drafted') return { ok: true, events: [finalizedEvent(state.drafted, command.number)] };
        if (state.finalized.number === command.number) return { ok: true, events: [] };
        return { ok: false, refusal: { reason: 'number_differs' } };
      }
    }
  },
  owns: (event: DomainEvent): event is InvoiceStreamEvent =>
    event.type === 'InvoiceDrafted' || event.type === 'InvoiceFinalized',
};

function draftedEvent({
  accountId,
  mode,
  period,
  draft,
}: Extract<InvoiceCommand, { type: 'DraftInvoice' }>): InvoiceDrafted {
  const invoiceId = invoiceIdOf(accountId, period.period, draft.currency);
  return {
    type: 'InvoiceDrafted',
    version: 1,
    eventId: deriveId('InvoiceDrafted', accountId, period.period, draft.currency),
    occurredAt: period.closedAt,
    accountId,
    correlationId: billingCorrelation(accountId, period.period),
    causationId: period.closedEventId,
    invoiceId,
    period: period.period,
    start: period.start,
    end: period.end,
    cutoff: period.cutoff.toString(),
    mode,
    ...draft,
  };
}

function finalizedEvent(drafted: InvoiceDrafted, number: string): InvoiceFinalized {
  const { accountId, period, currency, invoiceId, exactTotalPicos, total } = drafted;
  return {
    type: 'InvoiceFinalized',
    version: 1,
    eventId: deriveId('InvoiceFinalized', accountId, period, currency),
    occurredAt: drafted.occurredAt,
    accountId,
    correlationId: drafted.correlationId,
    causationId: drafted.eventId,
    invoiceId,
    number,
    currency,
    exactTotalPicos,
    total,
  };
}
