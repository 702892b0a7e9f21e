import { formatPicos, parsePicos, type Picos } from '../../events/money.ts';
import type { InvoiceDocument, LineDocument } from '../billing/rendering/invoiceDocument.ts';
import type { CallRow } from '../cli/ports.ts';
import { expectFound, expectSame } from './expectation.ts';

const MILLION = 1_000_000n;

/** Recomputes every line of an invoice from the calls it names, and spells the dearest one out. */
export function walkBack(document: InvoiceDocument, calls: readonly CallRow[], print: (line: string) => void): void {
  for (const line of document.lines) recompute(line, calls);
  const [dearest] = document.lines.toSorted((a, b) => (exactOf(a) > exactOf(b) ? -1 : 1));
  spellOut(document, expectFound('a line on the invoice', dearest), calls, print);
}

function exactOf({ exactAmount }: LineDocument): Picos {
  return parsePicos(exactAmount);
}

function recompute(line: LineDocument, calls: readonly CallRow[]): void {
  const what = `line ${String(line.line)}`;
  const quantities = quantitiesOf(line, calls).map(([, quantity]) => quantity);
  expectSame(`requests of ${what}`, quantities.length, line.requestCount);
  expectSame(
    `quantity of ${what}`,
    quantities.reduce((sum, quantity) => sum + quantity, 0),
    line.quantity,
  );
  const amount = (BigInt(line.quantity) * parsePicos(line.unitPricePerMillion)) / MILLION;
  expectSame(`amount of ${what}`, formatPicos(amount), line.exactAmount);
}

function spellOut(
  { currency }: InvoiceDocument,
  line: LineDocument,
  calls: readonly CallRow[],
  print: (line: string) => void,
): void {
  print(`   Line ${String(line.line)}, walked back to the calls that caused it:`);
  for (const [requestId, quantity] of quantitiesOf(line, calls)) {
    print(`     request ${requestId}  ${String(quantity).padStart(6)} ${line.meter}`);
  }
  const price = `${line.unitPricePerMillion} ${currency} / 1,000,000`;
  print(
    `     ${String(line.quantity)} ${line.meter} × ${price} = ${line.exactAmount} ${currency}, rounded once to ${line.amount}`,
  );
}

function quantitiesOf(line: LineDocument, calls: readonly CallRow[]): readonly (readonly [string, number])[] {
  return (line.requestIds ?? []).map((requestId) => {
    const call = expectFound(
      `request ${requestId} of line ${String(line.line)} in the log`,
      calls.find((candidate) => candidate.requestId === requestId),
    );
    return [requestId, call.usage?.[line.meter] ?? 0] as const;
  });
}
