import type { InvoiceLine } from '../../../events/invoice/invoice.events.ts';
import type { InvoiceState } from '../invoicing/invoice.decider.ts';
import type { StoredInvoice } from '../invoicing/readInvoice.ts';
import { differingFields, type Difference } from './difference.ts';

/** Every field in which a stored invoice is not what it ought to be. */
export function compareInvoices(expected: InvoiceState, found: StoredInvoice): Difference[] {
  if (expected.status === 'none') {
    return [{ where: 'invoice', expected: 'no invoice: nothing to bill', found: `a total of ${found.drafted.total}` }];
  }
  const { lines, ...header } = found.drafted;
  const { lines: expectedLines, ...expectedHeader } = expected.drafted;
  const differences = [...differingFields('invoice', expectedHeader, header), ...differingLines(expectedLines, lines)];
  if (found.status !== 'final') {
    differences.push({ where: 'invoice', expected: 'a final invoice', found: 'a draft' });
  } else if (expected.status === 'final') {
    differences.push(...differingFields('finalized invoice', expected.finalized, found.finalized));
  }
  return differences;
}

/** Lines are matched by what they are for, so that one missing line is one difference. */
function differingLines(expected: readonly InvoiceLine[], found: readonly InvoiceLine[]): Difference[] {
  const unmatched = new Map(found.map((line) => [identityOf(line), line]));
  const differences: Difference[] = [];
  if (unmatched.size < found.length) {
    differences.push({ where: 'lines', expected: 'no two lines for the same', found: 'twins' });
  }
  for (const line of expected) {
    const twin = unmatched.get(identityOf(line));
    unmatched.delete(identityOf(line));
    if (twin) differences.push(...differingFields(`line ${String(twin.line)}`, line, twin));
    else differences.push({ where: 'lines', expected: identityOf(line), found: 'nothing' });
  }
  for (const line of unmatched.values()) {
    differences.push({ where: `line ${String(line.line)}`, expected: 'nothing', found: identityOf(line) });
  }
  return differences;
}

function identityOf({ keyId, model, meter, priceVersion }: InvoiceLine): string {
  return `${keyId} ${model} ${meter} ${priceVersion}`;
}
