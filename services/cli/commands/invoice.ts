import { Option, type Command } from 'commander';
import { z } from 'zod';
import { formatMinorUnits, formatPicos } from '../../../events/money.ts';
import { verifyInvoice } from '../../billing/verification/verifyInvoice.ts';
import { accountChoice, chosenAccounts, withAccountChoice } from '../accountChoice.ts';
import type { Actions } from '../actions.ts';
import { accountField, periodField } from '../input.ts';
import { invoiceIdNamed, invoiceReference } from '../invoiceReference.ts';
import type { Outcome } from '../outcome.ts';
import type { Installation, InvoiceRow } from '../ports.ts';
import { tableOf, type Column } from '../table.ts';
import { closeInvoicePeriod } from './invoiceClose.ts';
import { showInvoice } from './invoiceShow.ts';

const close = z.object({ account: accountField, period: periodField, early: z.boolean().default(false) });
const list = z.object(accountChoice);
const reference = { invoice: invoiceReference };
const show = z.object({
  ...reference,
  format: z.enum(['table', 'json', 'csv']),
  requests: z.boolean().default(false),
});

/** `invoice`: close periods, read invoices, and check them against the record. */
export function registerInvoice(program: Command, actions: Actions): void {
  const invoice = program.command('invoice').description('close periods, show and verify invoices');

  invoice
    .command('close')
    .description('close a billing period and issue its invoices; again changes nothing')
    .requiredOption('--account <id>', 'whose period')
    .requiredOption('--period <month>', 'such as 2026-11; open periods before it are closed first')
    .option('--early', 'end a period that is not over; the next one starts there')
    .action(actions.opened(close, closeInvoicePeriod));

  withAccountChoice(invoice.command('list'))
    .description('invoices, newest period first')
    .action(actions.opened(list, listInvoices));

  invoice
    .command('show <invoice>')
    .description('an invoice by its id or number')
    .addOption(new Option('--format <format>', 'how it is shown').choices(['table', 'json', 'csv']).default('table'))
    .option('--requests', 'with the ids of the requests behind each line')
    .action(actions.opened(show, showInvoice));

  invoice
    .command('verify <invoice>')
    .description('make an invoice again from events alone and compare every field')
    .action(actions.opened(z.object(reference), verify));
}

async function listInvoices(installation: Installation, input: z.output<typeof list>): Promise<Outcome> {
  const accounts = await chosenAccounts(installation, input);
  await installation.caughtUp();
  const invoices = (await Promise.all(accounts.map((account) => installation.answers.invoices(account)))).flat();
  return { data: { invoices: invoices.map(summary) }, text: tableOf(COLUMNS, invoices, 'No invoices.') };
}

const COLUMNS: readonly Column<InvoiceRow>[] = [
  { head: 'number', of: (row) => row.number ?? 'draft' },
  { head: 'account', of: (row) => row.accountId },
  { head: 'period', of: (row) => row.period },
  { head: 'mode', of: (row) => row.mode },
  { head: 'exact', align: 'right', of: (row) => formatPicos(row.exactTotal) },
  { head: 'total', align: 'right', of: (row) => formatMinorUnits(row.total, row.currency) },
  { head: 'currency', of: (row) => row.currency },
];

function summary({ exactTotal, total, ...row }: InvoiceRow) {
  return { ...row, exactTotal: formatPicos(exactTotal), total: formatMinorUnits(total, row.currency) };
}

async function verify(installation: Installation, input: { readonly invoice: string }): Promise<Outcome> {
  await installation.caughtUp();
  const invoiceId = await invoiceIdNamed(installation, input.invoice);
  const verification = await verifyInvoice(installation.store, invoiceId);
  const data = { invoiceId, ...verification };
  if (verification.equal) {
    const { lines, facts } = verification;
    const basis = `${String(lines)} lines from ${String(facts)} usage facts`;
    return {
      data,
      text: `EQUAL: ${input.invoice} made again from events alone is the same in every field (${basis}).`,
    };
  }
  const table = tableOf(
    [
      { head: 'where', of: (difference) => difference.where },
      { head: 'the events say', of: (difference) => difference.expected },
      { head: 'the invoice says', of: (difference) => difference.found },
    ],
    verification.differences,
    '',
  );
  return { data, text: `DIFFERENT: ${input.invoice} is not what its events say.\n${table}`, exit: 'difference' };
}
