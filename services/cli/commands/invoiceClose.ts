import { formatMinorUnits, formatPicos } from '../../../events/money.ts';
import { closePeriod, type CloseRefusal } from '../../billing/invoicing/closePeriod.ts';
import type { IssuedInvoice } from '../../billing/invoicing/invoicePeriod.ts';
import { CommandFailed } from '../failure.ts';
import type { Outcome } from '../outcome.ts';
import type { Installation } from '../ports.ts';
import { tableOf, type Column } from '../table.ts';

interface Wish {
  readonly account: string;
  readonly period: string;
  readonly early: boolean;
}

/** Closes a period, at once and here, not by the queue. Throws CommandFailed `refused` and `not_found`. */
export async function closeInvoicePeriod(
  { closing }: Installation,
  { account, period, early }: Wish,
): Promise<Outcome> {
  const outcome = await closePeriod(closing, { accountId: account, period, early });
  if (!outcome.ok) throw refusalOf(account, outcome.period, outcome.refusal);
  const { start, end, cutoff, closedAt } = outcome.period;
  const invoices = outcome.invoices.map(invoiceDocument);
  return {
    data: { accountId: account, period, start, end, cutoff, closedAt, invoices },
    text: [
      `${period} of ${account} is closed: service from ${start} to ${end}, events up to ${cutoff.toString()}.`,
      tableOf(COLUMNS, invoices, 'There was nothing to bill, so there is no invoice.'),
    ].join('\n'),
  };
}

function invoiceDocument({ invoiceId, number, currency, exactTotalPicos, total }: IssuedInvoice) {
  const exactTotal = formatPicos(BigInt(exactTotalPicos));
  return { invoiceId, number, currency, exactTotal, total: formatMinorUnits(BigInt(total), currency) };
}

type Issued = ReturnType<typeof invoiceDocument>;
const COLUMNS: readonly Column<Issued>[] = [
  { head: 'number', of: (issued) => issued.number },
  { head: 'exact', align: 'right', of: (issued) => issued.exactTotal },
  { head: 'total', align: 'right', of: (issued) => issued.total },
  { head: 'currency', of: (issued) => issued.currency },
  { head: 'invoice', of: (issued) => issued.invoiceId },
];

function refusalOf(account: string, period: string, refusal: CloseRefusal): CommandFailed {
  switch (refusal.reason) {
    case 'unknown_account':
      return new CommandFailed('not_found', `There is no account ${account}.`);
    case 'before_account':
      return new CommandFailed('refused', `The first period of ${account} is ${refusal.firstPeriod}.`);
    case 'not_next':
      return new CommandFailed('refused', `${refusal.next} is the next period of ${account}, not ${period}.`);
    case 'not_started':
      return new CommandFailed('refused', `${period} of ${account} starts at ${refusal.start}.`);
    case 'not_over':
      return new CommandFailed(
        'refused',
        `${period} of ${account} is not over before ${refusal.end}. To end it now, say --early.`,
      );
  }
}
