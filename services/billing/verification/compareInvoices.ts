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
  const candidates = Map.groupBy(found, identityOf);
  const differences: Difference[] = [];
  for (const [identity, lines] of Map.groupBy(expected, identityOf)) {
    const { pairs, left } = pair(lines, candidates.get(identity) ?? []);
    candidates.set(identity, left);
    for (const [line, twin] of pairs) {
      if (twin) differences.push(...differingFields(`line ${String(twin.line)}`, line, twin));
      else differences.push({ where: 'lines', expected: identity, found: 'nothing' });
    }
  }
  for (const line of [...candidates.values()].flat()) {
    differences.push({ where: `line ${String(line.line)}`, expected: 'nothing', found: identityOf(line) });
  }
  return differences;
}

interface Pairing {
  readonly pairs: readonly (readonly [InvoiceLine, InvoiceLine | undefined])[];
  readonly left: InvoiceLine[];
}

/** Lines for the same are told apart by their unit price; one whose price is nowhere takes what is left. */
function pair(expected: readonly InvoiceLine[], found: readonly InvoiceLine[]): Pairing {
  const left = [...found];
  const take = (fits: (line: InvoiceLine) => boolean) => {
    const index = left.findIndex(fits);
    return index < 0 ? undefined : left.splice(index, 1)[0];
  };
  const priced = expected.map((line) => ({
    line,
    twin: take((other) => other.unitPriceMicrosPerMillion === line.unitPriceMicrosPerMillion),
  }));
  const pairs = priced.map(({ line, twin }) => [line, twin ?? take(() => true)] as const);
  return { pairs, left };
}

function identityOf({ keyId, model, meter, priceVersion }: InvoiceLine): string {
  return `${keyId} ${model} ${meter} ${priceVersion}`;
}
