import { decode, encode } from '../../../events/codec.ts';
import type { EventStore, ExpectedRevision, RecordedEvent } from '../../../events/eventStore.ts';
import { deriveId, invoiceSeriesStream } from '../../../events/ids.ts';
import type { Mode } from '../../../events/envelope.ts';
import type { InvoiceDrafted, InvoiceNumberAllocated } from '../../../events/invoice/invoice.events.ts';

const PAGE = 500;
/** A conflict means that another closer took the number; each costs one short read. */
const MAX_ATTEMPTS = 200;

/** One series per mode and calendar year of the period: `INV-2026`, `TEST-2026`. */
export function invoiceSeries(mode: Mode, period: string): string {
  return `${mode === 'live' ? 'INV' : 'TEST'}-${period.slice(0, 4)}`;
}

/** `INV-2026-000001`. */
export function invoiceNumber(series: string, sequence: number): string {
  return `${series}-${String(sequence).padStart(6, '0')}`;
}

/**
 * Numbers without gaps or twins. A series' stream holds one event per number, and the exact revision is the lock: the
 * number of an event is its revision plus one. Keeps each series folded in memory and reads only what is new.
 */
export class InvoiceNumbers {
  readonly #store: EventStore;
  readonly #series = new Map<string, { readonly byInvoice: Map<string, number>; length: bigint }>();

  constructor(store: EventStore) {
    this.#store = store;
  }

  /** The number of a drafted invoice: the one it has, or else the next of its series. Throws StoreUnavailable; call it again then. */
  async allocate(drafted: InvoiceDrafted): Promise<string> {
    const series = invoiceSeries(drafted.mode, drafted.period);
    for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt += 1) {
      const { byInvoice, length } = await this.#readOn(series);
      const standing = byInvoice.get(drafted.invoiceId);
      if (standing !== undefined) return invoiceNumber(series, standing);
      const allocated = allocation(drafted, series, Number(length) + 1);
      const expected: ExpectedRevision = length === 0n ? 'no_stream' : length - 1n;
      const result = await this.#store.append({
        stream: invoiceSeriesStream(series),
        expected,
        events: [encode(allocated)],
      });
      if (result.outcome === 'id_reused') throw new Error(`event id ${result.eventId} reused in series ${series}`);
      if (result.outcome !== 'conflict') return invoiceNumber(series, allocated.sequence);
    }
    throw new Error(`series ${series}: ${String(MAX_ATTEMPTS)} conflicting appends in a row`);
  }

  async #readOn(series: string): Promise<{ readonly byInvoice: ReadonlyMap<string, number>; readonly length: bigint }> {
    const fold = this.#series.get(series) ?? { byInvoice: new Map<string, number>(), length: 0n };
    this.#series.set(series, fold);
    for (;;) {
      const from = fold.length;
      const page = await this.#store.readStream(invoiceSeriesStream(series), {
        direction: 'forwards',
        from,
        limit: PAGE,
      });
      for (const recorded of page) {
        const { invoiceId, sequence } = allocationIn(recorded);
        fold.byInvoice.set(invoiceId, sequence);
        if (recorded.revision >= fold.length) fold.length = recorded.revision + 1n;
      }
      if (page.length < PAGE) return fold;
    }
  }
}

/** The allocation that an event of a series' stream is. Throws Error when it is none, or its number does not follow from its place. */
export function allocationIn(recorded: RecordedEvent): InvoiceNumberAllocated {
  const event = decode(recorded);
  if (event?.type !== 'InvoiceNumberAllocated' || BigInt(event.sequence) !== recorded.revision + 1n) {
    throw new Error(
      `${recorded.stream} revision ${recorded.revision.toString()} is not the allocation that belongs there`,
    );
  }
  return event;
}

function allocation(drafted: InvoiceDrafted, series: string, sequence: number): InvoiceNumberAllocated {
  return {
    type: 'InvoiceNumberAllocated',
    version: 1,
    eventId: deriveId('InvoiceNumberAllocated', drafted.accountId, drafted.period, drafted.currency),
    occurredAt: drafted.occurredAt,
    accountId: drafted.accountId,
    correlationId: drafted.correlationId,
    causationId: drafted.eventId,
    invoiceId: drafted.invoiceId,
    series,
    sequence,
  };
}
