import type { EventStore } from '../../../events/eventStore.ts';
import { invoiceSeriesStream } from '../../../events/ids.ts';
import type { InvoiceDrafted } from '../../../events/invoice/invoice.events.ts';
import { allocationIn, invoiceNumber, invoiceSeries } from '../invoicing/invoiceNumbers.ts';
import { differenceOnFailure, type Difference } from './difference.ts';

const PAGE = 500;

/**
 * The number that the series gives an invoice, null when it gives none. Reads the whole series and tells where a number
 * is missing or an invoice has two.
 */
export async function numberInLog(
  store: EventStore,
  drafted: InvoiceDrafted,
  differences: Difference[],
): Promise<string | null> {
  const series = invoiceSeries(drafted.mode, drafted.period);
  const numbers: string[] = [];
  for (let from = 0n; ; from += BigInt(PAGE)) {
    const page = await store.readStream(invoiceSeriesStream(series), { direction: 'forwards', from, limit: PAGE });
    for (const recorded of page) {
      const where = `number ${String(recorded.revision + 1n)} of series ${series}`;
      const allocated = await differenceOnFailure(where, differences, () => allocationIn(recorded));
      if (allocated?.invoiceId === drafted.invoiceId) numbers.push(invoiceNumber(series, allocated.sequence));
    }
    if (page.length < PAGE) break;
  }
  if (numbers.length !== 1) {
    differences.push({ where: 'number', expected: `one number of ${series}`, found: numbers.join(', ') || 'nothing' });
  }
  return numbers[0] ?? null;
}
