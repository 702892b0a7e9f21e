import type { Command } from 'commander';
import { z } from 'zod';
import { CURRENCIES, formatPicos } from '../../../events/money.ts';
import { monthBounds, quotaPeriodOf } from '../../billing/period.ts';
import { accountChoice, chosenAccounts, withAccountChoice } from '../accountChoice.ts';
import type { Actions } from '../actions.ts';
import { periodField } from '../input.ts';
import type { Outcome } from '../outcome.ts';
import type { Installation, UsageRow } from '../ports.ts';
import { tableOf, type Column } from '../table.ts';

const usage = z.object({ ...accountChoice, period: periodField.optional() });

/** `usage`: what was used in a month, by key and model. */
export function registerUsage(program: Command, actions: Actions): void {
  withAccountChoice(program.command('usage'))
    .description('usage of a UTC month per key and model, as quotas count it')
    .option('--period <month>', 'such as 2026-11; this month unless given')
    .action(actions.opened(usage, showUsage));
}

async function showUsage(installation: Installation, input: z.output<typeof usage>): Promise<Outcome> {
  const accounts = await chosenAccounts(installation, input);
  const period = input.period ?? quotaPeriodOf(installation.runtime.clock.now());
  await installation.caughtUp();
  const { start, end } = monthBounds(period, 'UTC');
  const rows = await installation.answers.usageByKeyAndModel(accounts, start, end);
  const totals = totalsOf(rows);
  return {
    data: {
      period,
      accounts,
      usage: rows.map((row) => ({ ...counts(row), amount: formatPicos(row.amount) })),
      totals: Object.fromEntries(totals.map(({ currency, amount }) => [currency, formatPicos(amount)])),
    },
    text: [
      tableOf(COLUMNS, rows, `No usage in ${period}.`),
      ...totals.map(({ currency, amount }) => `Total in ${period}: ${formatPicos(amount)} ${currency}`),
    ].join('\n'),
  };
}

const COLUMNS: readonly Column<UsageRow>[] = [
  { head: 'key', of: (row) => row.keyId },
  { head: 'model', of: (row) => row.model },
  { head: 'requests', align: 'right', of: (row) => row.requests.toString() },
  { head: 'failed', align: 'right', of: (row) => row.failed.toString() },
  { head: 'tokens', align: 'right', of: (row) => row.tokens.toString() },
  { head: 'amount', align: 'right', of: (row) => formatPicos(row.amount) },
  { head: 'currency', of: (row) => row.currency },
];

/** Counts stay far below 2⁵³; money never becomes a number. */
function counts({ accountId, keyId, model, currency, requests, failed, tokens }: UsageRow) {
  return {
    accountId,
    keyId,
    model,
    currency,
    requests: Number(requests),
    failed: Number(failed),
    tokens: Number(tokens),
  };
}

function totalsOf(rows: readonly UsageRow[]) {
  return CURRENCIES.flatMap((currency) => {
    const amounts = rows.filter((row) => row.currency === currency).map(({ amount }) => amount);
    return amounts.length === 0 ? [] : [{ currency, amount: amounts.reduce((sum, amount) => sum + amount, 0n) }];
  });
}
