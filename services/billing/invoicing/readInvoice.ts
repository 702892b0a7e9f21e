import type { EventStore } from '../../../events/eventStore.ts';
import { invoiceStream } from '../../../events/ids.ts';
import { load } from '../../decider.ts';
import { invoiceDecider, type InvoiceState } from './invoice.decider.ts';

/** An invoice as it stands in the record. */
export type StoredInvoice = Exclude<InvoiceState, { readonly status: 'none' }>;

/** Null when there is no such invoice. Throws StoreUnavailable. */
export async function readInvoice(store: EventStore, invoiceId: string): Promise<StoredInvoice | null> {
  const { state } = await load(store, invoiceDecider, invoiceStream(invoiceId));
  return state.status === 'none' ? null : state;
}
